"""Where Docker keeps its data, how much that is, and what is mounted there.

Runs on the node: Python 3.6 or later, standard library only.
"""

import json
import os
import re
import shlex
import stat

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


def option(words, names):
    """Give an option's value on a command line; "" without it."""
    for place, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name in names:
            return value if equals else "".join(words[place + 1 : place + 2])
    return ""


def size(path):
    """Give the bytes that removing a path returns."""
    try:
        top = os.lstat(path)
    except OSError:
        return 0
    total, seen = top.st_blocks * 512, set()
    if not stat.S_ISDIR(top.st_mode):
        return total
    for folder, names, files in os.walk(path, onerror=lambda _: None):
        for name in list(names) + files:
            try:
                entry = os.lstat(os.path.join(folder, name))
            except OSError:
                continue
            if entry.st_dev != top.st_dev and name in names:
                names.remove(name)
            elif entry.st_nlink == 1 or (entry.st_dev, entry.st_ino) not in seen:
                seen.add((entry.st_dev, entry.st_ino))
                total += entry.st_blocks * 512
    return total


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
