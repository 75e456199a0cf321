"""In which order nodes are worked on, how many at once, and when to stop.

`Course` decides and knows nothing of nodes but their names; `roll` has the work done and tells it what became of each.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from migrator.errors import ClusterError, UsageError

_EVERY = 10.0
"""Seconds between two looks at the cluster while nothing ends: the list of all nodes may be long."""


@dataclass(frozen=True)
class Policy:
    """How bold a rollout is."""

    canaries: int = 1
    """Nodes that are worked on first, one after the other, before any batch."""
    batch: str = "1"
    """Nodes that are worked on together: a number, or a share of all of them ("10%")."""
    max_unavailable: str = ""
    """Nodes that may be unavailable at once, others' doing included; "" for as many as a batch has."""
    failures: int = 0
    """Nodes that may fail before no other is begun."""
    pause: float = 0.0
    """Seconds after each canary and each batch."""


@dataclass(frozen=True)
class Member:
    """A node of a rollout."""

    node: str
    zone: str = ""


def amount(text: str, of: int) -> int:
    """Read a number or a share of `of`, rounded down; at least 1. Raises `UsageError` for anything else."""
    match = re.fullmatch(r"([0-9]{1,6})(%?)", text)
    if match is None or int(match[1]) == 0 or (match[2] and int(match[1]) > 100):
        raise UsageError(f"{text!r} is neither a number of nodes nor a share of them, such as 3 or 10%")
    return max(1, int(match[1]) * of // 100) if match[2] else int(match[1])


def spread(members: Sequence[Member]) -> list[str]:
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


class Course:
    """Where a rollout stands."""

    def __init__(self, members: Sequence[Member], policy: Policy) -> None:
        """Begin with nothing done. Raises `UsageError` for a policy that makes no sense."""
        self._waiting = deque(spread(members))
        self._all = frozenset(self._waiting)
        self._policy = policy
        self._size = amount(policy.batch, len(members))
        self._most = amount(policy.max_unavailable or str(self._size), len(members))
        self._canaries = policy.canaries
        self._begun = 0
        """In this batch."""
        self._not_before = 0.0
        self.working: set[str] = set()
        self.done: list[str] = []
        self.failed: dict[str, str] = {}
        self.stopped = ""
        """Why no other node is begun; "" while that is not so."""
        self.waits = ""
        """Why none is begun now, when that is for another reason than work under way."""

    @property
    def left(self) -> tuple[str, ...]:
        """The nodes that were not begun."""
        return tuple(self._waiting)

    @property
    def over(self) -> bool:
        """Whether nothing is under way and nothing will be begun."""
        return not self.working and bool(self.stopped or not self._waiting)

    def ready(self, now: float) -> bool:
        """Tell whether another node would be begun now, if not too many are unavailable."""
        self.waits = ""
        if self.stopped or not self._waiting or self._begun >= self._batch:
            return False
        if now < self._not_before:
            self.waits = f"pauses for another {self._not_before - now:.0f} s"
            return False
        return True

    def begin(self, now: float, unavailable: Collection[str]) -> str:
        """Give the node to begin now, which counts as begun then; "" for none.

        `unavailable` are the nodes that take no pods now, for whatever reason. One of those makes it no worse.
        """
        if not self.ready(now):
            return ""
        out = (self._all & set(unavailable)) | self.working
        node = next((name for name in self._waiting if name in out), "")
        if not node and len(out) >= self._most:
            others = sorted(out - self.working)
            if others:
                self.waits = f"waits, {len(out)} of {self._most} nodes are unavailable: {', '.join(others[:10])}"
            return ""
        node = node or self._waiting[0]
        self._waiting.remove(node)
        self.working.add(node)
        self._begun += 1
        return node

    def ended(self, node: str, now: float, failure: str = "") -> None:
        """Note that a node is done, or why it failed."""
        self.working.remove(node)
        if failure:
            self.failed[node] = failure
            if len(self.failed) > self._policy.failures:
                self.stop(f"{len(self.failed)} failed, {self._policy.failures} may")
        else:
            self.done.append(node)
        if not self.working and (self._begun >= self._batch or not self._waiting):
            self._canaries = max(0, self._canaries - 1)
            self._begun = 0
            self._not_before = now + self._policy.pause

    def stop(self, why: str) -> None:
        """Begin no other node; those under way are finished."""
        self.stopped = self.stopped or why

    @property
    def _batch(self) -> int:
        return 1 if self._canaries else self._size


class Workers(Protocol):
    """Whoever works on nodes."""

    def begin(self, node: str) -> None:
        """Begin with one, beside those under way; one that was begun is not begun again."""
        ...

    def wait(self, seconds: float) -> Mapping[str, str]:
        """Wait until one ends, at most so long; give for each that has ended "" or why it failed."""
        ...


def roll(
    course: Course,
    workers: Workers,
    *,
    unavailable: Callable[[], Collection[str]],
    now: Callable[[], float],
    tell: Callable[[str], None],
) -> None:
    """Have all nodes worked on, until the course is over; an API server that stumbles only makes it wait.

    After an interruption, wherever it came, it can be called again, and goes on.
    """
    told = ""
    while True:
        waits = _begin(course, workers, unavailable, now)
        if course.over:
            return
        reason = re.sub(r"another \d+ s", "a while", waits)
        if waits and reason != told:
            tell(waits)
        told = reason
        for node, failure in workers.wait(_EVERY).items():
            if node in course.working:
                course.ended(node, now(), failure)


def _begin(
    course: Course, workers: Workers, unavailable: Callable[[], Collection[str]], now: Callable[[], float]
) -> str:
    """Begin what may be; give why nothing is begun, when that is for another reason than work under way."""
    for node in sorted(course.working):
        workers.begin(node)
    if not course.ready(now()):
        return course.waits
    try:
        out = unavailable()
    except ClusterError as error:
        return f"waits for the API server: {error}"
    while node := course.begin(now(), out):
        workers.begin(node)
    return course.waits
