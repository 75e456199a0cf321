"""Processes as the host sees them: which belong to a container, and what /proc says of one."""

import ctypes
import json
import os
import re

from witness_base import WitnessError, link, mounts, names, numbers, part, question, read
from witness_cgroup import above, contents, folders

FILES = (
    "stat",
    "status",
    "limits",
    "mountinfo",
    "cgroup",
    "uid_map",
    "gid_map",
    "oom_score_adj",
    "attr/current",
    "net/dev",
    "net/route",
    "net/fib_trie",
    "net/if_inet6",
)
_MONITOR = re.compile(r"crio-conmon-[0-9a-f]{64}(?:\.scope)?")
_UTS = 0x04000000
"""CLONE_NEWUTS of sched.h."""


def ids_in(text):
    """Give the container ids in a cgroup path; that of CRI-O's monitor only names the container that it watches."""
    return set(re.findall(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])", _MONITOR.sub("", text)))


@question
def pids(ids, at=""):
    """Give the main process of each container: 1 in its own PID namespace, else the lowest; 0 for none."""
    found = {identity: [] for identity in ids}
    for pid in numbers(at):
        for identity in ids_in(read(f"/proc/{pid}/cgroup", at) or "").intersection(found):
            found[identity].append((_inner(pid, at) != 1, pid))
    return {identity: min(members)[1] if members else 0 for identity, members in found.items()}


def _inner(pid, at):
    """Give a process's number in its own PID namespace; 0 when it is not known (kernels before 4.1)."""
    match = re.search(r"^NSpid:.*\s(\d+)$", read(f"/proc/{pid}/status", at) or "", re.MULTILINE)
    return int(match.group(1)) if match else 0


@question
def view(pid, at=""):
    """Describe a process from outside; see RawView in migrator/model/evidence.py."""
    place = f"/proc/{pid}"
    links = {f"ns/{name}": link(f"{place}/ns/{name}", at) for name in names(f"{place}/ns", at)}
    files = {name: read(f"{place}/{name}", at) for name in FILES}
    if files["status"] is None:
        raise WitnessError(f"there is no process {pid}")
    by_controller = folders(pid, at)
    return {
        "schema_version": 1,
        "links": {name: target for name, target in links.items() if target},
        "files": {name: text for name, text in files.items() if text is not None},
        "lists": {},
        "cgroup": contents(by_controller, at),
        "parent": contents(above(by_controller, at), at),
        "names": _names(pid, at),
    }


def _names(pid, at):
    """Ask uname(2) as that process would: its hostname belongs to its UTS namespace.

    A child of ours enters it, so that we stay where we are; /proc/PID/root would show our own name.
    """
    receiver, sender = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            file = os.open(f"{at}/proc/{pid}/ns/uts", os.O_RDONLY)
            if ctypes.CDLL(None).setns(file, _UTS) == 0:
                kernel = os.uname()
                answer = {"nodename": kernel.nodename, "release": kernel.release, "machine": kernel.machine}
                os.write(sender, json.dumps(answer).encode())
        finally:
            os._exit(0)
    os.close(sender)
    with os.fdopen(receiver, "rb") as file:
        told = file.read()
    os.waitpid(child, 0)
    return json.loads(told.decode()) if told else {}


@question
def mounted(source, at=""):
    """Count the mounts of the host's own mount namespace that have this source."""
    return sum(mount.source == source for mount in mounts(at, pid=1))


part("witness_process", globals())
