"""What `apply` and `rollback` share: ask, keep others out, do steps on many nodes, tell it, keep it, end in order."""

from __future__ import annotations

import getpass
import json
import os
import secrets
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from migrator.errors import ClusterError, LockedError, UsageError

if TYPE_CHECKING:
    from migrator.cli.records import Records
    from migrator.cli.wiring import Doors
    from migrator.engine.lock import Lock
    from migrator.engine.run import Event, Run
    from migrator.engine.steps import Step
    from migrator.model.plan import NodePlan, Plan
    from migrator.rollout.course import Course
    from migrator.rollout.crew import Looked
    from migrator.rollout.ends import Rolled
    from migrator.rollout.interruption import Interruption

_FRESH = 60.0
"""Seconds for which a plan that was just made is not made again."""


@dataclass(frozen=True)
class Work:
    """What is done to nodes."""

    doors: Doors
    steps: Sequence[Step]
    look_again: Callable[[Sequence[NodePlan]], Looked]
    """Plan nodes anew, just before they are begun."""
    done: Callable[[NodePlan], str]
    """Say what became of a node."""
    records: Records
    tell: Callable[[Event], None]
    """Show an event. What goes wrong with that ends nothing."""
    serving: bool = False
    """Whether nodes serve meanwhile, so that neither windows of time nor a limit to what is unavailable count."""
    most: int = 0
    """Work on no more nodes than that; 0 for all."""


def ask(what: str, todo: Sequence[NodePlan], *, yes: bool) -> None:
    """Go on only after a yes. Raises `UsageError` without one."""
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("nothing was changed: without a terminal to ask on, --yes is needed")
    names = ", ".join(entry.node for entry in todo)
    print(f"{what} {names}? Only 'yes' will do: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != "yes":
        raise UsageError("nothing was changed")


def do(work: Work, todo: Sequence[NodePlan]) -> Rolled:
    """Do it on all these nodes, as their groups' policies say, alone in the cluster; give what became of each.

    Ctrl-C lets nodes in their window be finished, stops the others between two steps, and begins no other; a second
    one, or a termination, puts back what is in work. Raises `LockedError` when somebody else is at work.
    """
    from migrator.engine import lock
    from migrator.rollout.course import Course, batches
    from migrator.rollout.crew import Threads
    from migrator.rollout.ends import Rolled
    from migrator.rollout.groups import groups
    from migrator.rollout.interruption import Interruption
    from migrator.rollout.rolling import Around, roll

    cluster = work.doors.cluster
    ordered = batches(groups(todo, work.doors.everyone or work.doors.chosen, cluster.nodes()), work.most)
    course = Course(ordered, serving=work.serving)
    interruption = Interruption()
    crew = Threads(todo, _looker(work), lambda plan: _one(work, plan, interruption))
    with lock.held(cluster, holder()) as alone, interruption.listening():
        watch = _Watch(alone, interruption, course)
        around = Around(
            unavailable=lambda: {node.name for node in cluster.nodes() if node.unschedulable or not node.ready},
            stopping=watch,
            now=time.monotonic,
            moment=lambda: datetime.now(tz=UTC),
            tell=_say,
        )
        try:
            roll(course, crew, around)
        finally:
            crew.join()
    return Rolled(
        tuple(crew.results.values()), course.left, course.stopped, interrupted=interruption.asked, lost=watch.lost
    )


def conclude(rolled: Rolled, plan: Plan, *, as_json: bool) -> int:
    """Say what became of each node, with the plan as JSON on stdout, and raise what is not well."""
    from migrator.report import rollout

    if as_json:
        print(json.dumps({**rollout.document(rolled), "plan": plan.model_dump(mode="json")}), flush=True)
    end(rolled, as_json=as_json)
    return 0


def end(rolled: Rolled, *, as_json: bool) -> None:
    """Say what became of each node, unless JSON is wanted, and raise what is not well."""
    from migrator.report import rollout

    if not as_json and (told := rollout.text(rolled)):
        _say(told)
    rolled.check()


def holder() -> str:
    """Name this process for those that it keeps out."""
    # The last part tells containers apart, which are all process 1 of the same host.
    return f"{getpass.getuser()} on {socket.gethostname()} (process {os.getpid()}, {secrets.token_hex(4)})"


def teller(*, as_json: bool) -> Callable[[Event], None]:
    """Give what shows events: lines for people, or a JSON object a line, both on stderr."""

    def show(event: Event) -> None:
        if as_json:
            print(json.dumps(asdict(event)), file=sys.stderr, flush=True)
            return
        marks = {"start": "▸", "progress": " ", "changed": "✓", "skipped": "-", "failed": "✗", "undone": "↩"}
        seconds = f" ({event.seconds:.1f} s)" if event.kind in {"changed", "undone", "failed"} else ""
        print(f"{event.node} {marks[event.kind]} {event.step}{seconds}: {event.message}", file=sys.stderr, flush=True)

    return show


def _looker(work: Work) -> Callable[[Sequence[NodePlan]], Looked]:
    shown = time.monotonic()

    def look(plans: Sequence[NodePlan]) -> Looked:
        if time.monotonic() - shown < _FRESH:
            return {plan.node: plan for plan in plans}
        return work.look_again(plans)

    return look


def _one(work: Work, shown: NodePlan, interruption: Interruption) -> str:
    """Do it on one node, in a thread of its own; give a sentence about it."""
    from migrator.engine.apply import apply

    run = _run(work, shown, interruption)
    try:
        apply(run, work.steps)
    finally:
        work.records.evidence(shown.node, run.seen)
    try:
        return work.done(shown)
    except ClusterError as error:  # it is done, whoever hears of it
        return f"{shown.node} is done; what it runs now could not be read: {error}"


def _run(work: Work, plan: NodePlan, interruption: Interruption) -> Run:
    from migrator.engine.run import Run
    from migrator.engine.wall_clock import WallClock

    def tell(event: Event) -> None:
        with suppress(Exception):  # a terminal that is gone must not end a migration in its middle
            work.records.event(event)
            work.tell(event)

    host = next(entry for entry in work.doors.chosen if entry.name == plan.host)
    return Run(
        id=f"{datetime.now(tz=UTC):%Y%m%d-%H%M%S}-{plan.node}",
        plan=plan,
        target=host.target,
        hosts=work.doors.hosts,
        cluster=work.doors.cluster,
        clock=WallClock(lambda: interruption.now),
        steady=WallClock(),
        stopping=lambda: interruption.asked,
        hurried=lambda: interruption.now,
        allow=work.doors.allow | frozenset(host.target.allow),
        tell=tell,
    )


class _Watch:
    """Finds out whether a rollout shall end, and says what happens then."""

    def __init__(self, alone: Lock, interruption: Interruption, course: Course) -> None:
        self._alone = alone
        self._interruption = interruption
        self._course = course
        self._told = False
        self.lost: LockedError | None = None
        """Where somebody else has taken the lock over."""

    def __call__(self) -> str:
        """Say why no other node shall be begun; "" while that is not so."""
        if self._interruption.asked:
            working = ", ".join(sorted(self._course.working))
            if working and not self._told and not self._interruption.now:
                _say(f"finishes {working}, or stops before its window; Ctrl-C once more puts back what is in work")
            self._told = True
            return "interrupted"
        try:
            self._alone.check()
        except LockedError as error:
            self.lost = error
            return str(error)
        return ""


def _say(text: str) -> None:
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)
