"""`migrator cleanup`: remove Docker from nodes that do not need it any more."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from migrator.cli import options
from migrator.cli.plan import refuse
from migrator.errors import MigratorError, UsageError
from migrator.model.kubeconfig import KubeconfigChoice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from migrator.model.plan import NodePlan
    from migrator.rollout.workers import Replanned


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
    """Remove Docker from migrated nodes: prove each, then remove packages, data, interfaces and rules. No way back."""
    from migrator.app import connections, rollout_job
    from migrator.cli import console
    from migrator.engine.migration import CLEANUP
    from migrator.report import text
    from migrator.rollout.batches import with_batches
    from migrator.rollout.results import RolloutResult
    from migrator.store.run_log import default_folder

    if not (node or limit):
        raise UsageError("cleanup needs --node or --limit: from which nodes shall Docker be removed?")
    as_json = output is options.Output.JSON
    planned = time.monotonic()
    doors = connections.connect(inventory, node or [], KubeconfigChoice(kubeconfig, context), allow or [], limit)
    plan = doors.plan_cleanup()
    todo = plan.changing
    plan = with_batches(plan, doors.batches(todo, max_nodes, serving=True))
    if not as_json:
        for entry in plan.nodes:
            print(f"{text.node(entry)}\n{_shown(entry)}\n", flush=True)
        if told := text.batches(plan):
            print(f"{told}\n", flush=True)
    refuse(plan)
    if not todo:
        return console.conclude(RolloutResult(()), plan, as_json=as_json)
    console.ask("There is no way back. Remove Docker from", plan.begun, yes=yes)

    def done(shown: NodePlan) -> str:
        return f"{shown.node} has no Docker any more; it serves on {doors.cluster.node(shown.node).runtime}"

    doing = rollout_job.RolloutJob(
        doors,
        plan,
        runs or default_folder(),
        steps=CLEANUP,
        look_again=lambda shown: _as_shown(shown, doors.look_again(shown, doors.cleanup(shown))),
        done=done,
        tell=console.teller(as_json=as_json),
        planned=planned,
        serving=True,
        most=max_nodes,
    )
    return console.conclude(rollout_job.do(doing, todo), plan, as_json=as_json)


def _shown(plan: NodePlan) -> str:
    """Say what would be removed; "" for nothing."""
    from migrator.model.plan import CleanupPlan
    from migrator.report import removal

    return removal.text(plan.removal) if isinstance(plan, CleanupPlan) and plan.removal else ""


def _as_shown(shown: Sequence[NodePlan], now: Replanned) -> Replanned:
    """Have nothing removed that was not shown: the node compares, and refuses where there is more by now."""
    from migrator.model.plan import CleanupPlan

    removals = {plan.node: plan.removal for plan in shown if isinstance(plan, CleanupPlan)}
    return {
        node: found if isinstance(found, MigratorError) else found.model_copy(update={"removal": removals[node]})
        for node, found in now.items()
    }
