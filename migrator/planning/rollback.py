"""Make the plan of a node that goes back to the runtime that it had before its migration."""

from __future__ import annotations

from collections.abc import Sequence

from migrator.model.facts import Transaction
from migrator.model.kubernetes import CRI_SOCKET
from migrator.model.plan import RollbackPlan
from migrator.planning import checks, cni, translate_node
from migrator.planning.checks.rollback import last_switch
from migrator.planning.inputs import NodeInputs, Translation
from migrator.planning.plan import decided
from migrator.planning.step_protocol import Planned


def make(situation: NodeInputs, steps: Sequence[Planned]) -> RollbackPlan:
    """Say what is undone: the switch that the host itself has written down, whoever asked for it, and from where."""
    name, switch = last_switch(situation.facts, situation.node) or ("", Transaction())
    annotation = situation.node.annotations.get(CRI_SOCKET)
    return decided(
        RollbackPlan(
            host=situation.host,
            node=situation.node.name,
            machine_id=situation.facts.machine_id,
            source=situation.node.runtime,
            target=switch.source,
            annotation=annotation or "",
            transaction=name,
            cni_plugins=cni.plugin_folders(situation.facts),
            staying=situation.staying,
            annotation_before=switch.annotation,
            cordoned_before=situation.node.cordoned_by_others,
            findings=checks.judged(
                checks.OF_ROLLBACK, situation, Translation(destination=translate_node.destination(situation))
            ),
        ),
        situation,
        steps,
    )
