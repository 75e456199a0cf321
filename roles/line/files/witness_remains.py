"""What is left of containers that were removed: everything on the host that still names them.

Names are matched whole, or as a beginning of 12 hex digits and more where a runtime shortens them, so that nothing of
others is taken for ours.
"""

import os
import re
import time

from witness_base import WitnessError, link, mounts, names, numbers, part, question, read
from witness_cgroup import hierarchies
from witness_cni import reservations
from witness_process import ids_in

NETNS = ("/run/netns", "/run/docker/netns")
LOGS = ("/var/log/pods", "/var/log/containers")
STATE = (
    ("/run/containerd", 4),
    ("/run/crio", 3),
    ("/run/docker", 5),
    ("/run/runc", 2),
    ("/run/crun", 2),
    ("/run/containers", 4),
    ("/var/lib/containerd", 3),
    ("/var/lib/containers/storage", 2),
    ("/var/lib/docker/containers", 1),
    ("/var/lib/dockershim/sandbox", 1),
    ("/var/lib/cri-dockerd/sandbox", 1),
    ("/var/lib/kubelet/pods", 1),
    ("/var/lib/cni/results", 1),
    ("/var/lib/cni/cache/results", 1),
)
"""Where runtimes keep what they know of a container, each with how deep that can be."""
_HELPERS = re.compile(r"shim|conmon|runc|crun|docker-proxy")
_PAUSE = 0.25


class Marks:
    """What names the removed containers."""

    def __init__(self, ids, uids, words):
        self.ids = _valid(ids, r"[0-9a-f]{12,64}", "a container id")
        self.uids = {uid.replace("_", "-") for uid in _valid(uids, r"[0-9a-zA-Z_-]{32,36}", "a pod's UID")}
        self.words = _valid(words, r"[A-Za-z0-9][A-Za-z0-9._-]{7,}", "a name of eight signs or more")

    def on(self, text):
        """Tell whether a text names one of them."""
        hexes = re.findall(r"(?<![0-9a-f])[0-9a-f]{12,64}(?![0-9a-f])", text) if self.ids else ()
        if any(identity.startswith(found) for found in hexes for identity in self.ids):
            return True
        plain = text.replace("_", "-") if self.uids else ""
        # A pod's cgroup is called pod<uid>, or …-pod<uid>.slice.
        if any(re.search(rf"(?:^|[^0-9a-zA-Z]|pod){uid}(?![0-9a-zA-Z])", plain) for uid in self.uids if uid in plain):
            return True
        return any(
            re.search(rf"(?<![A-Za-z0-9]){re.escape(word)}(?![A-Za-z0-9])", text) for word in self.words if word in text
        )


def _valid(given, pattern, what):
    for entry in given:
        if entry and not re.match(rf"{pattern}$", entry):
            raise WitnessError(f"{entry!r} is not {what}")
    return [entry for entry in given if entry]


@question
def left(ids=(), uids=(), netns=(), interfaces=(), addresses=(), words=(), seconds=0, at=""):
    """List what still exists of removed containers, as Leftover documents of migrator/model/evidence.py.

    Kernel and runtimes take a moment for what they remove: it is looked again until nothing is left or `seconds` are
    over. `netns` are inode numbers, `interfaces` names on the host, `words` other names that only we gave.
    """
    marks = Marks(ids, uids, words)
    # A number that is none, or the host's own namespace, where containers of the host network were, is nothing left.
    inodes = {int(re.sub(r"\D", "", str(entry)) or 0) for entry in netns} - {0, _inode(link("/proc/self/ns/net", at))}
    deadline = time.time() + seconds
    while True:
        found = (
            _cgroups(marks, at)
            + _processes(marks, at)
            + _namespaces(marks, inodes, at)
            + [("interface", name) for name in interfaces if name and os.path.lexists(f"{at}/sys/class/net/{name}")]
            + [("mount", mount.point) for mount in mounts(at, pid=1) if marks.on(mount.point + " " + mount.source)]
            + _addresses(marks, addresses, at)
            + [("log", path) for folder in LOGS for path in _named(folder, 1, marks, at)]
            + [("state", path) for folder, depth in STATE for path in _named(folder, depth, marks, at)]
        )
        if not found or time.time() >= deadline:
            kinds = {what: kind for kind, what in reversed(found)}
            return [{"kind": kind, "what": what} for kind, what in found if kinds.pop(what, None)]
        time.sleep(_PAUSE)


def _cgroups(marks, at):
    """Find cgroups by name, each once for all hierarchies."""
    found = {}
    for controller, top in sorted(hierarchies(at).items()):
        for folder, inner, _ in os.walk(at + top):
            hits = [name for name in inner if marks.on(name)]
            for name in hits:
                path = os.path.join(folder, name)[len(at + top) :]
                found.setdefault(path, []).append(controller)
            inner[:] = [name for name in inner if name not in hits]
    return [
        ("cgroup", path + (f" ({', '.join(where)})" if any(where) else "")) for path, where in sorted(found.items())
    ]


def _processes(marks, at):
    """Find processes in such cgroups, and runtimes' helpers that were started for such a container."""
    found = []
    for pid in numbers(at):
        arguments = (read(f"/proc/{pid}/cmdline", at) or "").split("\0")
        helper = _HELPERS.search(arguments[0]) and any(marks.on(argument) for argument in arguments[1:])
        if helper or marks.on(read(f"/proc/{pid}/cgroup", at) or ""):
            name = (read(f"/proc/{pid}/comm", at) or "").strip()
            found.append(("process", f"{pid} {name}".strip()))
    return found


def _namespaces(marks, inodes, at):
    """Find network namespaces by name, by what is mounted, and by who is in them.

    The kernel gives the number of a namespace that is gone to the next new one: one whose processes belong to a
    container that we do not know is somebody else's.
    """
    found, inside, others = [], {}, set()
    for pid in numbers(at):
        inode = _inode(link(f"/proc/{pid}/ns/net", at))
        if inode in inodes:
            text = read(f"/proc/{pid}/cgroup", at) or ""
            if ids_in(text) and not marks.on(text):
                others.add(inode)
            inside.setdefault(inode, pid)
    for mount in mounts(at, pid=1):
        if mount.kind == "nsfs" and _inode(mount.root) in inodes - others:
            found.append(("netns", mount.point))
            inside.pop(_inode(mount.root), None)
    found += [("netns", f"net:[{inode}] of process {pid}") for inode, pid in inside.items() if inode not in others]
    known = {what for _, what in found}
    named = [path for folder in NETNS for path in _named(folder, 1, marks, at) if path not in known]
    return found + [("netns", path) for path in named]


def _inode(text):
    match = re.match(r"net:\[(\d+)\]$", text or "")
    return int(match.group(1)) if match else 0


def _addresses(marks, addresses, at):
    """Find reservations of host-local IPAM.

    An address that another sandbox has by now is not ours any more; a reservation that names nobody is nobody else's.
    """
    return [
        ("address", path)
        for path, owner in reservations(at)
        if marks.on(owner) or (path.rpartition("/")[2] in addresses and not owner)
    ]


def _named(folder, depth, marks, at):
    """Find what has such a name below a folder, without looking into it or over to other filesystems."""
    found = []
    for name in names(folder, at):
        path = f"{folder}/{name}"
        if marks.on(name):
            # A link whose target is gone holds nothing any more: what reads this may know who forgot it.
            dangling = os.path.islink(at + path) and not os.path.exists(_target(path, at))
            found.append(f"{path} (a link to nothing)" if dangling else path)
        elif depth > 1 and os.path.isdir(at + path) and not os.path.islink(at + path):
            if os.path.ismount(at + path):
                continue
            found += _named(path, depth - 1, marks, at)
    return found


def _target(path, at):
    """Give where a link leads, below `at` too."""
    return at + os.path.join(os.path.dirname(path), os.readlink(at + path))


part("witness_remains", globals())
