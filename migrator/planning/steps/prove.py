"""Prove the node before Docker is removed, and after."""

from __future__ import annotations

from migrator.model.plan import NodePlan
from migrator.planning.inputs import NodeInputs
from migrator.planning.skip_reasons import nothing_left
from migrator.planning.step_protocol import Decision


def decide(now: NodeInputs, _: NodePlan) -> Decision:
    """See that the node needs no way back."""
    return nothing_left(now) or (True, f"three pods of our own on {now.node.runtime}: there is no way back afterwards")


def decide_again(now: NodeInputs, _: NodePlan) -> Decision:
    """See that nothing was missed."""
    return nothing_left(now) or (True, "the same, without Docker")
