"""Nodes with the same plan, taken together: a fleet of equal nodes is read once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from migrator.model.fate import KeyFate
from migrator.model.plan import FileChange, Finding, MigrationPlan, NodePlan, Plan, PlannedStep, Severity

MOST = 8
"""How many names, or answers that differ, are shown before the rest is only counted."""


@dataclass(frozen=True)
class Group:
    """At least one node; what is compared by `groups` is the same for all of them."""

    nodes: tuple[NodePlan, ...]

    @property
    def first(self) -> NodePlan:
        """The node that stands for all."""
        return self.nodes[0]

    @property
    def names(self) -> tuple[str, ...]:
        """Names in the cluster, in the plan's order."""
        return tuple(node.node for node in self.nodes)

    @property
    def findings(self) -> list[tuple[Finding, ...]]:
        """Each finding as every node has it, in the order of `nodes`; the most severe first."""
        columns = zip(*(node.findings for node in self.nodes), strict=True)
        return sorted(columns, key=lambda column: list(Severity).index(column[0].severity))

    @property
    def files(self) -> tuple[FileChange, ...]:
        """What is written on each of them."""
        return _files(self.first)

    @property
    def fates(self) -> tuple[KeyFate, ...]:
        """What becomes of the settings of each."""
        return _fates(self.first)

    @property
    def images(self) -> tuple[str, ...]:
        """The images that any of the nodes carries over."""
        return tuple(sorted({image for node in self.nodes for image in _images(node)}))

    @property
    def images_differ(self) -> bool:
        """Whether each node carries only a part of `images`."""
        return any(len(_images(node)) < len(self.images) for node in self.nodes)

    @property
    def steps(self) -> list[tuple[PlannedStep, ...]]:
        """Each step as every node has it, in the order of `nodes`."""
        return list(zip(*(node.steps for node in self.nodes), strict=True))


def groups(plan: Plan) -> tuple[Group, ...]:
    """Group the planned nodes that are equal, in the order of each group's first node.

    Evidence, remedies, the steps' reasons and the images may differ within a group, because they follow from the
    pods that happen to be there; all else that a report shows may not.
    """
    found: dict[tuple[object, ...], list[NodePlan]] = {}
    for node in plan.nodes:
        found.setdefault(_key(node), []).append(node)
    return tuple(Group(tuple(nodes)) for nodes in found.values())


def _key(node: NodePlan) -> tuple[object, ...]:
    return (
        node.source,
        node.target,
        tuple((step.id, step.needed) for step in node.steps),
        tuple(_file_key(file) for file in _files(node)),
        tuple((fate.key, fate.fate, fate.to, fate.reason) for fate in _fates(node)),
        tuple((finding.id, finding.severity) for finding in node.findings),
    )


def _files(node: NodePlan) -> tuple[FileChange, ...]:
    return node.files if isinstance(node, MigrationPlan) else ()


def _fates(node: NodePlan) -> tuple[KeyFate, ...]:
    return node.fates if isinstance(node, MigrationPlan) else ()


def _images(node: NodePlan) -> tuple[str, ...]:
    return node.images if isinstance(node, MigrationPlan) else ()


def _file_key(file: FileChange) -> tuple[object, ...]:
    """Compare texts, not `FileChange.sha256`, which would hash each of them anew."""
    before = file.before
    text = "" if before.sha256 else before.content
    return (
        file.path,
        file.content,
        (file.copies.path, file.copies.sha256) if file.copies else None,
        (file.mode, file.owner, file.group),
        (before.exists, before.sha256, text, before.hidden, before.problem),
        (before.mode, before.owner, before.group),
    )


def title(names: Sequence[str], show: Callable[[str], str], what: str = "nodes") -> str:
    """Name the nodes, each as `show` gives it; several are counted, and only the first `MOST` named."""
    if len(names) == 1:
        return show(names[0])
    return f"{listed(names, show)} ({len(names):,} {what})"


def listed(names: Sequence[str], show: Callable[[str], str]) -> str:
    """Give the first `MOST` names and the number of the others."""
    rest = len(names) - MOST
    return ", ".join([*map(show, names[:MOST]), *([f"… and {rest:,} more"] if rest > 0 else [])])


def variants(names: Iterable[str], values: Iterable[str]) -> dict[str, list[str]]:
    """Give the names by what is said of each; `names` and `values` are in the same order."""
    found: dict[str, list[str]] = {}
    for name, value in zip(names, values, strict=True):
        found.setdefault(value, []).append(name)
    return found


def cut(found: dict[str, list[str]], *, whole: bool) -> tuple[dict[str, list[str]], int]:
    """Keep the first `MOST` variants, or all of them if `whole`; with the number of the nodes that are left out."""
    kept = dict(list(found.items())[: len(found) if whole else MOST])
    return kept, sum(map(len, found.values())) - sum(map(len, kept.values()))
