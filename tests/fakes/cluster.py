"""A cluster in memory that records what is done to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from migrator.cluster import Eviction
from migrator.errors import ClusterError, NotFoundError, RefusedError
from migrator.model.kubernetes import CORDONED, Budget, ClusterFacts, Node, Pod
from migrator.model.lease import Lease
from migrator.model.probe_status import ContainerStatus, Namespace, PodEvent, ProbePod

CREATED = 1_767_225_600.0
"""When everything that is made here was made."""


class FakeCluster:
    """Evictions work at once, unless a budget or a test says otherwise."""

    def __init__(self, nodes: list[Node], pods: list[Pod] | None = None, budgets: list[Budget] | None = None) -> None:
        """Start with these objects."""
        self.by_name = {node.name: node for node in nodes}
        self.pods = {pod.uid: pod for pod in pods or []}
        self.cache: list[Pod] | None = None
        """The pods as the API server's cache shows them, where that is behind."""
        self.all_budgets = budgets or []
        self.calls: list[str] = []
        self.failures: list[str] = []
        """Messages of the next calls that fail."""
        self.refuse: set[str] = set()
        """Full names of pods whose eviction a budget forbids now."""
        self.stuck: set[str] = set()
        """Full names of pods that accept their eviction and never end."""
        self.spaces: dict[str, Namespace] = {}
        self.manifests: dict[str, Mapping[str, Any]] = {}
        """Pods that were made, by name."""
        self.probes: dict[str, ProbePod] = {}
        """The same as they are now."""
        self.noted: dict[str, tuple[PodEvent, ...]] = {}
        """Events, by the pod's name."""
        self.too_new = 0
        """Requests for pods that come before the namespace is ready for them."""
        self.refused = ""
        """Why no pod may be made."""
        self.polls = 1
        """Looks at a pod until it runs, and until one that was deleted is gone."""
        self.fates: dict[str, Callable[[ProbePod], ProbePod]] = {}
        """What becomes of a pod instead of running, by its name."""
        self.undeletable = ""
        """Why namespaces stay although they were deleted."""
        self.wanted: dict[str, int | None] = {}
        """How many pods owners shall have."""
        self.held: Lease | None = None
        self._looks: dict[str, int] = {}

    def _call(self, what: str) -> None:
        self.calls.append(what)
        if self.failures:
            raise ClusterError(self.failures.pop(0))

    def facts(self) -> ClusterFacts:
        """Read everything."""
        self._call("facts")
        return ClusterFacts(
            nodes=tuple(self.by_name.values()),
            pods=tuple(self.pods.values()),
            budgets=tuple(self.all_budgets),
            api_servers=tuple(address for address, _ in self.kubernetes_endpoints()),
        )

    def nodes(self, *, cached: bool = False) -> tuple[Node, ...]:
        """Give all nodes."""
        self._call(f"{'cached ' * cached}nodes")
        return tuple(self.by_name.values())

    def node(self, name: str) -> Node:
        """Give one node."""
        self._call(f"node {name}")
        if name not in self.by_name:
            raise NotFoundError(f"no node {name}")
        return self.by_name[name]

    def pods_on(self, node: str, *, cached: bool = False) -> tuple[Pod, ...]:
        """Give a node's pods."""
        self._call(f"{'cached ' * cached}pods on {node}")
        return tuple(pod for pod in self._pods(cached=cached) if pod.node == node)

    def pods_in(self, namespace: str, *, cached: bool = False) -> tuple[Pod, ...]:
        """Give a namespace's pods."""
        self._call(f"{'cached ' * cached}pods in {namespace}")
        return tuple(pod for pod in self._pods(cached=cached) if pod.namespace == namespace)

    def _pods(self, *, cached: bool) -> Iterable[Pod]:
        return list(self.pods.values()) if self.cache is None or not cached else self.cache

    def replicas(self, namespace: str, owner: str, *, cached: bool = False) -> int | None:
        """Give what the test says; an owner that it does not know is gone."""
        self._call(f"{'cached ' * cached}replicas of {namespace}/{owner}")
        return self.wanted.get(owner, 0)

    def budgets(self, namespace: str = "", *, cached: bool = False) -> tuple[Budget, ...]:
        """Give the budgets of a namespace, or all."""
        self._call(f"{'cached ' * cached}budgets {namespace}".strip())
        return tuple(budget for budget in self.all_budgets if namespace in {"", budget.namespace})

    def set_unschedulable(self, node: str, *, unschedulable: bool) -> None:
        """Cordon or uncordon."""
        self._call("cordon" if unschedulable else "uncordon")
        others = {name: text for name, text in self.by_name[node].annotations.items() if name != CORDONED}
        mark = {CORDONED: "migrator"} if unschedulable else {}
        self.change(node, unschedulable=unschedulable, annotations=others | mark)

    def annotate(self, node: str, key: str, value: str | None) -> None:
        """Annotate."""
        self._call(f"annotate {value}")
        if node not in self.by_name:
            raise NotFoundError(f"no node {node}")
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

    def lease(self) -> Lease | None:
        """Give what somebody holds."""
        self._call("lease")
        return self.held

    def put_lease(self, lease: Lease) -> Lease | None:
        """Take it, when nobody has changed it since."""
        self._call("put lease")
        if lease.version != (self.held.version if self.held else ""):
            return None
        self.held = lease.model_copy(update={"version": str(int(lease.version or 0) + 1)})
        return self.held

    def delete_lease(self, version: str) -> None:
        """Give it back."""
        self._call("delete lease")
        if self.held and self.held.version == version:
            self.held = None

    def change(self, node: str, **update: object) -> None:
        """Give a node other properties."""
        self.by_name[node] = self.by_name[node].model_copy(update=update)

    def create_namespace(self, name: str, labels: Mapping[str, str], annotations: Mapping[str, str]) -> Namespace:
        """Make it."""
        self._call(f"create namespace {name}")
        made = Namespace(name=name, labels=labels, annotations=annotations, created=CREATED)
        return self.spaces.setdefault(name, made)

    def delete_namespace(self, name: str) -> None:
        """Remove it at once, unless the test says otherwise."""
        self._call(f"delete namespace {name}")
        if name in self.spaces and self.undeletable:
            held = {"terminating": True, "held_by": (self.undeletable,)}
            self.spaces[name] = self.spaces[name].model_copy(update=held)
        else:
            self.spaces.pop(name, None)

    def namespace(self, name: str) -> Namespace:
        """Give one."""
        self._call(f"namespace {name}")
        if name not in self.spaces:
            raise NotFoundError(f"no namespace {name}")
        return self.spaces[name]

    def namespaces(self, labels: Mapping[str, str]) -> tuple[Namespace, ...]:
        """List by labels."""
        self._call("namespaces")
        return tuple(space for space in self.spaces.values() if labels.items() <= space.labels.items())

    def create_pod(self, manifest: Mapping[str, Any]) -> bool:
        """Make it, as the test says."""
        name = manifest["metadata"]["name"]
        self._call(f"create pod {name}")
        if self.refused:
            raise RefusedError(self.refused)
        if self.too_new:
            self.too_new -= 1
            return False
        self.manifests[name] = manifest
        self.probes[name] = ProbePod(
            namespace=manifest["metadata"]["namespace"], name=name, uid=f"uid-{name}", phase="Pending",
            node=manifest["spec"]["nodeName"], created=CREATED,
        )  # fmt: skip
        return True

    def delete_pod(self, namespace: str, name: str, grace: int) -> None:
        """Ask for its end."""
        self._call(f"delete pod {namespace}/{name} {grace}")
        if name in self.probes:
            self.change_probe(name, terminating=True)
            self._looks[name] = 0

    def probe_pod(self, namespace: str, name: str) -> ProbePod:
        """Look at it; it goes on by itself."""
        self._call(f"look at {name}")
        self._looks[name] = self._looks.get(name, 0) + 1
        over = self._looks[name] > self.polls
        if over and self.probes.get(name) and self.probes[name].terminating and f"{namespace}/{name}" not in self.stuck:
            del self.probes[name]
        if name not in self.probes:
            raise NotFoundError(f"no pod {namespace}/{name}")
        if over and not self.probes[name].terminating:
            self.probes[name] = self.fates.get(name, self.run)(self.probes[name])
        return self.probes[name]

    def run(self, pod: ProbePod) -> ProbePod:
        """Give the pod with all of its containers running."""
        names = [entry["name"] for entry in self.manifests[pod.name]["spec"]["containers"]]
        statuses = tuple(
            ContainerStatus(name=name, id=f"id-{name}", state="running", started_at=CREATED + 2) for name in names
        )
        update = {"phase": "Running", "address": "10.0.0.7", "started": CREATED + 1, "statuses": statuses}
        return pod.model_copy(update=update)

    def change_probe(self, name: str, **update: object) -> None:
        """Give a pod of ours other properties."""
        self.probes[name] = self.probes[name].model_copy(update=update)

    def events(self, _namespace: str, name: str) -> tuple[PodEvent, ...]:
        """Give what the test noted."""
        self._call(f"events of {name}")
        return self.noted.get(name, ())

    def log(self, _namespace: str, name: str, container: str) -> str:
        """Give the lines that its probe was asked to write."""
        self._call(f"log of {name}/{container}")
        words = next(
            entry["args"] for entry in self.manifests[name]["spec"]["containers"] if entry["name"] == container
        )
        lines = int(words[words.index("--lines") + 1]) if "--lines" in words else 0
        return "".join(f"migrator-probe line {number:06}\n" for number in range(1, lines + 1))

    def kubernetes_service(self) -> tuple[str, int] | None:
        """Give a service."""
        return ("10.96.0.1", 443)

    def kubernetes_endpoints(self) -> tuple[tuple[str, int], ...]:
        """Give what is behind it."""
        return (("10.77.0.1", 6443),)
