"""What keeps a node from being Ready with what stays on it, and the wait until nothing does."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from migrator.engine import polling
from migrator.engine.context import StepContext
from migrator.model.kubernetes import Pod
from migrator.runtimes.registry import RUNTIMES


def runtime(run: StepContext) -> str:
    """Read which runtime the node reports."""
    return polling.retry_on_api_error(run, lambda: run.cluster.node(run.plan.node).runtime)


def confirm_ready(run: StepContext) -> str:
    """Wait until the node is Ready on the new runtime; say so."""
    await_ready(run)
    return f"Ready on {runtime(run)}, {len(run.plan.staying)} pods that stay run on it"


def await_node(run: StepContext) -> None:
    """Wait until the Node is there: whoever deletes one may have its kubelet make it anew."""

    def lacking() -> str:
        run.cluster.node(run.plan.node)
        return ""

    polling.wait_until(run, lacking, f"Node {run.plan.node}", seconds=run.target.ready_timeout)


def await_ready(run: StepContext, or_else: Callable[[], bool] = lambda: False) -> None:
    """Wait until what stays runs on the new runtime, and the node is Ready `or_else` something says as much."""
    scheme = RUNTIMES[run.target.runtime].scheme
    polling.wait_until(
        run,
        lambda: not_ready_reason(run, scheme, or_else=or_else),
        f"{run.plan.node} to be Ready on {scheme}",
        seconds=run.target.ready_timeout,
    )


def not_ready_reason(
    run: StepContext,
    runtime: str,
    *,
    since: float = 0,
    removed: Collection[str] = (),
    or_else: Callable[[], bool] = lambda: False,
) -> str:
    """Say what keeps the node from being Ready on `runtime` with its staying pods; "" when nothing does.

    A status that the stopped kubelet left behind does not count: it is older than `since`, by the node's clock, or
    shows a container that was `removed`. A node that is not Ready lacks nothing where `or_else` says so.
    """
    node = run.cluster.node(run.plan.node)
    if not node.runtime.startswith(f"{runtime}://"):
        return f"it reports {node.runtime}"
    if not node.ready and not or_else():
        return "it is not Ready"
    if since and _moment(node.heartbeat) < int(since):
        return "its kubelet has not reported yet"
    # From the cache: an older state cannot show containers of a runtime that had none yet, nor hide `removed` ones.
    present = _present(run, cached=True)
    lacking = [name for name, pods in present.items() if _lacks(name, pods, runtime, removed)]
    if not lacking and not all(present.values()):  # it may be behind where a DaemonSet seems to have left the node
        present = _present(run, cached=False)
        lacking = [name for name, pods in present.items() if _lacks(name, pods, runtime, removed)]
    return f"not running there yet: {', '.join(lacking)}" if lacking else ""


def _present(run: StepContext, *, cached: bool) -> dict[str, list[Pod]]:
    """Give the pods that are there of what stays, by name."""
    present: dict[str, list[Pod]] = {name: [] for name in run.plan.staying}
    for pod in run.cluster.pods_on(run.plan.node, cached=cached):
        if pod.stays and not pod.finished and not pod.terminating and pod.lasting in present:
            present[pod.lasting].append(pod)
    return present


def _lacks(name: str, pods: Sequence[Pod], runtime: str, removed: Collection[str]) -> bool:
    """Tell whether none of the pods runs there; a DaemonSet that has none on the node any more has left it."""
    if not pods:
        return "/DaemonSet/" not in name
    return not any(_runs_on(pod, runtime, removed) for pod in pods)


def _moment(heartbeat: str) -> float:
    """Read a time of the API, for example "2026-01-01T00:00:00Z", as seconds since the epoch."""
    return datetime.fromisoformat(heartbeat).timestamp() if heartbeat else 0.0


def _runs_on(pod: Pod, runtime: str, removed: Collection[str]) -> bool:
    containers = [container.partition("://") for container in pod.container_ids]
    return pod.ready and all(scheme == runtime and name not in removed for scheme, _, name in containers)
