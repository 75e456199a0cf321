"""`migrator rollback`: take migrated nodes back to the runtime that they had."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from migrator.cli import options
from migrator.cli.plan import refuse
from migrator.errors import UsageError
from migrator.model.kubeconfig import KubeconfigChoice

if TYPE_CHECKING:
    from migrator.model.plan import NodePlan


def command(
    inventory: options.Inventory = options.DEFAULT_INVENTORY,
    node: options.Nodes = None,
    limit: options.Limit = "",
    kubeconfig: options.Kubeconfig = "",
    context: options.Context = "",
    allow: options.Allow = None,
    yes: options.Yes = False,
    max_nodes: options.MaxNodes = 0,
    runs: options.Runs = None,
    output: options.Form = options.Output.TEXT,
) -> int:
    """Take migrated nodes back to their old runtime, with its data, as carefully as they were migrated."""
    from migrator.app import connections, observe, rollout_job
    from migrator.cli import console
    from migrator.engine.migration import ROLLBACK
    from migrator.report import text
    from migrator.rollout.batches import with_batches
    from migrator.store.run_log import default_folder

    if not (node or limit):
        raise UsageError("rollback needs --node or --limit: which nodes shall go back?")
    as_json = output is options.Output.JSON
    planned = time.monotonic()
    doors = connections.connect(inventory, node or [], KubeconfigChoice(kubeconfig, context), allow or [], limit)
    plan = doors.plan(observe.rollback)
    ordered = doors.batches(plan.nodes, max_nodes)
    plan = with_batches(plan, ordered)
    if not as_json:
        told = [*(text.node(entry) for entry in plan.nodes), text.batches(plan)]
        print("\n\n".join(filter(None, told)), flush=True)
    refuse(plan)
    rollout_job.check_room(ordered)
    console.ask("Roll back", plan.begun, yes=yes)

    def done(shown: NodePlan) -> str:
        return f"{shown.node} is back: {shown.source} → {doors.cluster.node(shown.node).runtime}"

    doing = rollout_job.RolloutJob(
        doors,
        plan,
        runs or default_folder(),
        steps=ROLLBACK,
        look_again=lambda shown: doors.look_again(shown, observe.rollback),
        done=done,
        tell=console.teller(as_json=as_json),
        planned=planned,
        anytime=True,
        most=max_nodes,
    )
    return console.conclude(rollout_job.do(doing, plan.nodes), plan, as_json=as_json)
