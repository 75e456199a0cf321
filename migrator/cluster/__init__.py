"""The door to the cluster: what a migration reads of the API server and changes through it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Protocol

from migrator.model.kubernetes import Budget, ClusterFacts, Node, Pod
from migrator.model.lease import Lease
from migrator.model.probe_status import Namespace, PodEvent, ProbePod


class Eviction(Enum):
    """What the API server answered to an eviction."""

    ACCEPTED = "accepted"
    GONE = "gone"
    REFUSED_NOW = "refused now"
    """A budget allows none at the moment (HTTP 429): ask again later."""


class Cluster(Protocol):
    """The cluster's API.

    Every method raises `ClusterError` when the API server does not answer, and `RefusedError`, which is one, when it
    does not allow what is asked; the message of that says what is needed.

    What is read as `cached` comes from the API server's cache: that costs it little, and may be older than what was
    read before, by seconds as a rule. Whoever asks again and again reads so, and reads once more without it what would
    end the asking where an older state could do harm (ADR 26).
    """

    def facts(self) -> ClusterFacts:
        """Read everything that plans need."""
        ...

    def nodes(self, *, cached: bool = False) -> tuple[Node, ...]:
        """Give all nodes, and nothing of what runs on them."""
        ...

    def node(self, name: str) -> Node:
        """Give one node; raises `NotFoundError`."""
        ...

    def pods_on(self, node: str, *, cached: bool = False) -> tuple[Pod, ...]:
        """Give all pods of a node, in every namespace."""
        ...

    def pods_in(self, namespace: str, *, cached: bool = False) -> tuple[Pod, ...]:
        """Give all pods of a namespace. From the cache they are read once for all who ask within some seconds."""
        ...

    def replicas(self, namespace: str, owner: str, *, cached: bool = False) -> int | None:
        """Give how many pods an owner (`Pod.owner`) shall have: 0 when it is gone, None when its kind does not tell us.

        From the cache it is read once for all who ask within half a minute.
        """
        ...

    def budgets(self, namespace: str = "", *, cached: bool = False) -> tuple[Budget, ...]:
        """Give the PodDisruptionBudgets of a namespace, or of all."""
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

    def create_namespace(self, name: str, labels: Mapping[str, str], annotations: Mapping[str, str]) -> Namespace:
        """Make a namespace; one of that name that exists already is given as it is."""
        ...

    def delete_namespace(self, name: str) -> None:
        """Ask for the end of a namespace and of everything in it. One that does not exist is no error."""
        ...

    def namespace(self, name: str) -> Namespace:
        """Give one namespace; raises `NotFoundError`."""
        ...

    def namespaces(self, labels: Mapping[str, str]) -> tuple[Namespace, ...]:
        """List the namespaces that have all these labels."""
        ...

    def create_pod(self, manifest: Mapping[str, Any]) -> bool:
        """Make a pod; False while its namespace is too new for pods: ask again. One that exists counts as made."""
        ...

    def delete_pod(self, namespace: str, name: str, grace: int) -> None:
        """Ask for the end of a pod, `grace` seconds after its containers were told. None there is no error."""
        ...

    def probe_pod(self, namespace: str, name: str) -> ProbePod:
        """Look how a pod of ours fares; raises `NotFoundError`."""
        ...

    def events(self, namespace: str, name: str) -> tuple[PodEvent, ...]:
        """List what was noted about a pod, the oldest first."""
        ...

    def log(self, namespace: str, name: str, container: str) -> str:
        """Give what a container wrote, the first megabyte of it: through API server and kubelet."""
        ...

    def lease(self) -> Lease | None:
        """Read the lease of whoever changes nodes of this cluster; None when there is none."""
        ...

    def put_lease(self, lease: Lease) -> Lease | None:
        """Make that lease, or replace the one of the same version; None when somebody else was faster."""
        ...

    def delete_lease(self, version: str) -> None:
        """Remove the lease of this version; another one stays, and none there is no error."""
        ...

    def kubernetes_service(self) -> tuple[str, int] | None:
        """Give address and port of the service default/kubernetes; None when there is none."""
        ...

    def kubernetes_endpoints(self) -> tuple[tuple[str, int], ...]:
        """Give addresses and ports of the API servers behind that service."""
        ...
