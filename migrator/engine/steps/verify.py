"""See the node ready on its new runtime, and proved."""

from __future__ import annotations

from migrator.engine import readiness
from migrator.engine.context import StepContext
from migrator.engine.steps import prove


def act(run: StepContext) -> str:
    """See the node Ready on the new runtime with what stays on it, and prove it as far as was asked for.

    The pods that prove it stay until it serves again.
    """
    return readiness.confirm_ready(run) if run.target.proof == "none" else prove.act(run, stays=True)
