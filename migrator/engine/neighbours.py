"""Nodes that are drained side by side: together they leave every workload its last ready pod.

A workload whose ready pods are all on nodes that are drained keeps the one on the node that began last. That node
waits until the others have let theirs go, and then until one of these is ready again elsewhere.

Nobody waits in a circle: a node waits for nodes that began before it, or for pods that have to find room. The node
that began first waits for nobody, is empty sooner or later, and gives its room back when it serves again or when its
drain has failed. What still waits at the end of its own drain fails that drain.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from migrator.cluster import Cluster
from migrator.model.objects import Pod
from migrator.planning.checks.finding import listed

_Workload = tuple[str, str]


class Neighbours:
    """What the nodes of one run know of each other's pods. Each is in a thread of its own."""

    def __init__(self) -> None:
        """Begin with no node."""
        self._lock = threading.Lock()
        self._drained: list[str] = []
        """Nodes that are being drained, in the order in which they began."""
        self._leaving: dict[str, str] = {}
        """Pods whose eviction was asked for, by uid, with their node: they count as gone, whatever is read of them."""
        self._taken: dict[_Workload, dict[str, Pod]] = defaultdict(dict)
        """Pods that were taken from each workload, by uid, which is not known to have as many again."""

    @contextmanager
    def draining(self, node: str) -> Iterator[None]:
        """Count a node among those that are drained, for the `with` block."""
        with self._lock:
            self._drained.append(node)
        try:
            yield
        except BaseException:
            with self._lock:  # it will serve again: the pods that it still has stand in for others
                self._leaving = {uid: place for uid, place in self._leaving.items() if place != node}
            raise
        finally:
            with self._lock:
                self._drained.remove(node)

    def settled(self, node: str) -> None:
        """Forget what was taken from a node: those workloads are available again."""
        with self._lock:
            for taken in self._taken.values():
                for uid in [uid for uid, pod in taken.items() if pod.node == node]:
                    del taken[uid]

    def stays(self, pod: Pod) -> None:
        """Note that a pod was not evicted after all."""
        with self._lock:
            self._leaving.pop(pod.uid, None)
            self._taken[_workload(pod)].pop(pod.uid, None)

    def held(self, cluster: Cluster, pod: Pod) -> str:
        """Say why a pod must not be evicted yet; with "" it counts as evicted.

        Asks the API server only where another node is drained too, or has let pods of the workload go that are not
        known to be available again. Raises `ClusterError`.
        """
        if not (pod.replicated and pod.serves) or self._alone(pod):
            return ""
        # From the cache, as others ask at the same time: pods whose eviction was asked for count as gone anyway.
        near = cluster.pods_in(pod.namespace, cached=True)
        others = [other for other in near if other.workload == pod.workload and other.uid != pod.uid]
        why, last = self._judged(pod, others)
        if last and self._wanted(cluster, pod, others) < 2:  # it has been scaled down meanwhile: nobody else will come
            self._take(pod)
            return ""
        return why

    def _alone(self, pod: Pod) -> bool:
        """Tell whether no other node has to do with it; then it counts as evicted."""
        with self._lock:
            around = {*self._drained, *(taken.node for taken in self._taken[_workload(pod)].values())}
            if alone := around <= {pod.node}:
                self._note(pod)
            return alone

    def _judged(self, pod: Pod, others: Iterable[Pod]) -> tuple[str, bool]:
        """Say why it is held, and whether because it is the last one; when it is not, it counts as evicted."""
        with self._lock:
            places = {other.node for other in others if other.serves and other.uid not in self._leaving}
            before = self._before(pod.node)
            taken = {entry.node for entry in self._taken[_workload(pod)].values()} - {pod.node}
            if not places - before - {pod.node}:  # else it is ready on a node that serves, or that keeps it for us
                if first := places & before:
                    return f"{listed(first)}, drained before, has the other ready pods of {pod.workload}", False
                if taken and pod.node not in places:
                    return f"it is the last ready pod of {pod.workload} until those of {listed(taken)} are back", True
            self._note(pod)
            return "", False

    def _before(self, node: str) -> set[str]:
        """Give the nodes whose drain began before that of this one."""
        return set(self._drained[: self._drained.index(node)] if node in self._drained else self._drained)

    def _wanted(self, cluster: Cluster, pod: Pod, others: Iterable[Pod]) -> int:
        """Give how many pods the workload shall have."""
        with self._lock:
            taken = tuple(self._taken[_workload(pod)].values())
        owners = {entry.owner for entry in (pod, *others, *taken)}
        return sum(cluster.replicas(pod.namespace, owner, cached=True) or 0 for owner in owners)

    def _take(self, pod: Pod) -> None:
        with self._lock:
            self._note(pod)

    def _note(self, pod: Pod) -> None:
        self._leaving[pod.uid] = pod.node
        self._taken[_workload(pod)][pod.uid] = pod


def _workload(pod: Pod) -> _Workload:
    return pod.namespace, pod.workload
