"""Where Docker keeps its data, and what is mounted there.

Runs on the node: Python 3.6 or later, standard library only.
"""

import json
import os
import re
import shlex

from ansible.module_utils.migrator_docker_users import option
from ansible.module_utils.migrator_node import NodeError, docker, run, unit_active

ROOT = "/var/lib/docker"
CONFIG = "/etc/docker/daemon.json"


def data_root():
    """Give the folder of Docker's data, as Docker finds it. Raises NodeError where that cannot be known."""
    if unit_active("docker.service"):
        return os.path.realpath(docker("GET", "/info")["DockerRootDir"])
    shown = run(["systemctl", "show", "docker.service", "--property", "ExecStart,Environment,EnvironmentFiles"])[1]
    found = re.search(r"argv\[\]=(.*?) ;", shown)
    words = expanded(found.group(1), shown) if found else []
    told = option(words, ("--data-root", "--graph", "-g")) or configured(option(words, ("--config-file",)) or CONFIG)
    return os.path.realpath(told or ROOT)


def expanded(command, shown):
    """Give a unit's command as words, its variables replaced by what systemd would give them."""
    values = {}
    for line in shown.splitlines():
        name, _, value = line.partition("=")
        if name == "Environment":
            values.update(word.partition("=")[::2] for word in shlex.split(value))
        elif name == "EnvironmentFiles":
            values.update(of_file(value.rpartition(" (")[0] or value))
    words = []
    for word in shlex.split(command):
        if re.match(r"\$\{?\w+\}?$", word):
            words += shlex.split(values.get(word.strip("${}"), ""))
        else:
            words.append(re.sub(r"\$\{(\w+)\}", lambda it: values.get(it.group(1), ""), word))
    if any("$" in word for word in words):
        raise NodeError("what Docker's command line comes to is not known: {}".format(" ".join(words)))
    return words


def of_file(path):
    """Read a systemd environment file; one that is absent has no variables."""
    try:
        with open(path, encoding="utf-8") as file:
            pairs = [line.strip().partition("=") for line in file if not line.lstrip().startswith(("#", ";"))]
    except FileNotFoundError:
        return {}
    return {name: value.strip("\"'") for name, equals, value in pairs if equals}


def configured(path):
    """Give the folder that a daemon.json names; "" where it names none, or does not exist."""
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
    except FileNotFoundError:
        return ""
    except ValueError as error:
        raise NodeError("{} cannot be read, so the folder of Docker's data is not known: {}".format(path, error))
    if not isinstance(document, dict):
        raise NodeError("{} is no object, so the folder of Docker's data is not known".format(path))
    return str(document.get("data-root") or document.get("graph") or "")


class Mount:
    """A line of /proc/self/mountinfo (proc_pid_mountinfo(5))."""

    def __init__(self, line):
        left, _, right = line.partition(" - ")
        words = [plain(word) for word in left.split(" ")]
        self.device, self.root, self.place = words[2:5]
        self.kind = right.split(" ")[0]

    def above(self, path):
        """Tell whether a path is this mount's place, or below it."""
        return (path + "/").startswith(self.place.rstrip("/") + "/")


def mounted():
    """Give all mounts, in the order in which they were made."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        return [Mount(line.rstrip("\n")) for line in file]


def holder(path, table):
    """Give the mount that a path without links is in; None where the table does not tell."""
    found = [mount for mount in reversed(table) if mount.above(path)]  # the last one lies on top
    return max(found, key=lambda mount: len(mount.place.rstrip("/")), default=None)


def bound_from(path):
    """Give where a path, or something below it, is mounted once more: /proc/self/mounts does not tell of that."""
    table = mounted()
    own = holder(path, table)
    if own is None:
        return []
    inside = os.path.normpath(os.path.join(own.root, os.path.relpath(path, own.place)))
    copies = [mount for mount in table if mount.device == own.device and mount is not own]
    return sorted(
        mount.place for mount in copies if (mount.root + "/").startswith(inside.rstrip("/") + "/") and inside != "/"
    )


def passing(path):
    """Tell whether a path is gone after the next boot."""
    found = holder(real(path), mounted())
    return found is not None and found.kind in ("tmpfs", "ramfs")


def namespaces(path):
    """Give the network namespaces that dockerd keeps mounted in its run folder `path`, as often as each is mounted.

    It mounts one for the first container on the host's network, and does not unmount it again (moby#32712). A process
    in such a namespace keeps it; a mount does not belong to anybody.
    """
    folder = os.path.join(real(path), "netns")
    return [
        mount.place
        for mount in mounted()
        if mount.kind == "nsfs"
        and (mount.root.startswith("net:[") or mount.root == "/")  # Linux before 4.2 does not tell which kind it is of
        and os.path.dirname(mount.place) == folder
    ]


def real(path):
    """Give a path whose folder is without links; what it is itself may be one."""
    return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))


def mounts():
    """Give what is mounted: device, place, options."""
    with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as file:
        rows = [[plain(word) for word in line.split()[:4]] for line in file]
    return [(row[0], row[1], row[3]) for row in rows]


def plain(word):
    """Undo the kernel's way of writing spaces."""
    return re.sub(r"\\([0-7]{3})", lambda it: chr(int(it.group(1), 8)), word)


def mounts_below(path):
    """Give what is mounted below a path, and what is mounted elsewhere from there: layers of a running container."""
    inside = path.rstrip("/") + "/"
    found = {place for _, place, _ in mounts() if place.startswith(inside)}
    found |= {
        place
        for device, place, words in mounts()
        if device.startswith(inside) or "=" + inside in words or ":" + inside in words
    }
    return sorted(found)
