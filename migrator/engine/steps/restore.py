"""Undo the switch of an earlier run."""

from __future__ import annotations

from migrator.engine import polling, readiness, transaction
from migrator.engine.context import StepContext


def act(run: StepContext) -> str:
    """Undo the transaction, and wait until the node is Ready with what stays on it."""
    return transaction.put_back(run, run.rollback.transaction, run.plan.target)


def undo(run: StepContext) -> str:
    """See a node Ready whose rollback failed: one that is not must not take pods again."""
    runtime = readiness.runtime(run).partition("://")[0]
    polling.wait_until(
        run,
        lambda: readiness.not_ready_reason(run, runtime),
        f"{run.plan.node} to be Ready",
        seconds=run.target.ready_timeout,
    )
    return f"Ready on {readiness.runtime(run)}"
