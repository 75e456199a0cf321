"""`migrator rollback`: take migrated nodes back to the runtime that they had."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from migrator.cli import options
from migrator.cli.apply import ask, carry_out, holder, teller
from migrator.cli.plan import refuse
from migrator.errors import UsageError

if TYPE_CHECKING:
    from migrator.cli.wiring import Doors
    from migrator.model.plan import NodePlan


def command(
    inventory: options.Inventory = options.DEFAULT_INVENTORY,
    node: options.Nodes = None,
    limit: options.Limit = "",
    kubeconfig: options.Kubeconfig = "",
    allow: options.Allow = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    output: options.Form = options.Output.TEXT,
) -> int:
    """Take migrated nodes back to their old runtime, one after the other, with its data: drain, undo, uncordon."""
    from migrator.cli import wiring
    from migrator.engine import lock
    from migrator.engine.steps import ROLLBACK
    from migrator.report import text

    if not (node or limit):
        raise UsageError("rollback needs --node or --limit: which nodes shall go back?")
    as_json = output is options.Output.JSON
    doors = wiring.open_doors(inventory, node or [], kubeconfig, allow or [], limit)
    plan = doors.rollback()
    if not as_json:
        print("\n\n".join(text.node(entry) for entry in plan.nodes), flush=True)
    refuse(plan)
    ask("Roll back", plan.nodes, yes=yes)
    with lock.held(doors.cluster, holder()) as alone:
        for number, entry in enumerate(plan.nodes):
            alone.check()
            # The others' pods may have moved while their neighbours were drained.
            current = _look_again(doors, entry) if number else entry
            carry_out(doors, current, ROLLBACK, teller(as_json=as_json))
            now = doors.cluster.node(entry.node).runtime
            print(f"{entry.node} is back: {entry.source} → {now}", file=sys.stderr)
    if as_json:
        print(json.dumps({"rolled_back": [entry.node for entry in plan.nodes], "plan": plan.model_dump(mode="json")}))
    return 0


def _look_again(doors: Doors, shown: NodePlan) -> NodePlan:
    plan = doors.rollback([host for host in doors.chosen if host.name == shown.host])
    refuse(plan)
    return plan.nodes[0]
