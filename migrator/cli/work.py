"""What `apply` and `rollback` share: ask, keep others out, do steps on one node after the other, tell and keep it."""

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

from migrator.errors import ClusterError, UsageError

if TYPE_CHECKING:
    from migrator.cli.records import Records
    from migrator.cli.wiring import Doors
    from migrator.engine.run import Event, Run
    from migrator.engine.steps import Step
    from migrator.model.plan import NodePlan


class WallClock:
    """Real time."""

    def now(self) -> float:
        """Seconds on a clock that never goes back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


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
    """Show an event. What goes wrong with that ends nothing."""


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


def do(work: Work, todo: Sequence[NodePlan]) -> None:
    """Do it on one node after the other, alone in the cluster.

    Raises `LockedError`, `StepFailedError` or `StalePlanError`; the nodes after one that failed are left alone.
    """
    from migrator.engine import lock
    from migrator.engine.apply import apply

    with lock.held(work.doors.cluster, holder()) as alone:
        for number, entry in enumerate(todo):
            alone.check()
            run = _run(work, work.look_again(entry) if number else entry)
            try:
                apply(run, work.steps)
            finally:
                work.records.evidence(entry.node, run.seen)
            with suppress(OSError, ClusterError):  # it is done, whoever hears of it
                print(work.done(entry), file=sys.stderr, flush=True)


def holder() -> str:
    """Name this process for those that it keeps out."""
    # The last part tells containers apart, which are all process 1 of the same host.
    return f"{getpass.getuser()} on {socket.gethostname()} (process {os.getpid()}, {secrets.token_hex(4)})"


def _run(work: Work, plan: NodePlan) -> Run:
    from migrator.engine.run import Run

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
        clock=WallClock(),
        allow=work.doors.allow | frozenset(host.target.allow),
        tell=tell,
    )


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
