"""What a step needs to act: the plan, the doors, a clock, and somebody to tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from migrator.cluster import Cluster
from migrator.hosts import Hosts
from migrator.model.plan import NodePlan
from migrator.model.target import Target


class Clock(Protocol):
    """Time, so that tests need not wait."""

    def now(self) -> float:
        """Seconds on a clock that never goes back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


@dataclass(frozen=True)
class Event:
    """Something that happened to a node during a migration."""

    node: str
    step: str
    kind: str
    """"start", "progress", "changed", "skipped", "failed", "undone"."""
    message: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Run:
    """One migration of one node."""

    id: str
    """Names the transaction on the node."""
    plan: NodePlan
    target: Target
    hosts: Hosts
    cluster: Cluster
    clock: Clock
    allow: frozenset[str]
    tell: Callable[[Event], None]

    def progress(self, step: str, message: str) -> None:
        """Say what a step is doing."""
        self.tell(Event(node=self.plan.node, step=step, kind="progress", message=message))
