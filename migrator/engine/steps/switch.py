"""Give the node its new runtime, in one transaction."""

from __future__ import annotations

from migrator.engine import transaction
from migrator.engine.context import StepContext
from migrator.errors import StalePlanError, StepFailedError


def act(run: StepContext) -> str:
    """Do the transaction on the node."""
    result = transaction.run_transaction(run, "new", run.id)
    match result.outcome:
        case "switched":
            return "; ".join(f"{entry.action} {entry.seconds:.0f} s" for entry in result.actions)
        case "unchanged":
            return "was switched already"
        case "stale":
            raise StalePlanError(f"{run.plan.node}: {result.cause}; make a new plan")
        case _:
            raise StepFailedError(result.cause or "the node gave no result")


def undo(run: StepContext) -> str:
    """Undo the transaction, and wait until the node is Ready on its old runtime with what stays on it."""
    return transaction.put_back(run, run.id, run.plan.source)
