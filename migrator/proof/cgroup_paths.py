"""Where in the cgroup tree a container belongs.

Kubernetes 1.20.2 pkg/kubelet/cm/{cgroup_manager_linux,pod_container_manager_linux}.go; systemd.slice(5).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from migrator.model.evidence import NodeProfile
from migrator.proof.process_view import View
from migrator.runtimes.traits import Traits

KUBEPODS = "kubepods"
CONTROLLERS: Final = ("memory", "cpu", "cpuacct", "pids", "cpuset", "blkio", "devices", "freezer")
"""Of v1, those that every low-level runtime puts its containers into."""
SYSTEMD, CGROUPFS = "systemd", "cgroupfs"
_QUALITIES: Mapping[str, tuple[str, ...]] = {
    "Guaranteed": (),
    "Burstable": ("burstable",),
    "BestEffort": ("besteffort",),
}
_OF_CRUN = "/container"
"""crun puts processes one level below the scope, on v2 (crun(1), run.oci.systemd.subgroup)."""
_SCOPE = re.compile(r"[a-z-]+-[0-9a-f]{12,64}\.scope")
_PLAIN = re.compile(r"(crio-)?[0-9a-f]{12,64}")


def pod(circumstances: NodeProfile, quality: str, uid: str) -> str:
    """Give the path of a pod's cgroup under a kubelet, without a slash at either end."""
    root = [part for part in circumstances.cgroup_root.split("/") if part]
    names = [*root, KUBEPODS, *_QUALITIES.get(quality, ()), f"pod{uid}"]
    return slices(names) if circumstances.cgroup_driver == SYSTEMD else "/".join(names)


def slices(names: Sequence[str]) -> str:
    """Write nested names as systemd does: each slice's name has those above it, "-" between them, "_" for their own."""
    escaped = [name.replace("-", "_") for name in names]
    return "/".join("-".join(escaped[: depth + 1]) + ".slice" for depth in range(len(escaped)))


def leaf(circumstances: NodeProfile, traits: Traits, identity: str) -> str:
    """Give the name of a container's own cgroup."""
    if circumstances.cgroup_driver == SYSTEMD:
        return f"{traits.scope}{identity}.scope"
    return f"{traits.plain}{identity}"


def found(view: View) -> str | None:
    """Give the path of the cgroup whose limits count, without a slash in front; None when it is not known."""
    for controller in ("memory", "cpu", "pids", ""):
        if controller in view.cgroups:
            return _without_crun(view.cgroups[controller]).strip("/")
    return None


def by_controller(view: View) -> dict[str, str]:
    """Give the paths in the hierarchies of v1."""
    return {name: path for name, path in view.cgroups.items() if name in CONTROLLERS}


def driver(path: str) -> str:
    """Tell who made a container's cgroup by its name: "systemd", "cgroupfs", or "" for a name that nobody gives.

    A runtime that does not use systemd takes what a kubelet wrote for systemd ("slice:prefix:id") as a name.
    """
    name = path.rpartition("/")[2]
    if _SCOPE.fullmatch(name):
        return SYSTEMD
    if _PLAIN.fullmatch(name) or (":" in name and ".slice" in name):
        return CGROUPFS
    return ""


def within(path: str, parent: str) -> bool:
    """Tell whether a path lies below a parent; a node that is itself a container has its own path before both."""
    return f"/{parent.strip('/')}/" in f"/{path}"


def directly_within(path: str, parent: str) -> bool:
    """Tell whether the parent is the very next level above."""
    return f"/{path.rpartition('/')[0]}".endswith(f"/{parent.strip('/')}")


def _without_crun(path: str) -> str:
    above = path.removesuffix(_OF_CRUN)
    return above if above.endswith(".scope") else path
