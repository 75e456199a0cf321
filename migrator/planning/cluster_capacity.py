"""What the rest of the cluster means for one node: computed once for all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from dataclasses import field as default

from migrator.model.kubernetes import Budget, ClusterFacts, DaemonSet, Node, Pod, RuntimeClass
from migrator.planning.competitors import Competitor, of_pods

_MIB = 1024**2


@dataclass(frozen=True)
class Resources:
    """What is free on a node, or taken by pods."""

    cpu: int = 0
    """Thousandths of a core."""
    memory: int = 0
    """Bytes."""
    pods: int = 0

    def plus(self, other: Resources) -> Resources:
        """Add."""
        return Resources(self.cpu + other.cpu, self.memory + other.memory, self.pods + other.pods)

    def less(self, other: Resources) -> Resources:
        """Take away."""
        return Resources(self.cpu - other.cpu, self.memory - other.memory, self.pods - other.pods)

    def lacking(self, wanted: Resources) -> str:
        """Say of what there is too little for that, for example "50 of 100 mCPU"; "" when it is enough."""
        return ", ".join(
            f"{have} of {want} {unit}"
            for have, want, unit in (
                (self.cpu, wanted.cpu, "mCPU"),
                (self.memory // _MIB, wanted.memory // _MIB, "MiB"),
                (self.pods, wanted.pods, "pods"),
            )
            if have < want
        )


def requested(pods: Iterable[Pod]) -> Resources:
    """Sum up what pods have requested."""
    cpu = memory = count = 0
    for pod in pods:
        cpu, memory, count = cpu + pod.cpu, memory + pod.memory, count + 1
    return Resources(cpu, memory, count)


@dataclass(frozen=True)
class ClusterCapacity:
    """The cluster around a node."""

    budgets: tuple[Budget, ...] = ()
    runtime_classes: tuple[RuntimeClass, ...] = ()
    daemon_sets: tuple[DaemonSet, ...] = ()
    """Those that reach into the hosts' file systems."""
    free: Mapping[str, Resources] = default(default_factory=dict)
    """What no pod has requested, on each node that takes ordinary pods now."""
    total: Resources = Resources()
    """The sum of `free`."""
    replicas: Mapping[tuple[str, str], int] = default(default_factory=dict)
    """How many unfinished pods each workload has, by namespace and "Kind/name"."""
    serving: Mapping[tuple[str, str], int] = default(default_factory=dict)
    """How many of them serve."""
    competitors: Mapping[Competitor, tuple[str, ...]] = default(default_factory=dict)
    """Who else works on nodes, with namespaces and owners of their pods."""
    api_servers: tuple[str, ...] = ()
    """Addresses behind the service default/kubernetes."""

    def beside(self, node: str) -> Resources:
        """Give what is free on all nodes but this one."""
        return self.total.less(self.free.get(node, Resources()))


def pods_by_node(cluster: ClusterFacts) -> dict[str, tuple[Pod, ...]]:
    """Give the pods of each node that has any."""
    found: dict[str, list[Pod]] = {}
    for pod in cluster.pods:
        found.setdefault(pod.node, []).append(pod)
    return {node: tuple(pods) for node, pods in found.items()}


def fleet(cluster: ClusterFacts) -> ClusterCapacity:
    """Sum up the cluster, in one pass over its pods."""
    alive = [pod for pod in cluster.pods if not pod.finished]
    taken: dict[str, Resources] = {}
    for pod in alive:
        before = taken.get(pod.node, Resources())
        taken[pod.node] = Resources(before.cpu + pod.cpu, before.memory + pod.memory, before.pods + 1)
    free = {node.name: _left(node, taken.get(node.name, Resources())) for node in cluster.nodes if _takes_pods(node)}
    return ClusterCapacity(
        budgets=cluster.budgets,
        runtime_classes=cluster.runtime_classes,
        daemon_sets=cluster.daemon_sets,
        free=free,
        total=Resources(*(sum(getattr(room, what) for room in free.values()) for what in ("cpu", "memory", "pods"))),
        replicas=Counter((pod.namespace, pod.workload) for pod in alive if pod.owner),
        serving=Counter((pod.namespace, pod.workload) for pod in alive if pod.owner and pod.serves),
        competitors=of_pods(alive),
        api_servers=cluster.api_servers,
    )


def _takes_pods(node: Node) -> bool:
    return node.ready and not node.unschedulable and not node.tainted


def _left(node: Node, taken: Resources) -> Resources:
    return Resources(max(0, node.cpu - taken.cpu), max(0, node.memory - taken.memory), max(0, node.room - taken.pods))
