"""Keep new pods away from the node."""

from __future__ import annotations

from migrator.model.plan import NodePlan
from migrator.planning.inputs import NodeInputs
from migrator.planning.skip_reasons import already_done
from migrator.planning.step_protocol import Decision


def decide(now: NodeInputs, plan: NodePlan) -> Decision:
    """Keep new pods away."""
    if done := already_done(now):
        return done
    if now.node.cordoned_by_us:
        return True, "an earlier run has left it cordoned; this one goes on"
    return decide_back(now, plan)


def decide_back(now: NodeInputs, _: NodePlan) -> Decision:
    """Keep new pods away before a rollback, or a reboot."""
    if now.node.cordoned_by_others:
        return False, "somebody has cordoned the node already; it will stay so"
    return True, "no new pods may come"
