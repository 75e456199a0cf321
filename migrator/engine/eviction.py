"""Drain a node by the eviction API, so that every PodDisruptionBudget is honoured.

As `kubectl drain` does (its pkg/drain), but: a pod is evicted by its uid, so a new pod of the same name is left
alone; finished pods are left, they hold nothing up; what is critical to the cluster is asked last; volumes are waited
for; an API server that stumbles does not fail the drain, and a drain that is held up for long asks it less often.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from migrator.cluster import Eviction
from migrator.engine import timeouts
from migrator.engine.context import StepContext
from migrator.engine.leaving_pods import LeavingPods, leaving
from migrator.engine.steps import settle
from migrator.errors import ClusterError, NotFoundError, RefusedError, StepFailedError
from migrator.model.clock import pace
from migrator.model.kubernetes import Budget, Pod

_RETRY_SECONDS = 5.0
"""Between two tries to evict a pod that may not leave yet."""
_REGARDLESS_SECONDS = 60.0
"""Likewise while its budget says that it allows none."""
_CRITICAL = 2_000_000_000
"""Priority of system-cluster-critical (k8s.io/kubernetes pkg/apis/scheduling/types.go)."""


@dataclass
class _Asked:
    """What pods were asked to leave, and what came of it. By uid where nothing else is said."""

    until: float
    """From then on nobody is asked."""
    accepted: set[str] = field(default_factory=set)
    """Those that end, whoever asked for it."""
    again: dict[str, float] = field(default_factory=dict)
    """When those that may not leave yet are asked again."""
    forbidden: dict[str, float] = field(default_factory=dict)
    """Since when an eviction has been forbidden."""
    held: dict[str, float] = field(default_factory=dict)
    """When those that a budget has refused are asked again whatever it says."""
    refused: dict[str, str] = field(default_factory=dict)
    """Why pods have not left, by their full names."""
    told: dict[str, str] = field(default_factory=dict)
    """What kind of reason was told last, likewise."""
    budgets: dict[str, tuple[Budget, ...]] = field(default_factory=dict)
    """Those that were read at this look, by namespace."""


def drain(run: StepContext, *, overdue_may_stay: bool = False) -> str:
    """Evict every pod that does not stay, and wait until all are gone. Give a summary.

    With `overdue_may_stay` a pod that has had its grace period and still does not end, which may be the runtime's
    fault, holds nothing up after `drain_timeout`.

    Raises `StepFailedError` when pods are left after `drain_timeout`, when one came since the plan whose eviction
    needs consent, or when the Node is gone.
    """
    deadline = run.clock.now() + run.target.drain_timeout
    looked = LeavingPods(run)
    asked = _Asked(until=deadline)
    told: dict[str, float] = {}
    since, before = run.clock.now(), (0, 0)
    while True:
        try:
            pods = looked.look()
            if not pods:
                return f"{len(asked.accepted)} pods left{_detached(run, looked.pods, deadline)}"
            settle.remember(run, pods)
            _evict_in_turn(run, pods, asked)
            overdue = _overdue(pods, told, run.clock.now())
            if (len(pods), len(asked.accepted)) != before:
                since, before = run.clock.now(), (len(pods), len(asked.accepted))
        except NotFoundError as error:
            raise StepFailedError("somebody has deleted the Node") from error
        except ClusterError as error:
            asked.refused["the API server"] = str(error)
            overdue = []
        if run.clock.now() >= deadline:
            if overdue_may_stay and overdue:
                return f"{', '.join(overdue)} did not end in time, and goes with the runtime"
            raise StepFailedError(
                f"{run.plan.node} is not empty after {run.target.drain_timeout} s: " + _left(run, asked, looked.pods)
            )
        run.clock.sleep(pace(run.clock.now() - since))


def _evict_in_turn(run: StepContext, pods: Sequence[Pod], asked: _Asked) -> None:
    """Ask all of a wave to leave, and those of the next one as soon as nobody of it has to be asked again."""
    asked.budgets.clear()
    for wave in _waves(pods):
        for pod in wave:
            _evict(run, pod, asked)
        if any(pod.uid not in asked.accepted for pod in wave):
            return


def _waves(pods: Sequence[Pod]) -> Iterator[list[Pod]]:
    """Give the pods in the order in which they are asked, the least important first.

    What the cluster itself needs is a wave of its own: it stays while a budget holds others, which may be for long, and
    not while they end, since it has a grace period too and serves meanwhile from wherever else it runs (ADR 27).
    """
    ordered = sorted(pods, key=lambda pod: pod.priority)
    yield [pod for pod in ordered if pod.priority < _CRITICAL]
    yield [pod for pod in ordered if pod.priority >= _CRITICAL]


def _overdue(leaving: Sequence[Pod], told: dict[str, float], now: float) -> list[str]:
    """Name these pods if all of them have had their grace period; `told` says since when each was seen ending."""
    for pod in leaving:
        if pod.terminating:
            told.setdefault(pod.uid, now)
    if all(pod.uid in told and now >= told[pod.uid] + pod.grace for pod in leaving):
        return [pod.full_name for pod in leaving]
    return []


def _detached(run: StepContext, pods: Sequence[Pod], deadline: float) -> str:
    """Wait until no volume is attached to the node that a pod may need elsewhere; `pods` are those that stay.

    The kubelet reports which are in use: once it is stopped, others wait six minutes for such a volume (Kubernetes
    1.20, attach_detach_controller.go, ReconcilerMaxWaitForUnmountDuration). Those of pods that stay cannot be told
    from the others, so nothing is waited for where such pods have claims.
    """
    if any(pod.stays and pod.claims for pod in pods):
        return ""
    began = run.clock.now()
    told = False
    while volumes := run.cluster.node(run.plan.node).volumes:
        if run.clock.now() >= deadline:
            raise StepFailedError(f"{run.plan.node}: volumes are still in use: {', '.join(volumes)}")
        if not told:
            run.progress(f"waits for {len(volumes)} volumes to be unmounted")
            told = True
        run.clock.sleep(pace(run.clock.now() - began))
    return ", their volumes too" if told else ""


def _evict(run: StepContext, pod: Pod, asked: _Asked) -> None:
    """Ask for a pod's end, unless that was done. A lack of rights, or a webhook's no, counts after two minutes."""
    now = run.clock.now()
    if pod.uid in asked.accepted or pod.terminating:
        asked.accepted.add(pod.uid)
        return
    if now < asked.again.get(pod.uid, now) or now >= asked.until:  # then the node is about to serve again
        return
    asked.again[pod.uid] = now + _RETRY_SECONDS
    if now < asked.held.get(pod.uid, now) and _exhausted(run, pod, asked):
        return
    try:
        if why := _held(run, pod):
            _note(run, pod, asked, "waits:", why)
            return
        answer = run.cluster.evict(pod)
    except ClusterError as error:
        if isinstance(error, RefusedError):
            run.neighbours.stays(pod)
            if now - asked.forbidden.setdefault(pod.uid, now) >= timeouts.REFUSED:
                raise StepFailedError(f"{pod.full_name} may not be evicted: {error}") from error
        _note(run, pod, asked, "cannot be evicted yet:", str(error))
        return
    if answer is Eviction.REFUSED_NOW:
        run.neighbours.stays(pod)
        asked.held[pod.uid] = now + _REGARDLESS_SECONDS
        _note(run, pod, asked, "waits for", _named(_covering(run, pod, asked)))
        return
    run.neighbours.ends(pod)
    asked.refused.pop(pod.full_name, None)
    asked.told.pop(pod.full_name, None)
    asked.forbidden.pop(pod.uid, None)
    asked.accepted.add(pod.uid)
    run.progress(f"{pod.full_name} leaves")


def _held(run: StepContext, pod: Pod) -> str:
    """Say why a pod waits for other nodes; where the user allows it to leave, they must know of it all the same."""
    if "batch-replicas" not in run.allow:
        return run.neighbours.held(run.cluster, pod)
    run.neighbours.leaves(pod)
    return ""


def _note(run: StepContext, pod: Pod, asked: _Asked, how: str, why: str) -> None:
    """Note why a pod has not left, and say so when it is the first reason, or one of another kind."""
    if asked.told.get(pod.full_name) != how:
        run.progress(f"{pod.full_name} {how} {why}")
    asked.told[pod.full_name] = how
    asked.refused[pod.full_name] = why


def _exhausted(run: StepContext, pod: Pod, asked: _Asked) -> bool:
    """Tell whether a pod's budget still allows no eviction.

    One list of a namespace's budgets spares an eviction of each pod in it, for which the API server would read the pod
    and those budgets (kubernetes 1.20, eviction.go). A pod that is not ready may be evicted all the same.
    """
    return pod.ready and any(budget.disruptions_allowed == 0 for budget in _covering(run, pod, asked))


def _covering(run: StepContext, pod: Pod, asked: _Asked) -> list[Budget]:
    """Give the budgets of a pod; those of a namespace are read once at a look."""
    if pod.namespace not in asked.budgets:
        asked.budgets[pod.namespace] = ()  # where they cannot be read, pods are asked to leave without them
        with suppress(ClusterError):
            asked.budgets[pod.namespace] = run.cluster.budgets(pod.namespace, cached=True)
    return [budget for budget in asked.budgets[pod.namespace] if budget.covers(pod)]


def _named(budgets: Sequence[Budget]) -> str:
    if not budgets:
        return "a PodDisruptionBudget"
    return ", ".join(
        f"PodDisruptionBudget {entry.name} ({entry.disruptions_allowed} disruptions allowed)" for entry in budgets
    )


def _left(run: StepContext, asked: _Asked, seen: Sequence[Pod]) -> str:
    """Name who is left, and why; `seen` are the pods of the last look."""
    try:
        pods = leaving(run.cluster.pods_on(run.plan.node, cached=True))
    except ClusterError:
        pods = []
    whys = {pod.full_name: _why(pod, asked) for pod in pods} or asked.refused
    whys = whys or {pod.full_name: _why(pod, asked) for pod in leaving(seen)}
    return "; ".join(f"{name} ({why})" for name, why in sorted(whys.items()))


def _why(pod: Pod, asked: _Asked) -> str:
    ends = pod.terminating or pod.uid in asked.accepted
    return "does not end" if ends else asked.refused.get(pod.full_name, "was not asked in time")
