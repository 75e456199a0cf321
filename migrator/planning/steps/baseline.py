"""See containers on the old runtime, to compare with."""

from __future__ import annotations

from migrator.model.plan import NodePlan
from migrator.planning.inputs import NodeInputs
from migrator.planning.skip_reasons import already_done, proof_unwanted
from migrator.planning.step_protocol import Decision


def decide(now: NodeInputs, _: NodePlan) -> Decision:
    """See containers on the old runtime, to compare with those on the new one."""
    if done := already_done(now) or proof_unwanted(now):
        return done
    return True, f"three pods of our own on {now.node.runtime}, to compare with afterwards; they go again"
