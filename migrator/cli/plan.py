"""`migrator plan`: show what would happen to each node. Changes nothing."""

from __future__ import annotations

import fnmatch
import gc
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from migrator.cli import options
from migrator.errors import InventoryError, PlanRefusedError, UsageError
from migrator.model.kubeconfig import KubeconfigChoice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from migrator.model.observation import Observation
    from migrator.model.plan import Plan


def command(
    inventory: options.Inventory = options.DEFAULT_INVENTORY,
    node: options.Nodes = None,
    limit: options.Limit = "",
    kubeconfig: options.Kubeconfig = "",
    context: options.Context = "",
    allow: options.Allow = None,
    facts: Annotated[
        Path | None, typer.Option("--facts", help="Plan from what `inspect --save` wrote, without the cluster.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the plan to this file, for `apply`.")] = None,
    output: options.PlanForm = options.PlanOutput.TEXT,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 2 when there are changes.")
    ] = False,
) -> int:
    """Show what would happen to each node, step by step, with reasons and diffs. Changes nothing."""
    from migrator.app import connections, rollout_job
    from migrator.cli import console
    from migrator.rollout.batches import with_batches

    told = ""
    if facts is not None and out is not None:
        raise UsageError("--out needs a live plan: one from --facts cannot be applied")
    if out is not None and out.suffix != ".json":
        raise UsageError(f"--out {out}: a name that ends in .json is needed, by which `apply` knows a plan")
    if facts is not None:
        plan = _from_facts(facts, node or [], limit, allow or [])
    else:
        doors = connections.connect(inventory, node or [], KubeconfigChoice(kubeconfig, context), allow or [], limit)
        plan = doors.plan()
        ordered = doors.batches(plan.changing)
        plan, told = with_batches(plan, ordered), rollout_job.too_large(ordered)
        origin = {
            "inventory": str(inventory.absolute()),
            "kubeconfig": kubeconfig,
            "context": context,
            "allow": tuple(allow or ()),
        }
        plan = plan.model_copy(update=origin)
    if out is not None:
        write(out, plan)
    show(plan, output)
    if told:
        console.say(f"`apply` on this machine would be refused: {told}")
    refuse(plan)
    return 2 if detailed_exitcode and plan.changes else 0


def _from_facts(folder: Path, nodes: list[str], limit: str, allow: list[str]) -> Plan:
    from migrator.app import connections, observe
    from migrator.inventory import Host
    from migrator.rollout.batches import scheduled
    from migrator.runtimes.registry import targets
    from migrator.store import fact_store

    # Thousands of values and no cycles among them: looking for such takes a third of the time.
    gc.disable()
    allowed = connections.check_allowed(allow)
    cluster = fact_store.cluster(folder)
    everyone: list[Host] = []

    def chosen() -> Iterator[Observation]:
        for entry in fact_store.observations(folder, runtimes=targets()):
            everyone.append(Host(name=entry.host, target=entry.target))
            if (not nodes or {entry.host, entry.node} & set(nodes)) and fnmatch.fnmatch(entry.host, limit or "*"):
                yield entry

    plan = scheduled(observe.plan_all(chosen(), cluster, allowed), everyone, cluster, allowed)
    if not (plan.nodes or plan.unplanned):
        raise InventoryError(f"{folder} has no facts of a host that was asked for")
    return plan


def write(path: Path, plan: Plan) -> None:
    """Write a plan for `apply`, for its owner alone. Raises `UsageError` when the file cannot be written."""
    from migrator.store import private_files

    try:
        private_files.write(path, plan.model_dump_json(indent=1) + "\n")
    except OSError as error:
        raise UsageError(f"--out {path}: {error.strerror}") from error


def show(plan: Plan, output: options.PlanOutput) -> None:
    """Print a plan."""
    import sys

    from migrator.report import markdown, terminal, text

    if output is options.PlanOutput.JSON:
        # Not pydantic's own JSON, which has signs of a terminal's control in it as they are.
        print(json.dumps(plan.model_dump(mode="json"), indent=2))
    elif output is options.PlanOutput.MARKDOWN:
        print(markdown.plan(plan))
    elif sys.stdout.isatty():
        from rich.console import Console

        Console().print(terminal.styled(text.plan(plan)), soft_wrap=True)
    else:
        print(text.plan(plan), flush=True)


def refuse(plan: Plan) -> None:
    """Raise `PlanRefusedError` when a node could not be planned or has findings that block."""
    from migrator.app import connections

    reasons = [f"{entry.host} cannot be planned: {entry.problem}" for entry in plan.unplanned]
    reasons += [reason for entry in plan.nodes for reason in connections.blocked(entry)]
    if len(reasons) > _TOLD:
        reasons = [*reasons[:_TOLD], f"and {len(reasons) - _TOLD} more"]
    if reasons:
        raise PlanRefusedError("\n  ".join(["the plan is refused:", *reasons] if len(reasons) > 1 else reasons))


_TOLD = 30
"""Reasons that the closing message repeats; the plan itself shows all."""
