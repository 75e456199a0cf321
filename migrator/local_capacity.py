"""How many hosts this machine can work on at once, by open files and memory."""

from __future__ import annotations

import contextlib
import os
import resource
from dataclasses import dataclass
from pathlib import Path

FILES = 25
"""Open files of this process for a host at work: 8 for a line with its witness, 5 for each relay, 3 for a playbook, and
those of gRPC and of the API server's connection. Over SSH, with two relays, `bench/lines.py` saw 22 for each of 16."""
MEMORY = 200 * 2**20
"""Bytes for a host at work: a line that rests has two processes of Ansible and some of ssh and takes 78 MiB, a playbook
beside it 73 more (`bench/lines.py`: proportional set sizes, ansible-core 2.19); then there is what is kept of it."""
_OTHERS = 100
"""Open files of a run that has no host: terminal, logs, libraries."""
_ENOUGH = 65536
"""Open files that are asked for: more would only make programs slow that close all they might have."""


@dataclass(frozen=True)
class _Files:
    """Names of what a control group says of its memory."""

    most: str
    used: str
    cached: str
    """A key of memory.stat: files, of the groups below too, that nobody has used for a while."""


_VERSION_2 = _Files("memory.max", "memory.current", "inactive_file")
_VERSION_1 = _Files("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


@dataclass(frozen=True)
class Room:
    """What there is to be had."""

    files: int
    """Files that this process may have open."""
    memory: int
    """Bytes of memory that are free or can be made so."""

    @property
    def most(self) -> int:
        """How many hosts may be at work at once: one in any case."""
        return max(1, min((self.files - _OTHERS) // FILES, self.memory // MEMORY))

    @property
    def why(self) -> str:
        """Say what that comes from."""
        return (
            f"a node at work takes {FILES} open files of {self.files} that are allowed (ulimit -Hn), "
            f"and {MEMORY // 2**20} MiB of memory of {self.memory // 2**20} that are free"
        )


def widen() -> None:
    """Allow this process as many open files as it may have: the usual 1,024 are for programs that use select()."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # somebody forbids it: a large batch will be refused
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def here(root: Path = Path("/")) -> Room:
    """Look at this machine, and at the control group that we are in."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = _ENOUGH if soft == resource.RLIM_INFINITY else soft
    return Room(files, min(_available(root), _allowed(root)))


def _available(root: Path) -> int:
    """Give what Linux thinks can be had without swapping."""
    with contextlib.suppress(OSError):  # a control host need not have Linux
        for line in (root / "proc/meminfo").read_text().splitlines():
            name, _, value = line.partition(":")
            if name == "MemAvailable":
                return int(value.split()[0]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _allowed(root: Path) -> int:
    """Give what the control groups leave us, that may be a container's; files kept in memory count as free.

    Sources: kernel documentation, admin-guide/cgroup-v2, "Memory Interface Files", and cgroup-v1/memory.
    """
    told = ""
    with contextlib.suppress(OSError):
        told = (root / "proc/self/cgroup").read_text()
    left = 2**63
    for line in told.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, ours = rest.partition(":")
        if number == "0" and not controllers:
            left = min(left, *_all_left(root / "sys/fs/cgroup", ours, _VERSION_2))
        elif "memory" in controllers.split(","):
            left = min(left, *_all_left(root / "sys/fs/cgroup/memory", ours, _VERSION_1))
    return left


def _all_left(top: Path, ours: str, files: _Files) -> list[int]:
    """Give what each of the groups around us leaves. A container may see its own as the topmost one."""
    place = top / ours.strip("/")
    return [_left(folder, files) for folder in (place, *place.parents) if folder == top or top in folder.parents]


def _left(folder: Path, files: _Files) -> int:
    try:
        most = int((folder / files.most).read_text())
        used = int((folder / files.used).read_text())
        told = (folder / "memory.stat").read_text().split()
    except (OSError, ValueError):  # no such file, or "max"
        return 2**63
    counted = dict(zip(told[::2], told[1::2], strict=False))
    return max(0, most - used + int(counted.get(files.cached, 0)))
