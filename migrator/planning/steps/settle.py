"""Wait for the workloads that left the node."""

from __future__ import annotations

from migrator.model.plan import NodePlan
from migrator.planning.inputs import NodeInputs
from migrator.planning.skip_reasons import already_given_back
from migrator.planning.step_protocol import Decision
from migrator.planning.steps import drain


def decide(now: NodeInputs, _: NodePlan) -> Decision:
    """See that what left is available again."""
    if done := already_given_back(now):
        return done
    return _settled(now)


def decide_back(now: NodeInputs, plan: NodePlan) -> Decision:
    """See the same, in a rollback that drains."""
    drained, why = drain.decide_back(now, plan)
    return _settled(now) if drained else (False, why)


def _settled(now: NodeInputs) -> Decision:
    """Say how long is waited, in a migration and in a rollback."""
    watches = f", then watches the node for {now.target.soak:.0f} s" if now.target.soak else ""
    return True, f"workloads that leave have {now.target.settle_timeout} s to be available again{watches}"
