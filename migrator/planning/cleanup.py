"""Make the plan of a node from which Docker is removed, once it has another runtime that is proved."""

from __future__ import annotations

from collections.abc import Sequence

from migrator.model.plan import CleanupPlan
from migrator.planning import checks
from migrator.planning.inputs import NodeInputs, Translation
from migrator.planning.node_profile import known
from migrator.planning.plan import decided
from migrator.planning.step_protocol import Planned
from migrator.planning.translate_node import destination


def make(situation: NodeInputs, steps: Sequence[Planned]) -> CleanupPlan:
    """Say what goes, and what speaks against it."""
    around = known(situation)
    return decided(
        CleanupPlan(
            host=situation.host,
            node=situation.node.name,
            machine_id=situation.facts.machine_id,
            source=situation.node.runtime,
            target=situation.node.runtime,
            endpoint=f"unix://{around.socket}" if around else "",
            circumstances=around,
            staying=situation.staying,
            findings=checks.judged(checks.OF_CLEANUP, situation, Translation(destination=destination(situation))),
            removal=situation.removal,
        ),
        situation,
        steps,
    )
