"""What nodes mean for each other when they leave together: workloads that only they hold, and room for their pods."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from migrator.model.kubernetes import ClusterFacts, Pod
from migrator.planning.cluster_capacity import ClusterCapacity, Resources, fleet, requested


@dataclass(frozen=True)
class SharedWorkload:
    """At least two nodes that hold a workload by themselves: without all of them none of its pods is ready."""

    workload: str
    """For example "shop/Deployment/web"."""
    nodes: frozenset[str]


@dataclass(frozen=True)
class SharedWorkloads:
    """What is known of the nodes of a rollout."""

    of: Mapping[str, tuple[SharedWorkload, ...]] = field(default_factory=dict)
    """The crowds that each node belongs to."""
    needs: Mapping[str, Resources] = field(default_factory=dict)
    """What the pods have requested that leave each node, where any do."""
    around: ClusterCapacity | None = None
    """The whole cluster; None where room does not matter."""


def crowds(cluster: ClusterFacts, nodes: Iterable[str]) -> SharedWorkloads:
    """Find the crowds among `nodes`, and what each of them needs."""
    inside = frozenset(nodes)
    leaving: dict[str, list[Pod]] = defaultdict(list)
    places: dict[tuple[str, str], dict[str, bool]] = defaultdict(dict)
    """The nodes of each workload, and whether a pod there is ready."""
    for pod in cluster.pods:
        if pod.owner and pod.node in inside and pod.leaves:
            leaving[pod.node].append(pod)
        if pod.node and pod.replicated and not (pod.finished or pod.terminating):
            nodes_of_it = places[pod.namespace, pod.workload]
            nodes_of_it[pod.node] = pod.ready or nodes_of_it.get(pod.node, False)
    of: dict[str, list[SharedWorkload]] = defaultdict(list)
    for key, found in places.items():
        ready = {node for node, serves in found.items() if serves}
        # Where one node has all that is ready, no batch is better than another; what gets ready by then counts there.
        among = ready if len(ready) > 1 else found.keys()
        if len(among) > 1 and among <= inside:
            crowd = SharedWorkload("/".join(key), frozenset(among))
            for node in among:
                of[node].append(crowd)
    return SharedWorkloads(
        of={node: tuple(sorted(entries, key=lambda crowd: crowd.workload)) for node, entries in of.items()},
        needs={node: requested(pods) for node, pods in leaving.items()},
        around=fleet(cluster),
    )
