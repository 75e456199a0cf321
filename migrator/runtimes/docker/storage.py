"""Where images and containers are kept, and by which driver.

moby, daemon/graphdriver; containerd, plugins/snapshots; containers/storage, drivers.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Any

from migrator.runtimes.destination import Destination
from migrator.runtimes.docker.places import place
from migrator.runtimes.docker.rule_results import Case, RuleResult, carried, lost, never, pairs, unknown
from migrator.runtimes.docker.source import DockerSource
from migrator.runtimes.registry import RUNTIMES

_REMAPPED = re.compile(r"\d+\.\d+")
"""What Docker calls its folder for users of another number (moby, daemon/daemon_unix.go, setupDaemonRoot)."""
_NAMES = {name: name for name in ("overlay2", "btrfs", "zfs", "vfs")} | {
    "overlay": "overlay2",  # the older driver, on the same filesystem of the kernel
    "overlayfs": "overlay2",  # a snapshotter's name, where Docker keeps images in containerd
    "native": "vfs",
}
"""Drivers that both runtimes have, and their names in the neutral settings."""
_OWN_FILE_SYSTEM = frozenset({"btrfs", "zfs"})
"""Drivers that work on a file system of their name alone."""
NAMED = frozenset({"aufs", "btrfs", "devicemapper", "fuse-overlayfs", "vfs", "zfs"})
"""Drivers that Docker may have chosen by itself, and that are not what any runtime has when nothing is said."""
_WITHOUT = {
    "aufs": "no kernel has aufs any more; overlay takes its place",
    "devicemapper": "a thin pool must be set up by hand for it; overlay takes its place",
    "fuse-overlayfs": "the kernel's own overlay takes its place",
}
_OPTIONS = {
    "overlay2.size": "nothing limits the disk space of a container's own layer; pods can: ephemeral-storage",
    "btrfs.min_space": "nothing limits the disk space of a container's own layer; pods can: ephemeral-storage",
    "zfs.fsname": "the data set is the one that is mounted at the runtime's folder",
}
"""Options that CRI-O has too, and what becomes of them with containerd."""


def root(source: DockerSource, to: Destination) -> str:
    """Give the new runtime's data folder, beside Docker's; "" when Docker was told none, or it does not follow.

    Where Docker's folder is itself a mount point, what stands beside it is on another disk, and the new folder is
    inside.
    """
    wanted = source.given.get("data-root") or source.given.get("graph") or ""
    if not wanted or source.keeps_root:
        return ""
    folder = posixpath.normpath(wanted)
    if source.given.get("userns-remap") and _REMAPPED.fullmatch(posixpath.basename(folder)):
        folder = posixpath.dirname(folder)  # a folder of Docker's own, inside the one that it was told
    parent, name = posixpath.split(folder)
    own = RUNTIMES[to.runtime].folder or to.runtime
    if folder == source.root_mount:
        parent, name = folder, f"migrator-{own}"
        return posixpath.join(parent, name)
    beside = posixpath.join(parent, own)
    return beside if beside != folder else f"{folder}-{to.runtime}"


def driver(source: DockerSource) -> str:
    """Give the storage driver that the new runtime can have too; "" for its own default."""
    name = _NAMES.get(source.given.get("storage-driver") or "", "")
    return "" if _elsewhere(name, source) else name


def _elsewhere(name: str, source: DockerSource) -> bool:
    """Tell whether a driver needs a file system that the new runtime's folder is not on."""
    return name in _OWN_FILE_SYSTEM and source.new_root_kind not in {"", name}


def kept_options(options: Mapping[str, Any], to: Destination) -> tuple[str, ...]:
    """Give the storage options that the new runtime has, in Docker's words."""
    if not place("storage_options", to):
        return ()
    given = pairs(options.get("storage-opts") or [])
    return tuple(f"{name}={value}" for name, value in given.items() if name in _OPTIONS)


def judge_root(_value: str, case: Case) -> RuleResult:
    """Carry the disk, whatever the folder is called."""
    if case.source.keeps_root:
        return never(case.source.keeps_root)
    return carried(place("root", case.to), f"the folder is {root(case.source, case.to)}, on the same disk")


def judge_driver(value: str, case: Case) -> RuleResult:
    """Carry a driver that the new runtime has under whatever name."""
    if _elsewhere(_NAMES.get(value, ""), case.source):
        return lost(f"the new runtime's folder is on {case.source.new_root_kind}; overlay takes its place")
    if value in _NAMES:
        return carried(place("storage", case.to), "" if value == "overlay2" else f"as for {_NAMES[value]}")
    return lost(_WITHOUT.get(value, "the new runtime has no such driver; overlay takes its place"))


def judge_options(value: list[str], case: Case) -> Mapping[str, RuleResult]:
    """Judge each option."""
    return {name: _option(name, case) for name in pairs(value)}


def _option(name: str, case: Case) -> RuleResult:
    where = place("storage_options", case.to)
    if name == "overlay2.override_kernel_check":
        return never("every kernel that Kubernetes runs on passes that check")
    if name in _OPTIONS:
        return carried(where) if where else lost(_OPTIONS[name])
    if name.startswith("dm."):
        return lost("it belongs to devicemapper, which is lost")
    if name in {"size", "vfs.size"}:
        return lost(_OPTIONS["overlay2.size"])
    return unknown("no storage driver of Docker 1.13 to 29 has this option")
