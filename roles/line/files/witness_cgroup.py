"""The cgroup of a process on the host's own tree, of version 1, 2 or both."""

import os
import re
import stat

from witness_base import WitnessError, mounts, names, part, question, read

CONTROLLERS = ("memory", "cpu", "cpuacct", "pids", "cpuset")
UNIFIED = ""
"""The one hierarchy of version 2, as /proc/PID/cgroup calls it."""
MOST_OF_A_FILE = 65536
_NO_CONTROLLER = re.compile(r"(?:rw|ro|xattr|noprefix|clone_children|cpuset_v2_mode|release_agent=.*)$")
"""Options of a version 1 mount that are none (cgroups(7))."""
_OF_CONTAINER = re.compile(r"(.*[0-9a-f]{64}[^/]*)(?:/.*)?$")
_OF_SCOPE = re.compile(r"(.*\.scope)/container$")


def hierarchies(at=""):
    """Give where each controller's tree is mounted; that of version 2 under `UNIFIED`."""
    found = {}
    for mount in mounts(at):
        if mount.kind == "cgroup2":
            found.setdefault(UNIFIED, mount.point)
        elif mount.kind == "cgroup":
            for option in mount.options.split(","):
                found.setdefault(option, mount.point)
    return {name: point for name, point in found.items() if not _NO_CONTROLLER.match(name)}


def memberships(pid, at=""):
    """Give the path of a process's cgroup in each hierarchy, by controller."""
    found = {}
    for line in (read(f"/proc/{pid}/cgroup", at) or "").splitlines():
        fields = line.split(":", 2)
        if len(fields) == 3:
            found.update(dict.fromkeys(fields[1].split(","), fields[2]))
    return found


def own(path):
    """Give the cgroup that a runtime made for a container, where a process sits further down.

    crun's processes are in <scope>/container (crun(1), run.oci.systemd.subgroup); a container's own init may make more.
    """
    match = _OF_CONTAINER.match(path) or _OF_SCOPE.match(path)
    return match.group(1) if match else path


def folders(pid, at=""):
    """Give the folders of a process's cgroup by controller; version 2 counts only where version 1 has no controller."""
    paths, trees = memberships(pid, at), hierarchies(at)
    found = {
        name: trees[name] + own(paths[name]).rstrip("/") for name in CONTROLLERS if name in paths and name in trees
    }
    if not found and UNIFIED in paths and UNIFIED in trees:
        found = {UNIFIED: trees[UNIFIED] + own(paths[UNIFIED]).rstrip("/")}
    return found


def above(by_controller, at=""):
    """Give the folders one level up, where that is still inside the tree."""
    tops = set(hierarchies(at).values())
    return {name: os.path.dirname(path) for name, path in by_controller.items() if path not in tops}


def contents(by_controller, at=""):
    """Read the files of a cgroup: "memory/memory.limit_in_bytes" on version 1, "memory.max" on version 2."""
    found = {}
    for controller, folder in by_controller.items():
        prefixes = (*CONTROLLERS, "cgroup") if controller == UNIFIED else (controller, "cgroup")
        for name in names(folder, at):
            path = f"{folder}/{name}"
            if name.partition(".")[0] in prefixes and _readable(at + path):
                text = read(path, at, most=MOST_OF_A_FILE)
                if text is not None:
                    found[f"{controller}/{name}" if controller else name] = text
    return found


def _readable(path):
    """Tell whether it is a file that can be read at all: some can only be written."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) and bool(mode & 0o444)


@question
def counters(pid, at=""):
    """Give what the kernel counted for a process's cgroup; what it does not count is absent."""
    by_controller = folders(pid, at)
    return _counted_unified(by_controller, at) if UNIFIED in by_controller else _counted(by_controller, at)


def _counted(by_controller, at):
    def file(controller, name):
        return read(f"{by_controller[controller]}/{name}", at) if controller in by_controller else None

    cpu = _pairs(file("cpu", "cpu.stat"))
    memory = _pairs(file("memory", "memory.oom_control"))
    # Kernels before 4.13 count no kills, only how often the limit was hit.
    kills = memory.get("oom_kill", _number(file("memory", "memory.failcnt")))
    return _known(
        throttled=cpu.get("nr_throttled"),
        throttled_ns=cpu.get("throttled_time"),
        oom_kills=kills,
        usage_ns=_number(file("cpuacct", "cpuacct.usage")),
        processes=_number(file("pids", "pids.current")),
    )


def _counted_unified(by_controller, at):
    folder = by_controller[UNIFIED]
    cpu = _pairs(read(folder + "/cpu.stat", at))
    return _known(
        throttled=cpu.get("nr_throttled"),
        throttled_ns=_thousand(cpu.get("throttled_usec")),
        oom_kills=_pairs(read(folder + "/memory.events", at)).get("oom_kill"),
        usage_ns=_thousand(cpu.get("usage_usec")),
        processes=_number(read(folder + "/pids.current", at)),
    )


def _pairs(text):
    rows = [line.split() for line in (text or "").splitlines()]
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}


def _number(text):
    return int(text) if text is not None and text.strip().isdigit() else None


def _thousand(value):
    return None if value is None else value * 1000


def _known(**values):
    return {name: value for name, value in values.items() if value is not None}


@question
def limit_processes(pid, most, at=""):
    """Limit the processes of the cgroup above a process's, the pod's: only of one that is ours by its name."""
    if not isinstance(most, int) or most < 1:
        raise WitnessError(f"{most!r} is no number of processes")
    by_controller = above(folders(pid, at), at)
    folder = by_controller.get("pids", by_controller.get(UNIFIED))
    if folder is None:
        raise WitnessError(f"process {pid} has no cgroup of the pids controller below another one")
    if not any(name.startswith("migrator") for name in folder.split("/")):
        raise WitnessError(f"{folder} is not a cgroup of ours")
    try:
        # Not "w": a missing file would mean that the controller is off, not that it is to be made.
        with open(f"{at}{folder}/pids.max", "r+") as file:
            file.write(f"{most}\n")
    except OSError as error:
        raise WitnessError(f"{folder}/pids.max: {error.strerror}")
    return {}


part("witness_cgroup", globals())
