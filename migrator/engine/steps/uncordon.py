"""Let pods come to the node again."""

from __future__ import annotations

from migrator.engine import polling
from migrator.engine.context import StepContext


def act(run: StepContext) -> str:
    """Let pods come again, unless somebody else had cordoned the node."""
    if run.plan.cordoned_before:
        return "stays cordoned, as somebody else had it"
    others: list[bool] = []

    def back() -> None:
        others.append(run.cluster.node(run.plan.node).cordoned_by_others)
        if not others[-1]:
            run.cluster.set_unschedulable(run.plan.node, unschedulable=False)

    polling.retry_on_api_error(run, back)
    return "stays cordoned, as somebody else has it by now" if others[-1] else "takes pods again"
