"""Let pods come to the node again."""

from __future__ import annotations

from migrator.model.plan import NodePlan
from migrator.planning.inputs import NodeInputs
from migrator.planning.skip_reasons import already_given_back
from migrator.planning.step_protocol import Decision


def decide(now: NodeInputs, plan: NodePlan) -> Decision:
    """Give the node back, unless somebody else had taken it away."""
    return already_given_back(now) or decide_back(now, plan)


def decide_back(_: NodeInputs, plan: NodePlan) -> Decision:
    """Give it back on its old runtime."""
    return _theirs(plan) or (True, "the node takes pods again")


def decide_reboot(_: NodeInputs, plan: NodePlan) -> Decision:
    """Give it back after its reboot."""
    return _theirs(plan) or (True, "the node takes pods again when it is proved")


def _theirs(plan: NodePlan) -> Decision | None:
    return (False, "somebody else had cordoned the node") if plan.cordoned_before else None
