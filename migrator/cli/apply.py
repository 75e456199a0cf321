"""`migrator apply`: show the plan, ask, and do it."""

from __future__ import annotations

import getpass
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from migrator.cli import options, saved
from migrator.cli.plan import refuse, show
from migrator.errors import UsageError

if TYPE_CHECKING:
    from migrator.cli.wiring import Doors
    from migrator.engine.run import Event
    from migrator.engine.steps import Step
    from migrator.model.plan import NodePlan, Plan


class Until(StrEnum):
    """How far nodes are migrated."""

    STAGE = "stage"
    END = "end"


class WallClock:
    """Real time."""

    def now(self) -> float:
        """Seconds on a clock that never goes back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


def command(
    source: Annotated[
        Path, typer.Argument(metavar="INVENTORY|PLAN", help="Inventory, or a plan that `plan --out` wrote (.json).")
    ] = options.DEFAULT_INVENTORY,
    node: options.Nodes = None,
    limit: options.Limit = "",
    kubeconfig: options.Kubeconfig = "",
    allow: options.Allow = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    until: Annotated[
        Until, typer.Option("--until", help="`stage` does what can be done while nodes serve, and stops there.")
    ] = Until.END,
    output: options.Form = options.Output.TEXT,
) -> int:
    """Migrate nodes, one after the other: show the plan, ask, and do it."""
    from migrator.cli import wiring

    as_json = output is options.Output.JSON
    shown = saved.read(source) if saved.is_plan(source) else None
    if shown is None:
        doors = wiring.open_doors(source, node or [], kubeconfig, allow or [], limit)
        plan = doors.plan()
    else:
        if limit or allow:
            raise UsageError("--limit and --allow belong to `plan`: a saved plan is applied as it is")
        shown = saved.select(shown, node or [])
        refuse(shown)
        names = [entry.host for entry in shown.nodes]
        doors = wiring.open_doors(Path(shown.inventory), names, kubeconfig or shown.kubeconfig, shown.allow)
        plan = doors.plan_again(shown.nodes)
    if not as_json:
        show(plan, options.PlanOutput.TEXT)
    refuse(plan)
    todo = [entry for entry in plan.nodes if entry.changes]
    if todo:
        ask("Stage" if until is Until.STAGE else "Migrate", todo, yes=yes)
        _apply(doors, todo, until, teller(as_json=as_json))
    if as_json:
        print(json.dumps({"applied": [entry.node for entry in todo], "plan": _plain(plan)}))
    return 0


def _apply(doors: Doors, todo: Sequence[NodePlan], until: Until, tell: Callable[[Event], None]) -> None:
    from migrator.engine import lock

    with lock.held(doors.cluster, holder()) as alone:
        for number, entry in enumerate(todo):
            alone.check()
            # The first was looked at just now; the others' pods may have moved while their neighbours were drained.
            current = _look_again(doors, entry) if number else entry
            _apply_one(doors, current, until, tell)


def holder() -> str:
    """Name this process for those that it keeps out."""
    return f"{getpass.getuser()} on {socket.gethostname()} (process {os.getpid()})"


def _look_again(doors: Doors, shown: NodePlan) -> NodePlan:
    plan = doors.plan_again([shown])
    refuse(plan)
    return plan.nodes[0]


def _plain(plan: Plan) -> object:
    return plan.model_dump(mode="json")


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


def _apply_one(doors: Doors, plan: NodePlan, until: Until, tell: Callable[[Event], None]) -> None:
    from migrator.engine.steps import STEPS
    from migrator.model.plan import Phase

    carry_out(doors, plan, [step for step in STEPS if until is Until.END or step.phase is Phase.STAGE], tell)
    now = doors.cluster.node(plan.node).runtime
    if until is Until.STAGE:
        print(f"{plan.node} is staged for {plan.target} and serves on {now}; apply goes on from here", file=sys.stderr)
    else:
        print(f"{plan.node} is migrated: {plan.source} → {now}", file=sys.stderr)


def carry_out(doors: Doors, plan: NodePlan, steps: Sequence[Step], tell: Callable[[Event], None]) -> None:
    """Do some steps on a node. Raises `StepFailedError` or `StalePlanError`."""
    from migrator.engine.apply import apply
    from migrator.engine.run import Run

    host = next(entry for entry in doors.chosen if entry.name == plan.host)
    apply(
        Run(
            id=f"{datetime.now(tz=UTC):%Y%m%d-%H%M%S}-{plan.node}",
            plan=plan,
            target=host.target,
            hosts=doors.hosts,
            cluster=doors.cluster,
            clock=WallClock(),
            allow=doors.allow | frozenset(host.target.allow),
            tell=tell,
        ),
        steps,
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
