"""Make the plan of a node that is taken out of service for a reboot, and given back."""

from __future__ import annotations

from collections.abc import Sequence

from migrator.model.plan import NodePlan
from migrator.planning import checks, translate_node
from migrator.planning.inputs import NodeInputs, Translation
from migrator.planning.plan import decided
from migrator.planning.step_protocol import Decision, Planned


def make(situation: NodeInputs, steps: Sequence[Planned]) -> NodePlan:
    """Say what leaves the node before it is rebooted, and what speaks against that."""
    return decided(
        NodePlan(
            host=situation.host,
            node=situation.node.name,
            machine_id=situation.facts.machine_id,
            source=situation.node.runtime,
            target=situation.node.runtime,
            endpoint="",
            staying=situation.staying,
            cordoned_before=situation.node.cordoned_by_others,
            findings=checks.judged(
                checks.OF_REBOOT, situation, Translation(destination=translate_node.destination(situation))
            ),
        ),
        situation,
        steps,
    )


def drain(now: NodeInputs, _: NodePlan) -> Decision:
    """Move what can run elsewhere."""
    leaving = sum(not pod.finished for pod in now.leaving)
    return True, f"{leaving} pods leave by eviction; {len(now.pods) - leaving} stay and stop for that time"


def reboot(now: NodeInputs, _: NodePlan) -> Decision:
    """Boot the machine."""
    return True, f"{now.node.name} must come back as it was"


def uncordon(_: NodeInputs, plan: NodePlan) -> Decision:
    """Give the node back, unless somebody else had taken it away."""
    if plan.cordoned_before:
        return False, "somebody else had cordoned the node"
    return True, "the node takes pods again when it is proved"
