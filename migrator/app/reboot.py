"""Take nodes out of service for `verify --reboot`, as carefully as a migration does, and give them back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from migrator.app import observe
from migrator.app.connections import Connections
from migrator.app.progress_annotation import ProgressAnnotation
from migrator.app.rollout_job import holder
from migrator.engine.context import StepContext
from migrator.engine.executor import apply
from migrator.engine.migration import REBOOT
from migrator.engine.wall_clock import WallClock
from migrator.errors import MigratorError
from migrator.inventory import Host
from migrator.model import run_id
from migrator.model.event import Event
from migrator.model.plan import NodePlan, Plan
from migrator.report.escape import visible
from migrator.rollout import lock
from migrator.rollout.lock import Lock

_TOLD = frozenset({"progress", "changed", "failed", "undone"})


@dataclass(frozen=True)
class Reboots:
    """Reboots nodes, alone in the cluster. Its steps raise `StepFailedError` or `LockedError`."""

    doors: Connections
    plan: Plan
    alone: Lock
    tell: Callable[[Host, str], None]
    run: str
    """The run's id."""
    plans: dict[str, NodePlan] = field(default_factory=dict)
    """As nodes were when it was their turn, by host."""

    def take_out(self, host: Host) -> None:
        """Cordon and drain a node, looked at anew: pods and budgets have moved. One where that fails is given back."""
        self.alone.check()
        found = self.doors.look_again([self._plan(host)], observe.reboot)[host.node]
        if isinstance(found, MigratorError):
            raise found
        self.plans[host.name] = found
        self._do(host, "cordon", "drain")

    def reboot(self, host: Host) -> None:
        """Reboot it, and wait until it is Ready."""
        self._do(host, "reboot")

    def give_back(self, host: Host) -> None:
        """Let pods come again."""
        self._do(host, "uncordon")

    def _do(self, host: Host, *names: str) -> None:
        standing = ProgressAnnotation(self.doors.cluster, host.node, self.run)

        def tell(event: Event) -> None:
            standing.event(event)
            if event.kind in _TOLD:
                self.tell(host, f"{event.step}: {event.message}")

        apply(self._run(host, tell), [step for step in REBOOT if step.id in names])
        standing.over()

    def _plan(self, host: Host) -> NodePlan:
        return self.plans.get(host.name) or next(entry for entry in self.plan.nodes if entry.host == host.name)

    def _run(self, host: Host, tell: Callable[[Event], None]) -> StepContext:
        return StepContext(
            id=run_id.transaction(self.run, host.node),
            plan=self._plan(host),
            target=host.target,
            hosts=self.doors.hosts,
            cluster=self.doors.cluster,
            clock=WallClock(),
            allow=self.doors.allow | frozenset(host.target.allow),
            tell=tell,
        )


@contextmanager
def alone(doors: Connections, plan: Plan, tell: Callable[[Host, str], None], run: str) -> Iterator[Reboots]:
    """Keep others out while nodes are rebooted. Raises `LockedError` when somebody else is at work."""
    with lock.held(doors.cluster, holder(run)) as held:
        yield Reboots(doors, plan, held, tell, run)


def question(plan: Plan) -> str:
    """Say what leaves each node and what stops with it."""
    drains = {entry.node: next(step.reason for step in entry.steps if step.id == "drain") for entry in plan.nodes}
    return "\n".join(f"{visible(node)} will be drained and rebooted: {visible(said)}." for node, said in drains.items())
