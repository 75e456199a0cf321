"""The cluster through the official Python client."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from kubernetes import config
from kubernetes.client import ApiClient
from kubernetes.config import ConfigException

from migrator.cluster import Eviction, parse
from migrator.cluster.http import Answer, ApiRequests
from migrator.cluster.lease_api import LeaseApi
from migrator.cluster.probe_api import ProbeApi
from migrator.cluster.request_cache import RequestCache
from migrator.errors import ClusterError, NotFoundError
from migrator.model.kubernetes import CORDONED, Budget, ClusterFacts, Node, Pod, RuntimeClass


def connect(kubeconfig: str, context: str = "") -> KubeCluster:
    """Open the cluster that a kubeconfig names, and ask it something.

    The file is `kubeconfig`, else those of `$KUBECONFIG` together, else `~/.kube/config`. Raises `ClusterError`.
    """
    usual = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    named = [kubeconfig] if kubeconfig else [path for path in usual.split(os.pathsep) if path]
    path = os.pathsep.join(named)
    there = [each for each in named if Path(each).is_file()]  # kubectl too passes over those that are not
    if not there:
        raise ClusterError(
            f"there is no kubeconfig {path}; name one with --kubeconfig, $KUBECONFIG or migrator_kubeconfig"
        )

    def read() -> ApiClient:
        try:
            client: ApiClient = config.new_client_from_config(  # type: ignore[no-untyped-call]
                config_file=os.pathsep.join(there), context=context or _current(there) or None, persist_config=False
            )
        except (ConfigException, yaml.YAMLError, OSError, ValueError, TypeError, AttributeError) as error:
            raise ClusterError(f"{path} is not a usable kubeconfig: {error}") from error
        return client

    return KubeCluster(ApiRequests(read(), name=path, renewed=read))


def _current(files: Sequence[str]) -> str:
    """Give the context that kubectl would take: the first file's that has one, where the client takes the last.

    Source: kubernetes.io, Organizing Cluster Access Using kubeconfig Files, "Merging kubeconfig files".
    """
    for path in files:
        document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        if isinstance(document, dict) and document.get("current-context"):
            return str(document["current-context"])
    return ""


_PODS_SECONDS = 4.0
"""For which a namespace's pods are given to others as well: nodes that were left by pods of the same namespaces ask for
them every five seconds."""
_REPLICAS_SECONDS = 30.0
"""Likewise for how many pods an owner shall have: few are scaled meanwhile."""
_REPLICATED = {
    "ReplicaSet": ("apis/apps/v1", "replicasets"),
    "StatefulSet": ("apis/apps/v1", "statefulsets"),
    "ReplicationController": ("api/v1", "replicationcontrollers"),
}


class KubeCluster(ProbeApi, LeaseApi):
    """One API server, as one user."""

    def __init__(self, api: ApiRequests, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__(api)
        self._eviction_version = ""
        self._recent_pods: RequestCache[str, tuple[Pod, ...]] = RequestCache(
            lambda namespace: self._pods_in(namespace, cached=True), _PODS_SECONDS, now
        )
        self._recent_replicas: RequestCache[tuple[str, str], int] = RequestCache(
            lambda owner: self._replicas(*owner, cached=True), _REPLICAS_SECONDS, now
        )

    def facts(self) -> ClusterFacts:
        daemon_sets = self._api.list("/apis/apps/v1/daemonsets", parse.daemon_set)
        return ClusterFacts(
            nodes=self.nodes(),
            pods=self._api.list("/api/v1/pods", parse.pod),
            budgets=self.budgets(),
            runtime_classes=self._runtime_classes(),
            daemon_sets=tuple(entry for entry in daemon_sets if entry.host_paths),
            api_servers=tuple(dict.fromkeys(address for address, _ in self.kubernetes_endpoints())),
        )

    def nodes(self, *, cached: bool = False) -> tuple[Node, ...]:
        return self._api.list("/api/v1/nodes", parse.node, cached=cached)

    def node(self, name: str) -> Node:
        return parse.node(self._api.get(f"/api/v1/nodes/{name}"))

    def pods_on(self, node: str, *, cached: bool = False) -> tuple[Pod, ...]:
        """List a node's pods.

        Past the cache, API servers before 1.31 read the pods of the whole cluster from etcd and drop all but these
        (KEP-2340; kubernetes#61343). The cache finds them by an index over spec.nodeName since 1.19 (kubernetes#87939,
        feature gate SelectorIndex: alpha in 1.18, on in 1.19), and before that by going through all pods in memory.
        """
        return self._api.list("/api/v1/pods", parse.pod, cached=cached, fieldSelector=f"spec.nodeName={node}")

    def pods_in(self, namespace: str, *, cached: bool = False) -> tuple[Pod, ...]:
        return self._recent_pods(namespace) if cached else self._pods_in(namespace)

    def _pods_in(self, namespace: str, *, cached: bool = False) -> tuple[Pod, ...]:
        return self._api.list(f"/api/v1/namespaces/{namespace}/pods", parse.pod, cached=cached)

    def replicas(self, namespace: str, owner: str, *, cached: bool = False) -> int | None:
        if owner.partition("/")[0] not in _REPLICATED:  # kinds of other groups have theirs with the name
            return None
        return self._recent_replicas((namespace, owner)) if cached else self._replicas(namespace, owner)

    def _replicas(self, namespace: str, owner: str, *, cached: bool = False) -> int:
        kind, _, name = owner.partition("/")
        group, plural = _REPLICATED[kind]
        version = {"resourceVersion": "0"} if cached else {}
        try:
            item = self._api.get(f"/{group}/namespaces/{namespace}/{plural}/{name}", **version)
        except NotFoundError:
            return 0
        return int(item["spec"].get("replicas", 1))

    def budgets(self, namespace: str = "", *, cached: bool = False) -> tuple[Budget, ...]:
        version = self._policy_version()
        within = f"namespaces/{namespace}/" if namespace else ""
        return self._api.list(
            f"/apis/{version}/{within}poddisruptionbudgets",
            lambda item: parse.budget(item, version),
            cached=cached,
        )

    def _runtime_classes(self) -> tuple[RuntimeClass, ...]:
        """node.k8s.io/v1 from 1.20 on, v1beta1 from 1.14 on; a cluster without either has none."""
        try:
            offered = {entry["version"] for entry in self._api.get("/apis/node.k8s.io").get("versions", [])}
        except NotFoundError:
            return ()
        version = "v1" if "v1" in offered else "v1beta1"
        return self._api.list(f"/apis/node.k8s.io/{version}/runtimeclasses", parse.runtime_class)

    def set_unschedulable(self, node: str, *, unschedulable: bool) -> None:
        mark = {"annotations": {CORDONED: "migrator" if unschedulable else None}}
        self._patch_node(node, {"spec": {"unschedulable": unschedulable or None}, "metadata": mark})

    def annotate(self, node: str, key: str, value: str | None) -> None:
        self._patch_node(node, {"metadata": {"annotations": {key: value}}})

    def evict(self, pod: Pod) -> Eviction:
        body = {
            "apiVersion": self._policy_version(),
            "kind": "Eviction",
            "metadata": {"name": pod.name, "namespace": pod.namespace},
            "deleteOptions": {"preconditions": {"uid": pod.uid}},
        }
        path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/eviction"
        status, answer = self._api.send("POST", path, body=body)
        if status in {404, 409}:  # 409: another pod has the name by now
            return Eviction.GONE
        if status == 429 or (status == 403 and _cause(answer) == "NamespaceTerminating"):
            return Eviction.REFUSED_NOW
        self._api.check(status, answer, f"evict {pod.full_name}")
        return Eviction.ACCEPTED

    def _policy_version(self) -> str:
        """policy/v1 where the server has it (1.21 and later), else policy/v1beta1."""
        if not self._eviction_version:
            group = self._api.get("/apis/policy")
            offered = {entry["groupVersion"] for entry in group.get("versions", [])}
            self._eviction_version = "policy/v1" if self._evicts_v1(offered) else "policy/v1beta1"
        return self._eviction_version

    def _evicts_v1(self, offered: set[str]) -> bool:
        # 1.21 serves budgets as policy/v1, but takes evictions only as v1beta1; discovery tells which.
        if "policy/v1" not in offered:
            return False
        resources = self._api.get("/api/v1")["resources"]
        return any(entry["name"] == "pods/eviction" and entry.get("version") == "v1" for entry in resources)

    def _patch_node(self, node: str, change: Mapping[str, Any]) -> None:
        status, answer = self._api.send("PATCH", f"/api/v1/nodes/{node}", body=change)
        self._api.check(status, answer, f"change Node {node}")


def _cause(answer: Answer) -> str:
    causes = (answer.get("details") or {}).get("causes") or [{}]
    return str(causes[0].get("reason", ""))
