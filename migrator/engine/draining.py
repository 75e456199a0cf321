"""Drain a node by the eviction API, so that every PodDisruptionBudget is honoured.

As `kubectl drain` does (its pkg/drain), but: a pod is evicted by its uid, so a new pod of the same name is left
alone; finished pods are left, they hold nothing up; what is critical to the cluster goes last; volumes are waited
for; an API server that stumbles does not fail the drain.
"""

from __future__ import annotations

from collections.abc import Sequence

from migrator.cluster import Eviction
from migrator.engine import patience, settling
from migrator.engine.run import Run
from migrator.errors import ClusterError, NotFoundError, RefusedError, StepFailedError
from migrator.model.objects import Pod

_RETRY_SECONDS = 5.0
_POLL_SECONDS = 1.0
_CRITICAL = 2_000_000_000
"""Priority of system-cluster-critical (k8s.io/kubernetes pkg/apis/scheduling/types.go)."""


def drain(run: Run, *, overdue_may_stay: bool = False) -> str:
    """Evict every pod that does not stay, and wait until all are gone. Give a summary.

    With `overdue_may_stay` a pod that has had its grace period and still does not end, which may be the runtime's
    fault, holds nothing up after `drain_timeout`.

    Raises `StepFailedError` when pods are left after `drain_timeout`, when one came since the plan whose eviction
    needs consent, or when the Node is gone.
    """
    node = run.plan.node
    deadline = run.clock.now() + run.target.drain_timeout
    asked: set[str] = set()
    refused: dict[str, str] = {}
    forbidden: dict[str, float] = {}
    told: dict[str, float] = {}
    next_try = run.clock.now()
    while True:
        try:
            leaving = _leaving(run)
            if not leaving:
                return f"{len(asked)} pods left{_detached(run, deadline)}"
            if run.clock.now() >= next_try:
                next_try = run.clock.now() + _RETRY_SECONDS
                settling.remember(run, leaving)
                for pod in _next(leaving):
                    _evict(run, pod, asked=asked, refused=refused, forbidden=forbidden)
            overdue = _overdue(leaving, told, run.clock.now())
        except NotFoundError as error:
            raise StepFailedError("somebody has deleted the Node") from error
        except ClusterError as error:
            refused["the API server"] = str(error)
            overdue = []
        if run.clock.now() >= deadline:
            if overdue_may_stay and overdue:
                return f"{', '.join(overdue)} did not end in time, and goes with the runtime"
            raise StepFailedError(f"{node} is not empty after {run.target.drain_timeout} s: " + _left(run, refused))
        run.clock.sleep(_POLL_SECONDS)


def _leaving(run: Run) -> list[Pod]:
    pods = [pod for pod in run.cluster.pods_on(run.plan.node) if not pod.stays and not pod.finished]
    for pod in pods:
        if not pod.leaves:
            continue
        if pod.empty_dirs and "local-storage" not in run.allow:
            raise StepFailedError(f"{pod.full_name} came after the plan and keeps data in an emptyDir")
        if not pod.owner and "unmanaged-pods" not in run.allow:
            raise StepFailedError(f"{pod.full_name} came after the plan and nobody would create it again")
    return pods


def _next(leaving: Sequence[Pod]) -> list[Pod]:
    """Give those to evict now, the least important first; what the cluster itself needs waits for all others."""
    ordinary = [pod for pod in leaving if pod.priority < _CRITICAL]
    return sorted(ordinary or leaving, key=lambda pod: pod.priority)


def _overdue(leaving: Sequence[Pod], told: dict[str, float], now: float) -> list[str]:
    """Name these pods if all of them have had their grace period; `told` says since when each was seen ending."""
    for pod in leaving:
        if pod.terminating:
            told.setdefault(pod.uid, now)
    if all(pod.uid in told and now >= told[pod.uid] + pod.grace for pod in leaving):
        return [pod.full_name for pod in leaving]
    return []


def _detached(run: Run, deadline: float) -> str:
    """Wait until no volume is attached to the node that a pod may need elsewhere.

    The kubelet reports which are in use: once it is stopped, others wait six minutes for such a volume (Kubernetes
    1.20, attach_detach_controller.go, ReconcilerMaxWaitForUnmountDuration). Those of pods that stay cannot be told
    from the others, so nothing is waited for where such pods have claims.
    """
    if any(pod.stays and pod.claims for pod in run.cluster.pods_on(run.plan.node)):
        return ""
    told = False
    while volumes := run.cluster.node(run.plan.node).volumes:
        if run.clock.now() >= deadline:
            raise StepFailedError(f"{run.plan.node}: volumes are still in use: {', '.join(volumes)}")
        if not told:
            run.progress(f"waits for {len(volumes)} volumes to be unmounted")
            told = True
        run.clock.sleep(_POLL_SECONDS)
    return ", their volumes too" if told else ""


def _evict(run: Run, pod: Pod, *, asked: set[str], refused: dict[str, str], forbidden: dict[str, float]) -> None:
    """Ask for a pod's end, unless that was done. A lack of rights, or a webhook's no, counts after two minutes."""
    if pod.uid in asked or pod.terminating:
        asked.add(pod.uid)
        return
    try:
        if "batch-replicas" not in run.allow and (why := run.neighbours.held(run.cluster, pod, run.clock.now())):
            if pod.full_name not in refused:
                run.progress(f"{pod.full_name} waits: {why}")
            refused[pod.full_name] = why
            return
        answer = run.cluster.evict(pod)
    except ClusterError as error:
        now = run.clock.now()
        if isinstance(error, RefusedError):
            run.neighbours.stays(pod)
        if isinstance(error, RefusedError) and now - forbidden.setdefault(pod.uid, now) >= patience.REFUSED:
            raise StepFailedError(f"{pod.full_name} may not be evicted: {error}") from error
        if pod.full_name not in refused:
            run.progress(f"{pod.full_name} cannot be evicted yet: {error}")
        refused[pod.full_name] = str(error)
        return
    if answer is Eviction.REFUSED_NOW:
        run.neighbours.stays(pod)
        holding = _budgets(run, pod)
        if pod.full_name not in refused:
            run.progress(f"{pod.full_name} waits for {holding}")
        refused[pod.full_name] = holding
        return
    refused.pop(pod.full_name, None)
    forbidden.pop(pod.uid, None)
    asked.add(pod.uid)
    run.progress(f"{pod.full_name} leaves")


def _budgets(run: Run, pod: Pod) -> str:
    covering = [budget for budget in run.cluster.budgets() if budget.covers(pod)]
    if not covering:
        return "a PodDisruptionBudget"
    return ", ".join(
        f"PodDisruptionBudget {entry.name} ({entry.disruptions_allowed} disruptions allowed)" for entry in covering
    )


def _left(run: Run, refused: dict[str, str]) -> str:
    try:
        pods = [pod.full_name for pod in _leaving(run)]
    except ClusterError:
        pods = []
    pods = pods or sorted(refused)
    return "; ".join(f"{name} ({refused[name]})" if name in refused else f"{name} (does not end)" for name in pods)
