"""Boot the machine."""

from __future__ import annotations

from migrator.model.plan import NodePlan
from migrator.planning.inputs import NodeInputs
from migrator.planning.step_protocol import Decision


def decide(now: NodeInputs, _: NodePlan) -> Decision:
    """Boot the machine."""
    return True, f"{now.node.name} must come back as it was"
