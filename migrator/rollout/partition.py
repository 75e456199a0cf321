"""Nodes in order, in parts that may leave together: no workload is away by that, and its pods find room elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from migrator.model.plan import Finding, Severity
from migrator.planning.checks.findings import found, listed
from migrator.planning.cluster_capacity import Resources
from migrator.rollout.shared_workloads import SharedWorkloads

REPLICAS, ROOM = "batch-replicas", "capacity"
"""Ids of what is looked at here. Whoever allows them takes nodes together whatever becomes of pods."""

_Allowed = Mapping[str, frozenset[str]]
"""For each node the ids that the user waives there."""


@dataclass(frozen=True)
class Part:
    """Nodes that leave together."""

    nodes: tuple[str, ...]
    findings: tuple[Finding, ...] = ()
    """Why it has not the nodes, or not as many, as were asked for; or what becomes of workloads all the same."""


def parts(ordered: Sequence[str], size: int, crowds: SharedWorkloads, allowed: _Allowed) -> Iterator[Part]:
    """Give parts of at most `size` nodes.

    Each takes what is left in the order that was given, but not the node with which a crowd would be whole: that is
    among the first of a later part. A node without which there is no room ends its part. So each part has at least
    one node, and whoever is alone harms no more than one node does.
    """
    left = list(ordered)
    while left:
        filling = _Filling(size, crowds, allowed)
        later: list[str] = []
        for place, node in enumerate(left):
            if filling.full:
                later += left[place:]
                break
            if filling.completes_a_crowd(node):
                later.append(node)
                continue
            if filling.has_no_room_for(node):
                later += left[place:]
                break
            filling.take(node)
        yield Part(tuple(filling.nodes), tuple(filling.findings()))
        left = later


@dataclass
class _Filling:
    """A part that takes nodes."""

    size: int
    crowds: SharedWorkloads
    allowed: _Allowed
    nodes: list[str] = field(default_factory=list)
    held: Counter[str] = field(default_factory=Counter)
    """How many nodes of each crowd it has, by the workload."""
    whole: set[str] = field(default_factory=set)
    """Workloads that have no other nodes, as the user allows."""
    apart: dict[str, str] = field(default_factory=dict)
    """Nodes that it does not take, with the workload."""
    wanted: Resources = field(default_factory=Resources)
    """What the pods that leave its nodes have requested."""
    own: Resources = field(default_factory=Resources)
    """What is free on its nodes."""
    short: str = ""
    """Of what there would be too little with another node."""

    @property
    def full(self) -> bool:
        """Whether it takes no other node in any case."""
        return len(self.nodes) >= self.size

    def completes_a_crowd(self, node: str) -> bool:
        """Tell whether some workload would have no other node, and nobody allows that."""
        whole = self._made_whole(node)
        if whole and REPLICAS not in self.allowed.get(node, ()):
            self.apart[node] = whole[0]
            return True
        return False

    def has_no_room_for(self, node: str) -> bool:
        """Tell whether the pods of this node too would find no room; a node alone is judged by its own plan."""
        around = self.crowds.around
        if around is None or not self.nodes or ROOM in self.allowed.get(node, ()):
            return False
        outside = around.total.less(self.own).less(around.free.get(node, Resources()))
        self.short = outside.lacking(self.wanted.plus(self.crowds.needs.get(node, Resources())))
        return bool(self.short)

    def take(self, node: str) -> None:
        """Take it."""
        self.whole.update(self._made_whole(node))
        self.held.update(crowd.workload for crowd in self.crowds.of.get(node, ()))
        self.wanted = self.wanted.plus(self.crowds.needs.get(node, Resources()))
        if self.crowds.around is not None:
            self.own = self.own.plus(self.crowds.around.free.get(node, Resources()))
        self.nodes.append(node)

    def _made_whole(self, node: str) -> list[str]:
        """Name the workloads of which it has all other nodes."""
        crowds = self.crowds.of.get(node, ())
        return [crowd.workload for crowd in crowds if self.held[crowd.workload] + 1 == len(crowd.nodes)]

    def findings(self) -> Iterator[Finding]:
        """Say what was decided."""
        if self.whole:
            yield found(
                REPLICAS,
                f"all ready pods of {listed(self.whole)} leave at once",
                "allowed by the user",
                Severity.WARNS,
            )
        if self.apart:
            yield found(
                REPLICAS,
                f"without {listed(self.apart)}: all ready pods of {listed(self.apart.values())} would leave at once",
                f"spread these pods over more nodes, or --allow {REPLICAS} to have them away together",
            )
        if self.short:
            yield found(
                "batch-capacity",
                f"{len(self.nodes)} of {self.size} nodes: for one more the others have room for "
                f"{self.short} that leave",
                f"add nodes or scale something down, or --allow {ROOM} to leave pods Pending meanwhile",
            )
