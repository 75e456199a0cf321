"""Who calls Docker now and then: units and scheduled jobs that nobody has asked to run right now.

Only the paths of their files leave the node. Runs on the node: Python 3.6 or later, standard library only.
"""

import re

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


def callers(tree):
    """Give the files of units and jobs that call Docker."""
    found = [
        path
        for patterns, call in ((UNITS, _IN_UNIT), (JOBS, _IN_JOB))
        for pattern in patterns
        for path in tree.glob(pattern)
        if not _OWN.search(path) and call.search(tree.text(path).replace("\\\n", " "))
    ]
    return sorted(set(found))[:MOST]
