"""What `apply`, `rollback` and `cleanup` ask and say on the terminal."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING

from migrator.errors import UsageError
from migrator.report.escape import visible

if TYPE_CHECKING:
    from migrator.model.event import Event
    from migrator.model.plan import NodePlan, Plan
    from migrator.rollout.results import RolloutResult

_alone = threading.Lock()
"""Held while something is said: several nodes tell at once, and `print` writes a line and its end one by one."""


def ask(what: str, todo: Sequence[NodePlan], *, yes: bool, otherwise: str = "nothing was changed") -> None:
    """Go on only after a yes. Raises `UsageError` without one, which says `otherwise`."""
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(f"{otherwise}: without a terminal to ask on, --yes is needed")
    names = ", ".join(entry.node for entry in todo)
    print(f"{what} {visible(names)}? Only 'yes' will do: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != "yes":
        raise UsageError(otherwise)


def teller(*, as_json: bool) -> Callable[[Event], None]:
    """Give what shows events: lines for people, or a JSON object a line, both on stderr."""

    def show(event: Event) -> None:
        if as_json:
            say(json.dumps(asdict(event)))
            return
        marks = {"start": "▸", "progress": " ", "changed": "✓", "skipped": "-", "failed": "✗", "undone": "↩"}
        seconds = f" ({event.seconds:.1f} s)" if event.kind in {"changed", "undone", "failed"} else ""
        head = f"{event.node} {marks[event.kind]} {event.step}{seconds}: " if event.node else ""
        first, *more = event.message.split("\n")
        say("\n".join([visible(f"{head}{first}"), *(f"    {visible(line.strip())}" for line in more)]))

    return show


def say(text: str) -> None:
    """Say something on stderr, in lines of its own. A terminal that is gone ends nothing."""
    with _alone, suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def conclude(rolled: RolloutResult, plan: Plan, *, as_json: bool) -> int:
    """Say what became of each node, with the plan as JSON on stdout, and raise what is not well."""
    from migrator.report import rollout

    if as_json:
        print(json.dumps({**rollout.document(rolled), "plan": plan.model_dump(mode="json")}), flush=True)
    elif told := rollout.text(rolled):
        say(told)
    rolled.check()
    return 0
