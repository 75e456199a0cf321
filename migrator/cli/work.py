"""What `apply` and `rollback` share: ask, keep others out, do steps on nodes, tell it, keep it, and end in order."""

from __future__ import annotations

import getpass
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from migrator.errors import ClusterError, LockedError, MigratorError, StepFailedError, TerminatedError, UsageError

if TYPE_CHECKING:
    from migrator.cli.records import Records
    from migrator.cli.wiring import Doors
    from migrator.engine.lock import Lock
    from migrator.engine.run import Event, Run
    from migrator.engine.steps import Step
    from migrator.model.clock import Clock
    from migrator.model.plan import NodePlan
    from migrator.rollout import Course, Policy


class WallClock:
    """Real time; whoever sleeps may be woken up, once, by a `KeyboardInterrupt`."""

    def __init__(self, hurry: threading.Event | None = None) -> None:
        self._hurry = hurry

    def now(self) -> float:
        """Seconds on a clock that never goes back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        if self._hurry is None:
            time.sleep(seconds)
        elif self._hurry.wait(seconds):
            self._hurry = None  # putting a node back waits too, and must not be woken up
            raise KeyboardInterrupt


@dataclass(frozen=True)
class Work:
    """What is done to nodes."""

    doors: Doors
    steps: Sequence[Step]
    look_again: Callable[[NodePlan], NodePlan]
    """Plan a node anew: its pods may have moved while its neighbours were drained. Raises when it may not go on."""
    done: Callable[[NodePlan], str]
    """Say what became of a node."""
    records: Records
    tell: Callable[[Event], None]
    """Show an event. Never raises."""


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


def check(policy: Policy) -> None:
    """Raise `UsageError` for a policy that makes no sense, before anything is asked or looked at."""
    from migrator.rollout import Course

    Course((), policy)


def do(work: Work, todo: Sequence[NodePlan], policy: Policy) -> None:
    """Do it on all these nodes, as many at once as the policy says, alone in the cluster.

    Ctrl-C lets the nodes in work be finished and begins no other; a second one, or a termination, puts them back.
    Raises what one node failed with, `StepFailedError` for several, `LockedError`, or `KeyboardInterrupt`.
    """
    from migrator.engine import lock
    from migrator.rollout import Course, Member

    course = Course([Member(entry.node, entry.zone) for entry in todo], policy)
    with lock.held(work.doors.cluster, holder(), every=lock.EVERY) as alone, Threads(work, todo) as threads:
        interrupted = _rolled(work, course, threads, alone)
    conclude(course, threads.failures, interrupted=interrupted)


def _rolled(work: Work, course: Course, threads: Threads, alone: Lock) -> bool:
    """Let it roll to its end; give whether somebody interrupted it."""
    from migrator.rollout import roll

    def unavailable() -> set[str]:
        try:
            alone.check()
        except LockedError as error:
            course.stop(str(error))
        return {node.name for node in work.doors.cluster.nodes() if node.unschedulable or not node.ready}

    def tell(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    interrupted = False
    while True:
        try:
            roll(course, threads, unavailable=unavailable, now=time.monotonic, tell=tell)
        except KeyboardInterrupt as error:
            hurried = interrupted or isinstance(error, TerminatedError)
            interrupted = True
            course.stop("interrupted")
            if hurried:
                threads.hurry.set()
            elif course.working:
                tell(f"finishes {', '.join(sorted(course.working))}; Ctrl-C once more puts back what is in work")
        else:
            return interrupted


def conclude(course: Course, failures: Mapping[str, BaseException], *, interrupted: bool) -> None:
    """Say what became of it all, by raising, unless all is well."""
    left = f"not begun: {', '.join(course.left)}" if course.left else ""
    bug = next((error for error in failures.values() if not isinstance(error, MigratorError | KeyboardInterrupt)), None)
    if bug is not None:
        raise bug
    if interrupted:
        error = KeyboardInterrupt()
        for note in [*(note for failed in failures.values() for note in getattr(failed, "__notes__", ())), left]:
            if note:
                error.add_note(note)
        raise error
    if len(failures) == 1 and not left:
        raise next(iter(failures.values()))
    if failures:
        first = next(iter(failures.values()))
        kind = type(first) if len(failures) == 1 else StepFailedError
        raise kind("\n".join(filter(None, [*map(str, failures.values()), left]))) from first
    if course.left:
        raise LockedError(f"{course.stopped}; {left}")


class Threads:
    """Works on nodes, each in a thread of its own."""

    def __init__(self, work: Work, todo: Sequence[NodePlan]) -> None:
        self._work = work
        self._plans = {entry.node: entry for entry in todo}
        self._first = todo[0].node if len(todo) else ""
        self._pool = ThreadPoolExecutor(max(1, len(todo)), thread_name_prefix="node")
        self._begun: dict[str, Future[None]] = {}
        self._told = 0
        """Of how many the end was told."""
        self.hurry = threading.Event()
        """Set to have nodes in work put back."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def begin(self, node: str) -> None:
        """Begin with one."""
        if node not in self._begun:
            self._begun[node] = self._pool.submit(self._one, node)

    def wait(self, seconds: float) -> Mapping[str, str]:
        """Wait until one ends; give for each that has ended "" or why it failed."""
        pending = [future for future in self._begun.values() if not future.done()]
        if len(self._begun) - len(pending) > self._told:
            seconds = 0.0  # one has ended since the last time
        if pending:
            wait(pending, seconds, FIRST_COMPLETED)
        else:
            time.sleep(seconds)
        failures = self.failures
        self._told = sum(future.done() for future in self._begun.values())
        return {
            node: (str(failures[node]) or repr(failures[node])) if node in failures else ""
            for node, future in self._begun.items()
            if future.done()
        }

    @property
    def failures(self) -> dict[str, BaseException]:
        """What nodes failed with."""
        ended = {node: future.exception() for node, future in self._begun.items() if future.done()}
        return {node: error for node, error in ended.items() if error is not None}

    def _one(self, node: str) -> None:
        from migrator.engine.apply import apply

        # The first was looked at just now.
        plan = self._plans[node]
        run = _run(self._work, plan if node == self._first else self._work.look_again(plan), WallClock(self.hurry))
        try:
            apply(run, self._work.steps)
        finally:
            self._work.records.evidence(node, run.seen)
        with suppress(OSError, ClusterError):  # it is done, whoever hears of it
            print(self._work.done(plan), file=sys.stderr, flush=True)


def holder() -> str:
    """Name this process for those that it keeps out."""
    return f"{getpass.getuser()} on {socket.gethostname()} (process {os.getpid()})"


def _run(work: Work, plan: NodePlan, clock: Clock) -> Run:
    from migrator.engine.run import Run

    def tell(event: Event) -> None:
        work.records.event(event)
        work.tell(event)

    host = next(entry for entry in work.doors.chosen if entry.name == plan.host)
    return Run(
        id=f"{datetime.now(tz=UTC):%Y%m%d-%H%M%S}-{plan.node}",
        plan=plan,
        target=host.target,
        hosts=work.doors.hosts,
        cluster=work.doors.cluster,
        clock=clock,
        allow=work.doors.allow | frozenset(host.target.allow),
        tell=tell,
    )


def teller(*, as_json: bool) -> Callable[[Event], None]:
    """Give what shows events: lines for people, or a JSON object a line, both on stderr.

    It never raises: a terminal that is gone must not end a migration in its middle.
    """

    def show(event: Event) -> None:
        with suppress(OSError):
            write(event)

    def write(event: Event) -> None:
        if as_json:
            print(json.dumps(asdict(event)), file=sys.stderr, flush=True)
            return
        marks = {"start": "▸", "progress": " ", "changed": "✓", "skipped": "-", "failed": "✗", "undone": "↩"}
        seconds = f" ({event.seconds:.1f} s)" if event.kind in {"changed", "undone", "failed"} else ""
        print(f"{event.node} {marks[event.kind]} {event.step}{seconds}: {event.message}", file=sys.stderr, flush=True)

    return show
