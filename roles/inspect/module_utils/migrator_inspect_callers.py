"""Who calls Docker now and then, and who changes the host: units and scheduled jobs that may not run right now.

Only the paths of their files leave the node. Runs on the node: Python 3.6 or later, standard library only.
"""

import re

from ansible.module_utils.migrator_inspect_programs import find

UNITS = (
    "/etc/systemd/system/*.service",
    "/etc/systemd/system/*.service.d/*.conf",
    "/run/systemd/system/*.service",
    "/usr/local/lib/systemd/system/*.service",
)
"""Where administrators put units; those of packages come with what they need."""
JOBS = (
    "/etc/crontab",
    "/etc/anacrontab",
    "/etc/cron.d/*",
    "/etc/cron.hourly/*",
    "/etc/cron.daily/*",
    "/etc/cron.weekly/*",
    "/etc/cron.monthly/*",
    "/var/spool/cron/*",
    "/var/spool/cron/crontabs/*",
)
MOST = 50
"""Files that are named."""
_CALL = r"(?:^|[\s;&|=@!+\"'`(/-])docker(?:-compose)?(?:[\s;&|\"'`)]|$)"
"""The program as a word: neither `dockerd` nor `/etc/docker/x` nor `docker.sock`, which only a unit may serve."""
_IN_UNIT = re.compile(r"^Exec\w+\s*(?==).*?(?:" + _CALL + r"|/docker\.sock\b)", re.MULTILINE)
_IN_JOB = re.compile(r"^(?!\s*#).*?" + _CALL, re.MULTILINE)
_OWN = re.compile(r"/docker\.service(\.d/|$)")


_AGENT = (
    r"(?:^|[\s;&|=@!+\"'`(/-])(ansible-pull|puppet|chef-client|cinc-client|salt-call|cf-agent|rudder)(?:[\s;&|\"'`)]|$)"
)
_AGENT_IN_UNIT = re.compile(r"^Exec\w+\s*(?==).*?" + _AGENT, re.MULTILINE)
_AGENT_IN_JOB = re.compile(r"^(?!\s*#).*?" + _AGENT, re.MULTILINE)
_UPGRADES = re.compile(r"""^(?!\s*(?://|\#)).*?\bUnattended-Upgrade\s+"(\w+)"\s*;""", re.MULTILINE)
_UPGRADE_TIMER = "apt-daily-upgrade.timer"


def callers(tree):
    """Give the files of units and jobs that call Docker."""
    return sorted(path for path, _ in _found(tree, _IN_UNIT, _IN_JOB) if not _OWN.search(path))[:MOST]


def agents(tree, active):
    """Name what changes this host by itself: of the units that are active, and files of others and of jobs.

    Debian's timer runs on every host, and upgrades only where that was configured.
    """
    names = [name for name in active if name != _UPGRADE_TIMER or upgrades(tree)]
    files = ["{} ({})".format(path, match.group(1)) for path, match in _found(tree, _AGENT_IN_UNIT, _AGENT_IN_JOB)]
    return sorted(names) + (["needrestart"] if find(tree, "needrestart") else []) + sorted(files)[:MOST]


def upgrades(tree):
    """Tell whether APT upgrades packages by itself: the last file that says so counts (apt.conf(5))."""
    texts = [tree.text(path) for path in sorted(tree.glob("/etc/apt/apt.conf.d/*")) + ["/etc/apt/apt.conf"]]
    said = [value for text in texts for value in _UPGRADES.findall(text)]
    return bool(said) and said[-1] != "0" and bool(find(tree, "unattended-upgrade"))


def _found(tree, in_unit, in_job):
    """Give each file of a unit or a job in which such a call stands, with the match, each once."""
    found = {}
    for patterns, call in ((UNITS, in_unit), (JOBS, in_job)):
        for path in [path for pattern in patterns for path in tree.glob(pattern)]:
            match = call.search(tree.text(path).replace("\\\n", " "))
            if match:
                found[path] = match
    return sorted(found.items())
