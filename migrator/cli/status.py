"""`migrator status`: where each node stands, from whichever machine it is asked."""

from __future__ import annotations

import json

from migrator.cli import options
from migrator.model.kubeconfig import KubeconfigChoice


def command(
    inventory: options.Inventory = options.DEFAULT_INVENTORY,
    node: options.Nodes = None,
    limit: options.Limit = "",
    kubeconfig: options.Kubeconfig = "",
    context: options.Context = "",
    output: options.Form = options.Output.TEXT,
) -> int:
    """Show for each node its runtime, whether it serves, and how its last switch ended. Changes nothing."""
    from migrator.app import connections, observe
    from migrator.report import status

    doors = connections.connect(inventory, node or [], KubeconfigChoice(kubeconfig, context), [], limit)
    rows = status.rows(tuple(observe.observe(doors.chosen, doors.hosts)), doors.cluster.nodes())
    if output is options.Output.JSON:
        print(json.dumps([row.model_dump(mode="json") for row in rows], indent=2))
    else:
        print(status.text(rows), flush=True)
    return 0
