"""`migrator inspect`: read nodes and the cluster, and show or save what was read. Changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from migrator.cli import options
from migrator.errors import PlanRefusedError
from migrator.model.kubeconfig import KubeconfigChoice

if TYPE_CHECKING:
    from migrator.model.kubernetes import ClusterFacts
    from migrator.model.observation import Observation


def command(
    inventory: options.Inventory = options.DEFAULT_INVENTORY,
    node: options.Nodes = None,
    limit: options.Limit = "",
    kubeconfig: options.Kubeconfig = "",
    context: options.Context = "",
    save: Annotated[
        Path | None, typer.Option("--save", help="Write the facts to this folder, for `plan --facts`.")
    ] = None,
    hosts_only: Annotated[bool, typer.Option("--hosts-only", help="Do not ask the cluster.")] = False,
    output: options.Form = options.Output.TEXT,
) -> int:
    """Read everything that matters of each node and of the cluster. Changes nothing, and shows no secret."""
    from migrator.app import connections, observe
    from migrator.model.kubernetes import ClusterFacts
    from migrator.report import inspection
    from migrator.store import fact_store

    chosen = connections.choose(inventory, node or [], limit)
    place = KubeconfigChoice(kubeconfig, context)
    cluster = ClusterFacts() if hosts_only else connections.open_cluster(inventory, chosen, place).facts()
    seen = tuple(observe.observe(chosen, connections.open_hosts(inventory, chosen)))
    if save is not None:
        fact_store.save(save, seen, cluster)
    print(_json(seen, cluster) if output is options.Output.JSON else inspection.text(seen, cluster))
    problems = [f"{entry.host} cannot be read: {entry.problem}" for entry in seen if entry.problem]
    if problems:
        raise PlanRefusedError("\n".join(problems))
    return 0


def _json(seen: tuple[Observation, ...], cluster: ClusterFacts) -> str:
    document = {
        "hosts": [entry.model_dump(mode="json") for entry in seen],
        "cluster": cluster.model_dump(mode="json"),
    }
    return json.dumps(document, indent=2)
