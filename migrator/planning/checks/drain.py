"""What a drain would destroy, what would hold it up, and whether there is room elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from migrator.model.kubernetes import Budget, Pod
from migrator.model.plan import Finding
from migrator.planning.checks.findings import found, listed, named
from migrator.planning.cluster_capacity import requested
from migrator.planning.inputs import NodeInputs, Translation

STOP_MOST_SECONDS = 300
"""The longest that the switch waits for a container to end (roles/switch, migrator_removal)."""


def _leaving(now: NodeInputs) -> tuple[Pod, ...]:
    return now.evicted


def losses(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """What nobody brings back."""
    local = [pod for pod in _leaving(now) if pod.empty_dirs]
    if local:
        yield found(
            "local-storage", f"pods with data in an emptyDir: {named(local)}", "the data will be deleted: save it"
        )
    bare = [pod for pod in _leaving(now) if not pod.owner]
    if bare:
        yield found(
            "unmanaged-pods", f"pods that nobody will create again: {named(bare)}", "delete them or give them an owner"
        )
    replicated = [pod for pod in _leaving(now) if pod.replicated]
    single = [pod for pod in replicated if _replicas(now, pod) == 1]
    if single:
        yield found(
            "single-replica",
            f"the only pods of their workloads: {named(single)}",
            "scale them up first if they must not be away",
        )
    alone = {(pod.namespace, pod.workload) for pod in single}
    ready = [pod for pod in replicated if pod.serves]
    here = Counter((pod.namespace, pod.workload) for pod in ready)
    several = {key for key, count in here.items() if count == now.fleet.serving.get(key) and key not in alone}
    if several:
        yield found(
            "all-ready-pods",
            f"all ready pods of {listed(map('/'.join, several))} are on this node",
            "see that others are ready elsewhere first, if the workload must not be away while they move",
        )


def long_ends(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """What a drain leaves is stopped in the switch, and nothing else waits for it as long as an eviction does."""
    long = [pod for pod in now.alive if pod.stays and pod.ends_within > STOP_MOST_SECONDS]
    if long:
        yield found(
            "long-grace-period",
            f"pods that stay on the node and may take longer than {STOP_MOST_SECONDS} s to end: {named(long)}",
            "see that they may be killed by then, or take them off the node first",
        )


def _replicas(now: NodeInputs, pod: Pod) -> int:
    return now.fleet.replicas.get((pod.namespace, pod.workload), 0)


def budgets(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """Budgets that forbid evictions, now or for ever.

    A pod that is Pending or terminating is evicted whatever budgets say (kubernetes 1.20.2, eviction.go).
    """
    pods = [pod for pod in _leaving(now) if pod.phase != "Pending"]
    near: dict[str, list[Budget]] = {pod.namespace: [] for pod in pods}
    for budget in now.fleet.budgets:  # a large cluster has thousands, of which a node's pods concern a few
        if budget.namespace in near:
            near[budget.namespace].append(budget)
    guarded: dict[tuple[str, str], tuple[Budget, list[Pod]]] = {}
    for pod in pods:
        covering = [budget for budget in near[pod.namespace] if budget.covers(pod)]
        if len(covering) > 1:
            yield found(
                "several-budgets",
                f"{pod.full_name} is covered by {listed(budget.name for budget in covering)}",
                "the API server evicts no pod with more than one budget: leave one",
            )
        elif covering and covering[0].disruptions_allowed == 0 and pod.ready:
            key = (covering[0].namespace, covering[0].name)
            guarded.setdefault(key, (covering[0], []))[1].append(pod)
    for budget, held in guarded.values():
        yield _exhausted(now, budget, held)


def _exhausted(now: NodeInputs, budget: Budget, pods: list[Pod]) -> Finding:
    name = f"PodDisruptionBudget {budget.namespace}/{budget.name}"
    everybody = [pod for pod in now.alive if budget.covers(pod)]
    if budget.never and budget.disruptions_allowed == 0:
        return found(
            "budget-never",
            f"{name} wants every pod that it covers to be there, and so never allows an eviction of {named(pods)}",
            "let it allow one disruption, or delete it for the time of the migration",
        )
    only = len(pods) == 1 and _replicas(now, pods[0]) == 1
    if only and all(pod.ready for pod in everybody):
        return found(
            "budget-never",
            f"{name} allows no eviction of {named(pods)}, which is ready and the only pod of its workload",
            "scale the workload up, or delete the budget for the time of the migration",
        )
    return found(
        "budget-exhausted",
        f"{name} allows no eviction of {named(pods)} now",
        f"the drain would wait for it, for at most {now.target.drain_timeout} s",
    )


def capacity(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """Pods that fit nowhere stay Pending until the node is back."""
    needed = requested(pod for pod in _leaving(now) if pod.owner)
    short = now.fleet.beside(now.node.name).lacking(needed)
    if short:
        yield found(
            "capacity",
            f"the other nodes that take pods have room for {short} that leave this one",
            "add a node or scale something down; the pods that do not fit stay Pending meanwhile",
        )
