"""Undo the switch of an earlier run."""

from __future__ import annotations

from migrator.model.plan import RollbackPlan
from migrator.planning.checks.rollback import last_switch
from migrator.planning.inputs import NodeInputs
from migrator.planning.step_protocol import Decision


def decide(now: NodeInputs, plan: RollbackPlan) -> Decision:
    """Undo the switch."""
    if not is_open(now):
        return False, "no switch has to be undone: a run that ended too early has left the node cordoned"
    return True, f"undoes the switch {plan.transaction}: its files are put back, containers of the new runtime removed"


def is_open(now: NodeInputs) -> bool:
    """Tell whether there is a switch to undo."""
    switch = last_switch(now.facts, now.node)
    return switch is not None and switch[1].last != "undone"
