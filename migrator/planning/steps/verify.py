"""See the node ready on its new runtime, and proved."""

from __future__ import annotations

from migrator.model.plan import NodePlan
from migrator.planning.inputs import NodeInputs
from migrator.planning.skip_reasons import already_given_back
from migrator.planning.step_protocol import Decision


def decide(now: NodeInputs, plan: NodePlan) -> Decision:
    """See the node and what stays on it ready again."""
    if done := already_given_back(now):
        return done
    own = "" if now.target.proof == "none" else ", and pods of our own prove it"
    return True, f"Ready on {now.target.runtime}, and {len(plan.staying)} pods that stay run again{own}"
