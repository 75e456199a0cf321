"""`migrator plan`: show what would happen to each node. Changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from migrator.cli import options
from migrator.errors import PlanRefusedError

if TYPE_CHECKING:
    from migrator.model.plan import Plan


def command(
    inventory: options.Inventory = options.DEFAULT_INVENTORY,
    node: options.Nodes = None,
    kubeconfig: options.Kubeconfig = "",
    allow: options.Allow = None,
    output: options.Form = options.Output.TEXT,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 2 when there are changes.")
    ] = False,
) -> int:
    """Show what would happen to each node, step by step, with reasons and diffs. Changes nothing."""
    from migrator.cli import wiring
    from migrator.report import text

    plan = wiring.open_doors(inventory, node or [], kubeconfig, allow or []).plan()
    print(plan.model_dump_json(indent=2) if output is options.Output.JSON else text.plan(plan))
    refuse(plan)
    return 2 if detailed_exitcode and plan.changes else 0


def refuse(plan: Plan) -> None:
    """Raise `PlanRefusedError` when a node could not be planned or has findings that block."""
    reasons = [f"{entry.host} cannot be planned: {entry.problem}" for entry in plan.unplanned]
    reasons += [
        f"{entry.node}: {finding.id}: {finding.evidence}; {finding.remedy}"
        for entry in plan.nodes
        for finding in entry.blockers
    ]
    if reasons:
        raise PlanRefusedError("\n  ".join(["the plan is refused:", *reasons] if len(reasons) > 1 else reasons))
