"""Make the plan of a node that is taken out of service for a reboot, and given back."""

from __future__ import annotations

from collections.abc import Sequence

from migrator.model.plan import RebootPlan
from migrator.planning import checks, translate_node
from migrator.planning.inputs import NodeInputs, Translation
from migrator.planning.plan import decided
from migrator.planning.step_protocol import Planned


def make(situation: NodeInputs, steps: Sequence[Planned]) -> RebootPlan:
    """Say what leaves the node before it is rebooted, and what speaks against that."""
    return decided(
        RebootPlan(
            host=situation.host,
            node=situation.node.name,
            machine_id=situation.facts.machine_id,
            source=situation.node.runtime,
            target=situation.node.runtime,
            staying=situation.staying,
            cordoned_before=situation.node.cordoned_by_others,
            findings=checks.judged(
                checks.OF_REBOOT, situation, Translation(destination=translate_node.destination(situation))
            ),
        ),
        situation,
        steps,
    )
