"""Which nodes are begun when. Decides only, and knows nothing of nodes but their names."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from migrator.model.plan import Finding
from migrator.model.rollout_policy import Policy, amount
from migrator.planning.checks.findings import listed
from migrator.rollout.partition import parts
from migrator.rollout.results import Ending
from migrator.rollout.shared_workloads import SharedWorkloads


@dataclass(frozen=True)
class Member:
    """A node that is to be worked on."""

    node: str
    zone: str = ""
    canary: bool = False
    allow: frozenset[str] = frozenset()
    """Ids of checks that the user waives there."""


@dataclass(frozen=True)
class Group:
    """Nodes with one policy."""

    policy: Policy
    members: Sequence[Member]
    everyone: frozenset[str]
    """All nodes of the group, those too that are not worked on: of them so many may be unavailable."""

    @property
    def size(self) -> int:
        """How many nodes are worked on together."""
        return amount(self.policy.batch or "1", len(self.everyone))

    @property
    def most(self) -> int:
        """How many nodes may be unavailable."""
        return amount(self.policy.max_unavailable, len(self.everyone)) if self.policy.max_unavailable else self.size


@dataclass(frozen=True)
class Batch:
    """Nodes that are worked on together."""

    group: Group
    nodes: tuple[str, ...]
    canary: bool = False
    findings: tuple[Finding, ...] = ()
    """Why its nodes are not as many, or not those, that were asked for."""

    @property
    def at_once(self) -> int:
        """How many of them are out of service at once, beside those that are so already."""
        return min(len(self.nodes), self.group.most)


def batches(groups: Iterable[Group], most: int = 0, crowds: SharedWorkloads | None = None) -> tuple[Batch, ...]:
    """Give the batches of all groups in turn, canaries first; of no more than `most` nodes, if that is not 0.

    Of what is known of the nodes' pods, `crowds`, follows who may leave together; nothing follows of None.
    """
    found: list[Batch] = []
    for group in groups:
        ordered = spread(group.members)
        marked = [entry.node for entry in group.members if entry.canary]
        first = marked or ordered[: group.policy.canaries]
        begun = frozenset(first)
        others = [node for node in ordered if node not in begun]
        allowed = {entry.node: entry.allow for entry in group.members}
        found += [Batch(group, (node,), canary=True) for node in first]
        found += [
            Batch(group, part.nodes, findings=part.findings)
            for part in parts(others, group.size, crowds or SharedWorkloads(), allowed)
        ]
    return tuple(_first(found, most)) if most else tuple(found)


def spread(members: Iterable[Member]) -> list[str]:
    """Take one of each zone in turn, so that what is worked on together is of as many zones as there are."""
    zones: dict[str, deque[str]] = {}
    for member in members:
        zones.setdefault(member.zone, deque()).append(member.node)
    ordered = []
    while zones:
        for zone in list(zones):
            ordered.append(zones[zone].popleft())
            if not zones[zone]:
                del zones[zone]
    return ordered


def largest(ordered: Iterable[Batch]) -> Batch | None:
    """Give the batch that may have the most nodes out of service at once; None when there is none."""
    return max(ordered, key=lambda batch: batch.at_once, default=None)


class Schedule:
    """Where a rollout stands."""

    def __init__(
        self, ordered: Sequence[Batch], *, serving: bool = False, anytime: bool = False, fits: int | None = None
    ) -> None:
        """Begin with nothing done."""
        self._batches = deque(ordered)
        self._waiting = list(ordered[0].nodes) if ordered else []
        self.serving = serving
        """Whether nodes serve while they are worked on, so that neither windows nor limits hold any back."""
        self.anytime = anytime or serving
        """Whether no window is waited for."""
        self._fits = fits
        """How many nodes whoever works on them can work on at once; None for any number."""
        self._not_before = 0.0
        self._failed: Counter[str] = Counter()
        """How many of each group."""
        self.working: set[str] = set()
        self.stopped = ""
        """Why no other node is begun; "" while that is not so."""

    @property
    def left(self) -> tuple[str, ...]:
        """The nodes that were not begun."""
        return (*self._waiting, *(node for batch in list(self._batches)[1:] for node in batch.nodes))

    @property
    def over(self) -> bool:
        """Whether nothing is under way and nothing will be begun."""
        return not self.working and bool(self.stopped or not self._batches)

    @property
    def policy(self) -> Policy | None:
        """What holds for the node that is next; None when none is, before others have ended."""
        return self._batches[0].group.policy if self._waiting and not self.stopped else None

    def pauses(self, now: float) -> float:
        """Give the seconds until another may be begun, as far as only the policy's pause is concerned."""
        return max(0.0, self._not_before - now)

    def begin(self, unavailable: Collection[str]) -> tuple[str, ...]:
        """Give the nodes to begin now; they count as begun then.

        `unavailable` are the nodes that take no pods at this moment, for whatever reason. To work on one of those
        makes it no worse: a broken node must not keep itself from being mended.
        """
        if self.policy is None:
            return ()
        out = self._out(unavailable)
        begun: list[str] = []
        for node in list(self._waiting):
            if self._full(begun):
                break
            if self.serving or node in unavailable or len(out | {node}) <= self._batches[0].group.most:
                out.add(node)
                begun.append(node)
                self._waiting.remove(node)
        self.working.update(begun)
        return tuple(begun)

    def held_up(self, unavailable: Collection[str]) -> str:
        """Say which nodes keep others from being begun; "" when it is only those that are worked on."""
        if self.policy is None or self.serving or self._full():
            return ""
        out = self._out(unavailable)
        others = out - self.working
        if not others:
            return ""
        return f"{len(out)} nodes are unavailable, {self._batches[0].group.most} may be: {listed(others)}"

    def ended(self, node: str, end: Ending, now: float) -> None:
        """Note what became of a node."""
        batch = self._batches[0]
        self.working.remove(node)
        if end is Ending.FAILED:
            self._count(batch, node)
        if not self.working and not self._waiting:
            self._batches.popleft()
            self._waiting = list(self._batches[0].nodes) if self._batches else []
            self._not_before = now + batch.group.policy.pause

    def stop(self, why: str) -> None:
        """Begin no other node."""
        self.stopped = self.stopped or why

    def _count(self, batch: Batch, node: str) -> None:
        policy = batch.group.policy
        self._failed[policy.group] += 1
        if batch.canary:
            self.stop(f"the canary {node} failed")
        elif self._failed[policy.group] > policy.failures:
            self.stop(f"{self._failed[policy.group]} failed, {policy.failures} may")

    def _full(self, begun: Collection[str] = ()) -> bool:
        return self._fits is not None and len(self.working) + len(begun) >= self._fits

    def _out(self, unavailable: Collection[str]) -> set[str]:
        return set(self._batches[0].group.everyone.intersection(unavailable)) | self.working


def _first(found: Iterable[Batch], most: int) -> Iterator[Batch]:
    for batch in found:
        if most <= 0:
            return
        yield replace(batch, nodes=batch.nodes[:most])
        most -= len(batch.nodes)
