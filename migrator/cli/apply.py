"""`migrator apply`: show the plan, ask, and do it."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from migrator.cli import options, saved
from migrator.cli.plan import refuse, show
from migrator.errors import UsageError

if TYPE_CHECKING:
    from migrator.cli.records import Records
    from migrator.cli.wiring import Doors
    from migrator.cli.work import Work
    from migrator.model.plan import NodePlan, Plan


class Until(StrEnum):
    """How far nodes are migrated."""

    STAGE = "stage"
    END = "end"


def command(
    source: Annotated[
        Path, typer.Argument(metavar="INVENTORY|PLAN", help="Inventory, or a plan that `plan --out` wrote (.json).")
    ] = options.DEFAULT_INVENTORY,
    node: options.Nodes = None,
    limit: options.Limit = "",
    kubeconfig: options.Kubeconfig = "",
    allow: options.Allow = None,
    yes: options.Yes = False,
    until: Annotated[
        Until, typer.Option("--until", help="`stage` does what can be done while nodes serve, and stops there.")
    ] = Until.END,
    runs: options.Runs = None,
    output: options.Form = options.Output.TEXT,
) -> int:
    """Migrate nodes, one after the other: show the plan, ask, and do it."""
    from migrator.cli import work
    from migrator.cli.records import Records, usual

    as_json = output is options.Output.JSON
    doors, plan = _planned(source, node or [], limit, kubeconfig, allow or [])
    if not as_json:
        show(plan, options.PlanOutput.TEXT)
    refuse(plan)
    todo = [entry for entry in plan.nodes if entry.changes]
    if todo:
        work.ask("Stage" if until is Until.STAGE else "Migrate", todo, yes=yes)
        records = Records(runs or usual(), plan)
        work.do(_work(doors, until, records, as_json=as_json), todo)
    if as_json:
        print(json.dumps({"applied": [entry.node for entry in todo], "plan": plan.model_dump(mode="json")}))
    return 0


def _planned(source: Path, node: list[str], limit: str, kubeconfig: str, allow: list[str]) -> tuple[Doors, Plan]:
    """Plan the nodes of an inventory; or look again at those of a plan that was shown, which must still hold."""
    from migrator.cli import wiring

    if not saved.is_plan(source):
        doors = wiring.open_doors(source, node, kubeconfig, allow, limit)
        return doors, doors.plan()
    shown = saved.read(source)
    if limit or allow:
        raise UsageError("--limit and --allow belong to `plan`: a saved plan is applied as it is")
    shown = saved.select(shown, node)
    refuse(shown)
    names = [entry.host for entry in shown.nodes]
    doors = wiring.open_doors(Path(shown.inventory), names, kubeconfig or shown.kubeconfig, shown.allow)
    return doors, doors.plan_again(shown.nodes)


def _work(doors: Doors, until: Until, records: Records, *, as_json: bool) -> Work:
    from migrator.cli.work import Work, teller
    from migrator.engine.steps import STEPS
    from migrator.model.plan import Phase

    def look_again(shown: NodePlan) -> NodePlan:
        plan = doors.plan_again([shown])
        refuse(plan)
        return plan.nodes[0]

    def done(plan: NodePlan) -> str:
        now = doors.cluster.node(plan.node).runtime
        if until is Until.STAGE:
            return f"{plan.node} is staged for {plan.target} and serves on {now}; apply goes on from here"
        return f"{plan.node} is migrated: {plan.source} → {now}"

    steps = [step for step in STEPS if until is Until.END or step.phase is Phase.STAGE]
    return Work(doors, steps, look_again, done, records, teller(as_json=as_json))
