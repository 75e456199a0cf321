"""The transaction on the node, forth and back: asked for until the node says what came of it."""

from __future__ import annotations

from migrator.engine import polling, readiness, timeouts
from migrator.engine.context import StepContext
from migrator.engine.playbooks import answer, planned_file, play, request
from migrator.errors import BusyError, StepFailedError
from migrator.model import node_requests
from migrator.model.node_answers import Switched
from migrator.model.plan import MigrationPlan, RollbackPlan

_SWITCH_TASK = "Switch the node's container runtime"


def run_transaction(run: StepContext, state: str, name: str) -> Switched:
    """Have the node do its transaction; give what came of it.

    It goes on there when the connection is lost, and the node may be rebooting: it is asked again until it answers, and
    until it is through with a switch that is under way. Raises `HostUnreachableError` or `BusyError` when that takes
    too long.
    """
    asked = switch_request(_switched(run), name, state)
    until = run.clock.now() + timeouts.SWITCH

    while True:
        results = polling.retry_while_unreachable(
            run, lambda: play(run, asked), meanwhile="what the node does goes on, asks it again"
        )
        found = answer(Switched, results.get(_SWITCH_TASK, {}))
        if found.outcome != "busy":
            break
        if run.clock.now() >= until:
            raise BusyError(f"{run.plan.host}: {found.cause}")
        run.progress(f"{found.cause}; asks it again")
        run.clock.sleep(timeouts.EVERY)
    for problem in found.problems:
        run.progress(problem)
    return found


def put_back(run: StepContext, transaction: str, to: str) -> str:
    """Undo a transaction, and wait until the node is Ready on the runtime `to` with what stays on it."""
    result = run_transaction(run, "old", transaction)
    if result.outcome not in {"restored", "unchanged"}:
        raise StepFailedError(result.cause or "the node gave no result")
    runtime = to.partition("://")[0]
    polling.wait_until(
        run,
        lambda: readiness.not_ready_reason(run, runtime, since=result.kubelet_started, removed=result.removed),
        f"{run.plan.node} to be Ready on {runtime}",
        seconds=timeouts.PUT_BACK,
    )
    return f"Ready on {readiness.runtime(run)}"


def _switched(run: StepContext) -> MigrationPlan | RollbackPlan:
    return run.plan if isinstance(run.plan, RollbackPlan) else run.migration


def switch_request(plan: MigrationPlan | RollbackPlan, name: str, state: str) -> node_requests.Switch:
    """Give what the playbook of the switch takes, forth ("new") or back ("old"). Raises `StepFailedError`."""
    if isinstance(plan, RollbackPlan):
        return request(
            node_requests.Switch,
            state=state,
            transaction=name,
            socket=plan.annotation.removeprefix("unix://"),
            plugins=plan.cni_plugins,
            files=(),
            stale_addresses=[],
            arguments=(),
            about={"source": plan.source, "annotation": plan.annotation_before},
        )
    return request(
        node_requests.Switch,
        state=state,
        transaction=name,
        socket=plan.endpoint.removeprefix("unix://"),
        plugins=plan.cni_plugins,
        files=tuple(planned_file(file) for file in plan.files),
        stale_addresses=[{"path": entry.path, "container": entry.container} for entry in plan.stale_addresses],
        arguments=plan.kubelet_arguments,
        about={"source": plan.source, "annotation": plan.socket_annotation},
    )
