"""Nodes that are drained side by side: together they leave every workload its last ready pod.

A workload whose ready pods are all on nodes that are drained keeps the one on the node that began last. That node
waits until the others have let theirs go, and then until one of these is ready again elsewhere.

Nodes do not wait for each other in a circle: a node waits for nodes that began before it, or for pods that have to find
room. A PodDisruptionBudget can close one all the same, where it keeps on the first node what a later one waits for:
then the deadline of a drain ends it. What still waits at the end of its own drain fails that drain.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum, auto

from migrator.cluster import Cluster
from migrator.model.kubernetes import Pod
from migrator.planning.checks.findings import listed

_Workload = tuple[str, str]


class _Found(Enum):
    """Whether a pod may leave."""

    FREE = auto()
    UNSURE = auto()
    """If what the cache shows on one other place is still so."""
    LATER = auto()
    """When nodes that began before have let theirs go."""
    LAST = auto()
    """When one that was taken is ready again."""


class LastReadyPods:
    """What the nodes of one run know of each other's pods. Each is in a thread of its own."""

    def __init__(self) -> None:
        """Begin with no node."""
        self._lock = threading.Lock()
        self._drained: list[str] = []
        """Nodes that are being drained, in the order in which they began."""
        self._leaving: dict[str, str] = {}
        """Pods whose eviction was asked for, by uid, with their node: they count as gone, whatever is read of them."""
        self._accepted: set[str] = set()
        """Those of them that the API server has told to end, by uid. No failure brings them back."""
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
            with self._lock:  # it will serve again: the pods that it keeps stand in for others
                self._leaving = {
                    uid: place for uid, place in self._leaving.items() if place != node or uid in self._accepted
                }
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

    def leaves(self, pod: Pod) -> None:
        """Count a pod as evicted, whatever becomes of its workload."""
        with self._lock:
            if _counts(pod):
                self._note(pod)

    def ends(self, pod: Pod) -> None:
        """Note that the API server has told a pod to end."""
        with self._lock:
            self._accepted.add(pod.uid)

    def held(self, cluster: Cluster, pod: Pod) -> str:
        """Say why a pod must not be evicted yet; with "" it counts as evicted.

        Asks the API server only where another node is drained too, or has let pods of the workload go that are not
        known to be available again. Raises `ClusterError`.
        """
        if not _counts(pod) or self._alone(pod):
            return ""
        # From the cache, as others ask at the same time: pods whose eviction was asked for count as gone anyway.
        others = _others(pod, cluster.pods_in(pod.namespace, cached=True))
        found, why = self._judged(pod, others, sure=False)
        if found is _Found.UNSURE:  # the cache may show as ready what is so no more (ADR 26)
            others = _others(pod, cluster.pods_in(pod.namespace))
            self._look_for_taken(cluster, pod, others)
            found, why = self._judged(pod, others, sure=True)
        if found is _Found.LAST and self._is_single(cluster, pod, others):
            self.leaves(pod)
            return ""
        return why

    def _alone(self, pod: Pod) -> bool:
        """Tell whether no other node has to do with it; then it counts as evicted."""
        with self._lock:
            around = {*self._drained, *self._takers(pod)}
            if alone := around <= {pod.node}:
                self._note(pod)
            return alone

    def _judged(self, pod: Pod, others: Iterable[Pod], *, sure: bool) -> tuple[_Found, str]:
        """Tell whether it may leave, else why not; if so, it counts as evicted."""
        with self._lock:
            places = {other.node for other in others if self._there(other)}
            before = self._before(pod.node)
            taken = self._takers(pod) - {pod.node}
            elsewhere = places - before - {pod.node}  # on a node that serves, or that keeps it for us
            if not elsewhere and (first := places & before):
                return _Found.LATER, f"{listed(first)}, drained before, has the other ready pods of {pod.workload}"
            if taken and not places:
                return (
                    _Found.LAST,
                    f"it is the last ready pod of {pod.workload} until those of {listed(taken)} are back",
                )
            if taken and not sure and len(elsewhere or places) == 1:
                return _Found.UNSURE, ""
            self._note(pod)
            return _Found.FREE, ""

    def _look_for_taken(self, cluster: Cluster, pod: Pod, others: Sequence[Pod]) -> None:
        """Forget what was taken where the workload has all of its pods ready: also of a node that was put back."""
        wanted = self._wanted(cluster, pod, others, cached=False)
        with self._lock:
            if wanted is not None and 1 + sum(map(self._there, others)) >= wanted:
                self._taken.pop(_workload(pod), None)

    def _is_single(self, cluster: Cluster, pod: Pod, others: Sequence[Pod]) -> bool:
        """Tell whether the workload shall have one pod only, as it was scaled down: nobody else will come."""
        wanted = (self._wanted(cluster, pod, others, cached=cached) for cached in (True, False))
        return all(count is not None and count < 2 for count in wanted)

    def _there(self, pod: Pod) -> bool:
        return pod.serves and pod.uid not in self._leaving

    def _takers(self, pod: Pod) -> set[str]:
        """Give the nodes that pods of the workload were taken from."""
        return {entry.node for entry in self._taken[_workload(pod)].values()}

    def _before(self, node: str) -> set[str]:
        """Give the nodes whose drain began before that of this one."""
        return set(self._drained[: self._drained.index(node)] if node in self._drained else self._drained)

    def _wanted(self, cluster: Cluster, pod: Pod, others: Sequence[Pod], *, cached: bool) -> int | None:
        """Give how many pods the workload shall have; None when that is not known.

        An owner that shall have none, or is gone, and has pods all the same is one that we do not understand.
        """
        with self._lock:
            taken = tuple(self._taken[_workload(pod)].values())
        present = {pod.owner, *(other.owner for other in others if not (other.finished or other.terminating))}
        owners = {entry.owner for entry in (pod, *others, *taken)}
        wanted = {owner: cluster.replicas(pod.namespace, owner, cached=cached) for owner in owners}
        if any(count is None or (count == 0 and owner in present) for owner, count in wanted.items()):
            return None
        return sum(count or 0 for count in wanted.values())

    def _note(self, pod: Pod) -> None:
        self._leaving[pod.uid] = pod.node
        self._taken[_workload(pod)][pod.uid] = pod


def _workload(pod: Pod) -> _Workload:
    return pod.namespace, pod.workload


def _others(pod: Pod, near: Iterable[Pod]) -> list[Pod]:
    """Give the other pods of its workload."""
    return [other for other in near if other.workload == pod.workload and other.uid != pod.uid]


def _counts(pod: Pod) -> bool:
    """Tell whether others can stand in for it, or it for others."""
    return pod.replicated and pod.serves
