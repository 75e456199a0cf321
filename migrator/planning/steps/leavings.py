"""Remove the pods that proved the node, and see what they leave."""

from __future__ import annotations

from migrator.model.plan import NodePlan
from migrator.planning.inputs import NodeInputs
from migrator.planning.skip_reasons import already_given_back
from migrator.planning.step_protocol import Decision


def decide(now: NodeInputs, _: NodePlan) -> Decision:
    """See that what proved the node goes without a trace."""
    if done := already_given_back(now):
        return done
    if now.target.proof == "none":
        return False, "migrator_proof is 'none'"
    return True, "the pods that proved the node go, and must leave nothing behind"
