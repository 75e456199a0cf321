"""The files that can be mutated, in groups by their role, and what tests a group."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Group:
    """Files of one role."""

    what: str
    paths: tuple[str, ...]
    """Files and folders, relative to the checkout."""
    but: tuple[str, ...] = ()
    """Those of them that belong to other groups, or that nobody writes by hand."""
    on_nodes: tuple[str, ...] = ()
    """Tests that run its roles on real nodes: they are asked when no unit test has noticed anything."""

    def holds(self, path: str) -> bool:
        """Tell whether a file belongs to it."""
        return _among(path, self.paths) and not _among(path, self.but)

    def files(self, tree: Path) -> list[str]:
        """List its files in a checkout."""
        found = sorted(str(path.relative_to(tree)) for path in tree.rglob("*.py"))
        return [path for path in found if self.holds(path)]


_NODE = "tests/lab/test_0_node_{}.py"

GROUPS = {
    "a": Group(
        "the switch on the node, and what node-side modules share",
        ("roles/switch", "roles/node_support"),
        on_nodes=tuple(map(_NODE.format, ("switch", "unit", "undone", "refused", "containers", "cut", "removal"))),
    ),
    "b": Group("steps on one node, and use cases", ("migrator/engine", "migrator/app")),
    "c": Group(
        "rollouts over many nodes, and what is kept of them",
        ("migrator/rollout", "migrator/store", "migrator/masking.py"),
    ),
    "d": Group("planning and its checks", ("migrator/planning", "migrator/versions.py")),
    "e": Group("translation of settings", ("migrator/runtimes", "migrator/nodeconf")),
    "f": Group(
        "Docker's removal, images, inspection",
        ("roles/docker_removal", "roles/images", "roles/inspect", "roles/runtime_package"),
        on_nodes=tuple(map(_NODE.format, ("removal", "images"))),
    ),
    "g": Group(
        "the doors to hosts and cluster, and the judgement of proofs",
        ("migrator/cluster", "migrator/hosts", "migrator/proof"),
        but=("migrator/proof/image",),
    ),
    "h": Group(
        "sessions of the proof, the line and CRI",
        ("migrator/probe_session", "migrator/cri", "roles/line"),
        but=("migrator/cri/api_pb2.py",),
    ),
}


def group_of(path: str) -> str:
    """Give the name of the group that a file belongs to; "" for none."""
    return next((name for name, group in GROUPS.items() if group.holds(path)), "")


def _among(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)
