"""The door to the cluster: what a migration reads of the API server and changes through it."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from migrator.model.objects import Budget, ClusterFacts, Node, Pod


class Eviction(Enum):
    """What the API server answered to an eviction."""

    ACCEPTED = "accepted"
    GONE = "gone"
    REFUSED_NOW = "refused now"
    """A budget allows none at the moment (HTTP 429): ask again later."""


class Cluster(Protocol):
    """The cluster's API. Every method raises `ClusterError` when the API server does not answer or refuses."""

    def facts(self) -> ClusterFacts:
        """Read everything that plans need."""
        ...

    def node(self, name: str) -> Node:
        """Give one node; raises `NotFoundError`."""
        ...

    def pods_on(self, node: str) -> tuple[Pod, ...]:
        """Give all pods of a node, in every namespace."""
        ...

    def budgets(self) -> tuple[Budget, ...]:
        """Give all PodDisruptionBudgets."""
        ...

    def set_unschedulable(self, node: str, *, unschedulable: bool) -> None:
        """Cordon or uncordon."""
        ...

    def annotate(self, node: str, key: str, value: str | None) -> None:
        """Set an annotation of a node, or remove it."""
        ...

    def evict(self, pod: Pod) -> Eviction:
        """Ask for the eviction of exactly this pod (by its uid)."""
        ...
