"""What `apply`, `rollback` and `cleanup` share: keep others out, do steps on many nodes, and end in order."""

from __future__ import annotations

import getpass
import logging
import os
import secrets
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from migrator import log_context
from migrator.app.connections import Connections
from migrator.app.progress_annotation import ProgressAnnotation
from migrator.app.stop_conditions import StopConditions
from migrator.engine.context import StepContext
from migrator.engine.executor import apply
from migrator.engine.last_ready_pod import LastReadyPods
from migrator.engine.migration import Step
from migrator.engine.wall_clock import WallClock
from migrator.errors import ClusterError, InventoryError, StoppedError
from migrator.hosts import Hosts
from migrator.hosts.session_cache import SessionCache
from migrator.local_capacity import Room, here
from migrator.model import run_id
from migrator.model.event import Event
from migrator.model.plan import NodePlan, Plan
from migrator.rollout import lock
from migrator.rollout.controller import ClusterView, run_rollout
from migrator.rollout.results import RolloutResult
from migrator.rollout.schedule import Batch, Schedule, largest
from migrator.rollout.signals import StopSignals
from migrator.rollout.workers import NodeWorkers, Replanned
from migrator.store.run_log import RunLog

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)

_FRESH = 120.0
"""Seconds for which a plan that was just made is not made again."""
_PATIENCE = 300.0
"""Seconds for an API server that does not answer when nodes are looked at again."""
_AGAIN = 5.0


@dataclass(frozen=True)
class RolloutJob:
    """What is done to nodes."""

    doors: Connections
    plan: Plan
    """What was shown, to be kept."""
    runs: Path
    """Where each run keeps its folder."""
    steps: Sequence[Step]
    look_again: Callable[[Sequence[NodePlan]], Replanned]
    """Plan nodes anew, just before they are begun."""
    done: Callable[[NodePlan], str]
    """Say what became of a node."""
    tell: Callable[[Event], None]
    """Show an event. What goes wrong with that ends nothing."""
    planned: float
    """When the nodes were looked at, by `time.monotonic`."""
    serving: bool = False
    """Whether nodes serve meanwhile, so that neither windows of time nor a limit to what is unavailable count."""
    anytime: bool = False
    """Whether no window of time is waited for."""
    most: int = 0
    """Work on no more nodes than that; 0 for all."""
    room: Callable[[], Room] = here
    """Look how many nodes this machine can work on at once."""
    neighbours: LastReadyPods = field(default_factory=LastReadyPods)
    """What nodes that are drained side by side know of each other."""
    run: str = field(default_factory=run_id.new)
    """The run's id."""

    def say(self, message: str) -> None:
        """Tell something about the rollout itself."""
        _log.debug("rollout: %s", message)
        with log_context.swallowed(_log, "tell of the rollout"):
            self.tell(Event(node="", step="rollout", kind="progress", message=message, run=self.run))


def do(work: RolloutJob, todo: Sequence[NodePlan]) -> RolloutResult:
    """Do it on all these nodes, as their groups' policies say, alone in the cluster; give what became of each.

    Ctrl-C lets nodes in their window be finished, stops the others between two steps, and begins no other; a second
    one, or a termination, puts back what is in work. Of nodes that serve meanwhile as many are in work at once as this
    machine can work on. Raises `LockedError` when somebody else is at work, `InventoryError` when a batch of others is
    larger than that.
    """
    cluster = work.doors.cluster
    ordered, found = work.doors.batches(todo, work.most, serving=work.serving), work.room()
    if not work.serving:
        check_room(ordered, found)
    course = Schedule(ordered, serving=work.serving, anytime=work.anytime, fits=found.most)
    interruption = StopSignals()
    bug: Exception | None = None
    # In this order: a lock that is slow to be given back is no place to be interrupted at.
    with (
        interruption.listening(),
        lock.held(cluster, holder(work.run)) as alone,
        closing(RunLog(work.runs, work.plan, work.run)) as records,
    ):
        watch = StopConditions(alone, interruption, course.working, work.say)
        records.around(work.doors.seen.cluster)
        work.say(f"run {work.run}: plan, events and logs are in {records.folder}")
        crew = NodeWorkers(todo, _looker(work, interruption, records), lambda plan: _one(work, plan, watch, records))

        def unavailable() -> set[str]:
            watch.heard()
            return {node.name for node in cluster.nodes(cached=True) if node.unschedulable or not node.ready}

        def violated() -> set[str]:
            found = cluster.budgets(cached=True)
            return {f"{budget.namespace}/{budget.name}" for budget in found if budget.violated}

        around = ClusterView(
            unavailable, violated, watch.stopping, time.monotonic, lambda: datetime.now(tz=UTC), work.say
        )
        try:
            run_rollout(course, crew, around)
        except Exception as error:  # noqa: BLE001 - raised by `RolloutResult.check`, when each node's end was told
            _log.debug("the rollout itself ends", exc_info=True)
            bug = error
        finally:
            crew.join()
    return RolloutResult(
        tuple(crew.results.values()), course.left, course.stopped,
        interrupted=interruption.asked, lost=watch.lost, bug=bug,
    )  # fmt: skip


def check_room(ordered: Sequence[Batch], found: Room | None = None, *, otherwise: str = "nothing was changed") -> None:
    """Raise `InventoryError` when there is a batch that does not fit on this machine. The user is to be asked after."""
    if told := too_large(ordered, found):
        raise InventoryError(f"{told}; {otherwise}")


def too_large(ordered: Sequence[Batch], found: Room | None = None) -> str:
    """Say which batch does not fit on this machine and what to do; "" when all do."""
    batch, found = largest(ordered), found or here()
    if batch is None or batch.at_once <= found.most:
        return ""
    name = batch.group.policy.group
    return (
        f"{f'group {name}' if name else 'the nodes'}: {batch.at_once} would be in work at once, and this machine has "
        f"room for {found.most}: {found.why}. Set migrator_batch to {found.most} or less, or give it more"
    )


def holder(run: str) -> str:
    """Name this process and its run for those that it keeps out."""
    # The last part tells containers apart, which are all process 1 of the same host.
    return f"{getpass.getuser()} on {socket.gethostname()} (process {os.getpid()}, {secrets.token_hex(4)}, run {run})"


def _looker(work: RolloutJob, interruption: StopSignals, records: RunLog) -> Callable[[Sequence[NodePlan]], Replanned]:
    def look(plans: Sequence[NodePlan]) -> Replanned:
        found = newest(plans)
        seen = work.doors.seen.hosts
        # They are kept there: all facts of a large cluster for the days of its rollout would be too much here.
        records.facts(entry for plan in plans if (entry := seen.pop(plan.host, None)))
        return found

    def newest(plans: Sequence[NodePlan]) -> Replanned:
        if time.monotonic() - work.planned < _FRESH:
            return {plan.node: plan for plan in plans}
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                return work.look_again(plans)
            except ClusterError:
                _log.debug("nodes could not be looked at again", exc_info=True)
                if interruption.asked or time.monotonic() >= deadline:
                    raise
                time.sleep(_AGAIN)

    return look


def _one(work: RolloutJob, shown: NodePlan, watch: StopConditions, records: RunLog) -> str:
    """Do it on one node, in a thread of its own; give a sentence about it."""
    standing = ProgressAnnotation(work.doors.cluster, shown.node, work.run)
    with closing(SessionCache(work.doors.hosts)) as hosts:
        run = _run(work, hosts, shown, watch, (records.event, work.tell, standing.event))
        try:
            apply(run, work.steps)
        except StoppedError:
            standing.over()
            raise
        finally:
            records.evidence(shown.node, run.seen)
    standing.over()
    try:
        return work.done(shown)
    except ClusterError as error:  # it is done, whoever hears of it
        return f"{shown.node} is done; what it runs now could not be read: {error}"


def _run(
    work: RolloutJob, hosts: Hosts, plan: NodePlan, watch: StopConditions, hear: Sequence[Callable[[Event], None]]
) -> StepContext:
    def tell(event: Event) -> None:
        ours = replace(event, run=work.run)
        for one in hear:
            # A terminal that is gone must not end a migration in its middle.
            with log_context.swallowed(_log, f"tell {getattr(one, '__qualname__', one)} of an event"):
                one(ours)

    host = next(entry for entry in work.doors.chosen if entry.name == plan.host)
    return StepContext(
        id=run_id.transaction(work.run, plan.node),
        plan=plan,
        target=host.target,
        hosts=hosts,
        cluster=work.doors.cluster,
        clock=WallClock(watch.hurried),
        steady=WallClock(),
        stopping=lambda: bool(watch.stopping()),
        hurried=watch.hurried,
        allow=work.doors.allow | frozenset(host.target.allow),
        tell=tell,
        neighbours=work.neighbours,
    )
