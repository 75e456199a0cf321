"""A cluster in memory that records what is done to it."""

from __future__ import annotations

from dataclasses import replace

from migrator.cluster import Eviction
from migrator.errors import ClusterError, NotFoundError
from migrator.model.objects import Budget, ClusterFacts, Node, Pod


class FakeCluster:
    """Evictions work at once, unless a budget or a test says otherwise."""

    def __init__(self, nodes: list[Node], pods: list[Pod] | None = None, budgets: list[Budget] | None = None) -> None:
        """Start with these objects."""
        self.by_name = {node.name: node for node in nodes}
        self.pods = {pod.uid: pod for pod in pods or []}
        self.all_budgets = budgets or []
        self.calls: list[str] = []
        self.failures: list[str] = []
        """Messages of the next calls that fail."""
        self.refuse: set[str] = set()
        """Full names of pods whose eviction a budget forbids now."""
        self.stuck: set[str] = set()
        """Full names of pods that accept their eviction and never end."""

    def _call(self, what: str) -> None:
        self.calls.append(what)
        if self.failures:
            raise ClusterError(self.failures.pop(0))

    def facts(self) -> ClusterFacts:
        """Read everything."""
        self._call("facts")
        return ClusterFacts(
            nodes=tuple(self.by_name.values()), pods=tuple(self.pods.values()), budgets=tuple(self.all_budgets)
        )

    def node(self, name: str) -> Node:
        """Give one node."""
        self._call(f"node {name}")
        if name not in self.by_name:
            raise NotFoundError(f"no node {name}")
        return self.by_name[name]

    def pods_on(self, node: str) -> tuple[Pod, ...]:
        """Give a node's pods."""
        self._call(f"pods on {node}")
        return tuple(pod for pod in self.pods.values() if pod.node == node)

    def budgets(self) -> tuple[Budget, ...]:
        """Give all budgets."""
        return tuple(self.all_budgets)

    def set_unschedulable(self, node: str, *, unschedulable: bool) -> None:
        """Cordon or uncordon."""
        self._call("cordon" if unschedulable else "uncordon")
        self.change(node, unschedulable=unschedulable)

    def annotate(self, node: str, key: str, value: str | None) -> None:
        """Annotate."""
        self._call(f"annotate {value}")
        annotations = {name: text for name, text in self.by_name[node].annotations.items() if name != key}
        self.change(node, annotations=annotations | ({} if value is None else {key: value}))

    def evict(self, pod: Pod) -> Eviction:
        """Evict, unless the test says otherwise."""
        self._call(f"evict {pod.full_name}")
        if pod.uid not in self.pods:
            return Eviction.GONE
        if pod.full_name in self.refuse:
            return Eviction.REFUSED_NOW
        if pod.full_name in self.stuck:
            self.pods[pod.uid] = replace(pod, terminating=True)
        else:
            del self.pods[pod.uid]
        return Eviction.ACCEPTED

    def change(self, node: str, **update: object) -> None:
        """Give a node other properties."""
        self.by_name[node] = self.by_name[node].model_copy(update=update)
