"""Keep new pods away from the node."""

from __future__ import annotations

from migrator.engine import polling
from migrator.engine.context import StepContext
from migrator.errors import RefusedError, StalePlanError, StepFailedError


def act(run: StepContext) -> str:
    """Keep new pods away."""

    def ours() -> None:
        if run.cluster.node(run.plan.node).cordoned_by_others:
            raise StalePlanError(f"{run.plan.node}: somebody has cordoned it since the plan was made; make a new plan")
        try:
            run.cluster.set_unschedulable(run.plan.node, unschedulable=True)
        except RefusedError as error:  # nothing is out of service yet that would be worth waiting
            raise StepFailedError(str(error)) from error

    polling.retry_on_api_error(run, ours)
    return "no new pods"
