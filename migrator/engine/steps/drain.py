"""Move what can run elsewhere."""

from __future__ import annotations

from migrator.engine import eviction
from migrator.engine.context import StepContext


def act(run: StepContext) -> str:
    """Move what can run elsewhere."""
    with run.neighbours.draining(run.plan.node):
        return eviction.drain(run)


def act_back(run: StepContext) -> str:
    """Move the same before a runtime is left that may be unable to end its containers."""
    with run.neighbours.draining(run.plan.node):
        return eviction.drain(run, overdue_may_stay=True)
