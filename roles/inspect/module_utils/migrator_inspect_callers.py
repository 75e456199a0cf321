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
_IN_UNIT = re.compile(r"^Exec\w+[ \t]*(?==).*?(?:" + _CALL + r"|/docker\.sock\b)", re.MULTILINE)
_IN_JOB = re.compile(r"^(?![ \t]*#).*?" + _CALL, re.MULTILINE)
_OWN = re.compile(r"/docker\.service(\.d/|$)")


_AGENTS = frozenset(("ansible-pull", "cf-agent", "chef-client", "cinc-client", "puppet", "rudder", "salt-call"))
_COMMAND = re.compile(r"^Exec\w+[ \t]*=[ \t]*[-@:+!|]*(.*)")
_SCHEDULE = re.compile(r"[ \t]*(?:@\w+|[\d*]\S*(?:[ \t]+[\w*]\S*){4})[ \t]+(?=\S)")
"""When a line of a cron table runs (crontab(5))."""
_WITH_USER = ("/etc/crontab", "/etc/cron.d/")
"""Tables whose lines name a user before the command."""
_BEFORE = frozenset(
    "do elif else env exec flock if ionice nice nohup runuser setsid sudo systemd-cat then time timeout while".split()
)
"""What may stand before a command."""
_UPGRADES = re.compile(r"""^(?![ \t]*(?://|\#)).*?\bUnattended-Upgrade\s+"(\w+)"\s*;""", re.MULTILINE)
_PART = re.compile(r"/(?:[\w-]+|[\w-][\w.-]*\.conf)$", re.ASCII)
"""Names that APT reads: without an extension, or with `conf` (apt.conf(5))."""
_UPGRADE_TIMER = "apt-daily-upgrade.timer"


def callers(tree):
    """Give the files of units and jobs that call Docker."""
    return sorted(path for path, _ in _found(tree, _calls(_IN_UNIT), _calls(_IN_JOB)) if not _OWN.search(path))[:MOST]


def agents(tree, active):
    """Name what changes this host by itself: of the units that are active, and files of others and of jobs.

    Debian's timer runs on every host, and upgrades only where that was configured.
    """
    names = [name for name in active if name != _UPGRADE_TIMER or upgrades(tree)]
    files = ["{} ({})".format(path, name) for path, name in _found(tree, agent_in_unit, agent_in_job)]
    return sorted(names) + (["needrestart"] if find(tree, "needrestart") else []) + sorted(files)[:MOST]


def upgrades(tree):
    """Tell whether APT upgrades packages by itself: the last file that says so counts (apt.conf(5))."""
    parts = [path for path in sorted(tree.glob("/etc/apt/apt.conf.d/*")) if _PART.search(path)]
    texts = [tree.text(path) for path in parts + ["/etc/apt/apt.conf"]]
    said = [value for text in texts for value in _UPGRADES.findall(text)]
    return bool(said) and said[-1] != "0" and bool(find(tree, "unattended-upgrade"))


def _calls(pattern):
    def said(text, _):
        match = pattern.search(text)
        return match.group() if match else ""

    return said


def agent_in_unit(text, _):
    """Name the agent that a unit's file starts; "" for none."""
    return _agent(match.group(1) for match in map(_COMMAND.match, text.splitlines()) if match)


def agent_in_job(text, path):
    """Name the agent that a script or a cron table starts; "" for none."""
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return _agent(_job(line, path) for line in lines)


def _job(line, path):
    """Give the command of a line: of a script, or of a cron table behind its schedule, and perhaps a user."""
    match = _SCHEDULE.match(line)
    command = line[match.end() :] if match else line
    return command.partition(" ")[2] if match and path.startswith(_WITH_USER) else command


def _agent(commands):
    """Name the agent that one of these starts, by the words that stand where a command does; "" for none."""
    for command in commands:
        for part in re.split(r"[;&|()`'\"{}]", command):
            name = _program(part.split())
            if name in _AGENTS:
                return name
    return ""


def _program(words):
    """Give the name of the program of a simple command, behind assignments and programs that start it."""
    wrapped, place = "", 0
    while place < len(words):
        word = words[place]
        name = word.rpartition("/")[2]
        if name in _BEFORE:
            wrapped = name
        elif wrapped and word.startswith("-"):
            place += word in ("-u", "-g", "-c", "-k", "-s", "-w") and wrapped != "setsid"
        elif wrapped == "flock" and name not in _AGENTS:
            wrapped = "flock's file"
        elif "=" not in word and not (wrapped and word[0].isdigit()) and word != "!":
            return name
        place += 1
    return ""


def _found(tree, in_unit, in_job):
    """Give each file of a unit or a job in which such a call stands, with what stands there, each once."""
    found = {}
    for patterns, call in ((UNITS, in_unit), (JOBS, in_job)):
        for path in [path for pattern in patterns for path in tree.glob(pattern)]:
            said = call(tree.text(path).replace("\\\n", " "), path)
            if said:
                found[path] = said
    return sorted(found.items())
