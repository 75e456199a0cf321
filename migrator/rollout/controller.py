"""Have the nodes of a rollout worked on, in the course's order, until it is over."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from migrator.errors import ClusterError
from migrator.model import maintenance_window
from migrator.model.rollout_policy import Policy
from migrator.planning.checks.findings import listed
from migrator.rollout.results import Ending
from migrator.rollout.schedule import Schedule

_TICK = 0.5
"""Seconds between two looks at whether the user wants an end."""
_LOOK = 10.0
"""Seconds between two looks at the cluster while it holds a rollout up: the list of all nodes may be long."""
_PATIENCE = 3600.0
"""Seconds that a cluster may hold a rollout up."""


class Workers(Protocol):
    """Whoever works on nodes."""

    def begin(self, nodes: Sequence[str]) -> None:
        """Begin with these, beside those under way."""
        ...

    def ended(self, seconds: float) -> Mapping[str, Ending]:
        """Give those that have ended since the last time; wait for one, at most so long."""
        ...


@dataclass(frozen=True)
class ClusterView:
    """What a rollout sees of the world."""

    unavailable: Callable[[], Collection[str]]
    """The nodes that take no pods now. Raises `ClusterError`."""
    violated: Callable[[], Collection[str]]
    """The budgets that have fewer healthy pods now than they want. Raises `ClusterError`."""
    stopping: Callable[[], str]
    """Why no other node shall be begun; "" while that is not so."""
    now: Callable[[], float]
    """Seconds on a clock that never goes back."""
    moment: Callable[[], datetime]
    """The time of day, with its zone."""
    tell: Callable[[str], None]
    """Say why nothing is begun."""


def run_rollout(course: Schedule, crew: Workers, around: ClusterView) -> None:
    """Do it. Whoever wants it to end says so by `stopping`; nodes under way are waited for in any case."""
    gate = _Gate(course, around)
    while True:
        if why := around.stopping():
            course.stop(why)
        if begun := gate.begin():
            crew.begin(begun)
        if course.over:
            return
        for node, end in crew.ended(_TICK).items():
            course.ended(node, end, around.now())
            gate.look_again()


class _Gate:
    """Lets nodes be begun when time and cluster allow it; tells once why not."""

    def __init__(self, course: Schedule, around: ClusterView) -> None:
        self._course = course
        self._around = around
        self._next_look = 0.0
        self._since: float | None = None
        """When the cluster began to hold it up."""
        self._told = ""
        self._excused: frozenset[str] | None = None
        """Budgets that have been violated ever since the rollout began: it is not what hurts them."""

    def look_again(self) -> None:
        """Look at the cluster at once: something has ended."""
        self._next_look = 0.0

    def begin(self) -> Sequence[str]:
        """Give what begins now."""
        now = self._around.now()
        policy = self._course.policy
        if policy is None or now < self._next_look or self._too_early(policy):
            return ()
        self._next_look = now + _LOOK
        try:
            unavailable, hurt = self._around.unavailable(), self._hurt()
        except ClusterError as error:
            self._held_up(now, f"the API server: {error}")
            return ()
        begun = () if hurt else self._course.begin(unavailable)
        reason = hurt or ("" if begun else self._course.held_up(unavailable))
        if reason:
            self._held_up(now, reason)
        else:
            self._since = None
            self._told = ""
        return begun

    def _hurt(self) -> str:
        """Say which budgets are violated that were not when the rollout began, or have been well since."""
        violated = frozenset() if self._course.serving else frozenset(self._around.violated())
        self._excused = violated if self._excused is None else self._excused & violated
        new = sorted(violated - self._excused)
        return f"PodDisruptionBudgets with too few healthy pods: {listed(new)}" if new else ""

    def _too_early(self, policy: Policy) -> bool:
        pause = self._course.pauses(self._around.now())
        closed = not self._course.anytime and maintenance_window.until_open(
            tuple(map(maintenance_window.parse, policy.windows)),
            maintenance_window.timezone(policy.timezone),
            self._around.moment(),
        )
        if pause:
            self._tell("pause", f"pauses for {pause:.0f} s")
        elif closed:
            self._tell("window", f"waits for the window {', '.join(policy.windows)} ({policy.timezone})")
        if pause or closed:
            self._since = None  # nobody asks the cluster meanwhile
        return bool(pause or closed)

    def _held_up(self, now: float, reason: str) -> None:
        self._since = now if self._since is None or self._course.working else self._since
        if now - self._since >= _PATIENCE:
            self._course.stop(f"waited an hour in vain: {reason}")
        self._tell(reason, f"waits: {reason}")

    def _tell(self, kind: str, message: str) -> None:
        if kind != self._told:
            self._around.tell(message)
        self._told = kind
