"""`migrator apply`: show the plan, ask, and do it."""

from __future__ import annotations

import time
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from migrator.cli import options
from migrator.cli.plan import refuse, show
from migrator.errors import UsageError
from migrator.model.kubeconfig import KubeconfigChoice
from migrator.store import plan_file

if TYPE_CHECKING:
    from migrator.app.connections import Connections
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
    context: options.Context = "",
    allow: options.Allow = None,
    yes: options.Yes = False,
    until: Annotated[
        Until, typer.Option("--until", help="`stage` does what can be done while nodes serve, and stops there.")
    ] = Until.END,
    max_nodes: options.MaxNodes = 0,
    runs: options.Runs = None,
    output: options.Form = options.Output.TEXT,
) -> int:
    """Migrate nodes, canaries first: show the plan, ask, and do it."""
    from migrator.app import rollout_job
    from migrator.cli import console
    from migrator.engine.migration import STEPS
    from migrator.model.plan import Phase, installs
    from migrator.rollout.batches import with_batches
    from migrator.rollout.results import RolloutResult
    from migrator.store.run_log import default_folder

    as_json = output is options.Output.JSON
    otherwise = "nothing was changed"
    planned = time.monotonic()
    doors, plan = _planned(source, node or [], limit, KubeconfigChoice(kubeconfig, context), allow or [])
    doing = partial(
        rollout_job.RolloutJob,
        doors,
        runs=runs or default_folder(),
        look_again=doors.look_again,
        tell=console.teller(as_json=as_json),
        most=max_nodes,
    )
    staging = until is Until.STAGE
    if installing := [entry for entry in plan.nodes if installs(entry)]:
        plan = with_batches(plan, doors.batches(installing, max_nodes, serving=True))
        _shown(plan, as_json=as_json)
        if not staging:  # sooner or later all of them
            rollout_job.check_room(doors.batches(plan.changing, max_nodes))
        console.ask("Install the runtime on", plan.begun, yes=yes)
        steps = [step for step in STEPS if step.id == "install"]
        install = doing(plan=plan, steps=steps, done=_installed, planned=planned, serving=True)
        if not (rolled := rollout_job.do(install, installing)).well:
            return console.conclude(rolled, plan, as_json=as_json)
        otherwise = "nothing but the installation was done"
        planned = time.monotonic()
        plan = _rest(doors, plan, again=not plan_file.is_plan(source))
    todo = [entry for entry in plan.changing if not installs(entry)]
    ordered = doors.batches(todo, max_nodes, serving=staging)
    plan = with_batches(plan, ordered)
    _shown(plan, as_json=as_json)
    if not todo:
        return console.conclude(RolloutResult(()), plan, as_json=as_json)
    if not staging:
        rollout_job.check_room(ordered, otherwise=otherwise)
    console.ask("Stage" if staging else "Migrate", plan.begun, yes=yes, otherwise=otherwise)
    steps = [step for step in STEPS if not staging or step.phase is Phase.STAGE]
    migration = doing(plan=plan, steps=steps, done=partial(_done, doors, until), planned=planned, serving=staging)
    return console.conclude(rollout_job.do(migration, todo), plan, as_json=as_json)


def _shown(plan: Plan, *, as_json: bool) -> None:
    if not as_json:
        show(plan, options.PlanOutput.TEXT)
    refuse(plan)


def _rest(doors: Connections, plan: Plan, *, again: bool) -> Plan:
    """Give what is left to do after an installation: all nodes planned anew, or of a plan that was given the others."""
    from migrator.model.plan import installs

    if again:
        return doors.plan()
    return plan.model_copy(update={"nodes": tuple(entry for entry in plan.nodes if not installs(entry))})


def _installed(plan: NodePlan) -> str:
    return f"{plan.node} has the runtime installed; it is planned again"


def _done(doors: Connections, until: Until, plan: NodePlan) -> str:
    now = doors.cluster.node(plan.node).runtime
    if until is Until.STAGE:
        return f"{plan.node} is staged for {plan.target} and serves on {now}; apply goes on from here"
    return f"{plan.node} is migrated: {plan.source} → {now}"


def _planned(
    source: Path, node: list[str], limit: str, place: KubeconfigChoice, allow: list[str]
) -> tuple[Connections, Plan]:
    """Plan the nodes of an inventory; or look again at those of a plan that was shown, which must still hold."""
    from migrator.app import connections

    if not plan_file.is_plan(source):
        doors = connections.connect(source, node, place, allow, limit)
        return doors, doors.plan()
    shown = plan_file.read(source)
    if limit or allow:
        raise UsageError("--limit and --allow belong to `plan`: a saved plan is applied as it is")
    shown = plan_file.select(shown, node)
    refuse(shown)
    names = [entry.host for entry in shown.nodes]
    doors = connections.connect(Path(shown.inventory), names, place.over(shown.kubeconfig, shown.context), shown.allow)
    return doors, doors.plan_again(shown.nodes)
