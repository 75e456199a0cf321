"""Remove Docker."""

from __future__ import annotations

from migrator.model.plan import NodePlan
from migrator.planning.inputs import NodeInputs
from migrator.planning.skip_reasons import nothing_left
from migrator.planning.step_protocol import Decision


def decide(now: NodeInputs, _: NodePlan) -> Decision:
    """Remove it."""
    return nothing_left(now) or (
        True,
        f"what stands below goes; {now.removal.bytes / 1e9:.1f} GB return" if now.removal else "",
    )
