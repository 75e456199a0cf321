"""What a step needs to act: the plan, the doors, a clock, and somebody to tell."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from migrator.cluster import Cluster
from migrator.engine.last_ready_pod import LastReadyPods
from migrator.hosts import Hosts
from migrator.model.clock import Clock
from migrator.model.event import Event
from migrator.model.evidence import Evidence, NodeProfile
from migrator.model.host_settings import HostSettings
from migrator.model.plan import CleanupPlan, MigrationPlan, NodePlan, RollbackPlan
from migrator.probe_session import kubelet_session, rehearsal
from migrator.probe_session.api_pods import Wait
from migrator.probe_session.exercise import Around
from migrator.probe_session.session import ProbeTools

_log = logging.getLogger(__name__)


class Session(Protocol):
    """A session whose pods have been asked, and may still be there."""

    @property
    def evidence(self) -> Evidence:
        """What was seen until now."""
        ...

    def end(self, *, logs: bool) -> Evidence:
        """Remove the pods, look for what they leave, and give all that was seen."""
        ...


@dataclass(frozen=True)
class ProbeSessions:
    """How probes are run: over CRI beside what serves, and as pods on a node that serves."""

    rehearsal: Callable[[ProbeTools, MigrationPlan, NodeProfile, Around], Evidence] = rehearsal.rehearse
    live: Callable[[ProbeTools, Cluster, NodeProfile, Wait], Session] = kubelet_session.begin


@dataclass
class ProgressReporter:
    """Tells what a session does, as progress of the step that is at work."""

    run: StepContext

    def __call__(self, message: str) -> None:
        """Tell it."""
        self.run.progress(message)


@dataclass
class OpenProbe:
    """A session on a node, with the line that it goes over."""

    session: Session
    line: ExitStack
    teller: ProgressReporter

    def end(self) -> Evidence:
        """End it, without waiting for logs: the kubelet takes up to a minute to collect them."""
        with self.line:
            return self.session.end(logs=False)


@dataclass(frozen=True)
class StepContext:
    """One migration of one node."""

    id: str
    """Names the transaction on the node."""
    plan: NodePlan
    target: HostSettings
    hosts: Hosts
    cluster: Cluster
    clock: Clock
    allow: frozenset[str]
    tell: Callable[[Event], None]
    sessions: ProbeSessions = ProbeSessions()
    stopping: Callable[[], bool] = lambda: False
    """Whether the user wants an end: a node that still serves is left between two steps."""
    hurried: Callable[[], bool] = lambda: False
    """Whether the user cannot wait: a node that is not proven yet is put back."""
    steady: Clock | None = None
    """Time that nobody cuts short, for putting a node back; `clock` when None."""
    left: dict[tuple[str, str], int] = field(default_factory=dict)
    """How many ready pods each workload had before some of them left the node, by namespace and "Kind/name"."""
    neighbours: LastReadyPods = field(default_factory=LastReadyPods)
    """What this node and those that are drained beside it must leave to each other's workloads."""
    step: str = ""
    """The id of the step that is at work."""
    seen: dict[str, Evidence] = field(default_factory=dict)
    """What probes saw, by the id of the step, for those that come later and for whoever keeps it."""
    ongoing: list[OpenProbe] = field(default_factory=list)
    """The session that proved the node, until somebody has looked for what its pods leave."""

    @property
    def migration(self) -> MigrationPlan:
        """The plan, in a step of a migration."""
        return _of(self.plan, MigrationPlan)

    @property
    def rollback(self) -> RollbackPlan:
        """The plan, in a step of a rollback."""
        return _of(self.plan, RollbackPlan)

    @property
    def cleanup(self) -> CleanupPlan:
        """The plan, in a step of a cleanup."""
        return _of(self.plan, CleanupPlan)

    def unhurried(self) -> StepContext:
        """Give the same run with nobody who could cut its waiting short."""
        return replace(self, clock=self.steady or self.clock)

    def at(self, step: str) -> StepContext:
        """Give the same run as the step of that id has it."""
        return replace(self, step=step)

    def event(self, kind: str, message: str = "", seconds: float = 0.0) -> None:
        """Tell of the step that is at work; for the kinds see `Event`."""
        _log.debug("%s %s: %s", self.step, kind, message)
        self.tell(Event(node=self.plan.node, step=self.step, kind=kind, message=message, seconds=seconds))

    def progress(self, message: str) -> None:
        """Say what the step is doing."""
        self.event("progress", message)


_Kind = TypeVar("_Kind", MigrationPlan, RollbackPlan, CleanupPlan)


def _of(plan: NodePlan, kind: type[_Kind]) -> _Kind:
    """Give the plan as what its steps take it for; another one is a bug of the tuples."""
    if not isinstance(plan, kind):
        raise TypeError(f"{plan.node}: a step of a {kind.__name__} was given a {type(plan).__name__}")
    return plan
