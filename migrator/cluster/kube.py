"""The cluster through the official Python client. The only module that imports it.

Requests are made by path and answers read as plain JSON: the client's own models are those of its release and
refuse objects of API servers that are much older.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import urllib3
import yaml
from kubernetes import config
from kubernetes.client import ApiClient
from kubernetes.config import ConfigException

from migrator.cluster import Eviction, objects
from migrator.errors import ClusterError, NotFoundError
from migrator.model.objects import Budget, ClusterFacts, Node, Pod, RuntimeClass

_SECONDS = 30
_PAGE = 500


def connect(kubeconfig: str, context: str = "") -> KubeCluster:
    """Open the cluster that a kubeconfig names, and ask it something.

    The file is `kubeconfig`, else `$KUBECONFIG`, else `~/.kube/config`. Raises `ClusterError`.
    """
    path = kubeconfig or os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    if not Path(path).is_file():
        raise ClusterError(
            f"there is no kubeconfig {path}; name one with --kubeconfig, $KUBECONFIG or migrator_kubeconfig"
        )
    try:
        api = config.new_client_from_config(config_file=path, context=context or None, persist_config=False)  # type: ignore[no-untyped-call]
    except (ConfigException, yaml.YAMLError, ValueError, TypeError, AttributeError) as error:
        raise ClusterError(f"{path} is not a usable kubeconfig: {error}") from error
    return KubeCluster(api, name=path)


class KubeCluster:
    """One API server, as one user."""

    def __init__(self, api: ApiClient, *, name: str) -> None:
        self._api = api
        self._name = name
        # One try each: the callers that wait ask again, and the others should say soon that nobody answers.
        api.configuration.retries = urllib3.Retry(total=1, backoff_factor=0.2)
        self._eviction_version = ""

    def facts(self) -> ClusterFacts:
        daemon_sets = self._list("/apis/apps/v1/daemonsets")
        return ClusterFacts(
            nodes=tuple(objects.node(item) for item in self._list("/api/v1/nodes")),
            pods=tuple(objects.pod(item) for item in self._list("/api/v1/pods")),
            budgets=self.budgets(),
            runtime_classes=self._runtime_classes(),
            daemon_sets=tuple(entry for entry in map(objects.daemon_set, daemon_sets) if entry.host_paths),
        )

    def node(self, name: str) -> Node:
        return objects.node(self._get(f"/api/v1/nodes/{name}"))

    def pods_on(self, node: str) -> tuple[Pod, ...]:
        return tuple(objects.pod(item) for item in self._list("/api/v1/pods", fieldSelector=f"spec.nodeName={node}"))

    def budgets(self) -> tuple[Budget, ...]:
        version = self._policy_version()
        return tuple(objects.budget(item) for item in self._list(f"/apis/{version}/poddisruptionbudgets"))

    def _runtime_classes(self) -> tuple[RuntimeClass, ...]:
        """node.k8s.io/v1 from 1.20 on, v1beta1 from 1.14 on; a cluster without either has none."""
        try:
            offered = {entry["version"] for entry in self._get("/apis/node.k8s.io").get("versions", [])}
        except NotFoundError:
            return ()
        version = "v1" if "v1" in offered else "v1beta1"
        return tuple(objects.runtime_class(item) for item in self._list(f"/apis/node.k8s.io/{version}/runtimeclasses"))

    def set_unschedulable(self, node: str, *, unschedulable: bool) -> None:
        self._patch_node(node, {"spec": {"unschedulable": unschedulable or None}})

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
        status, answer = self._request("POST", path, body=body)
        if status in {404, 409}:  # 409: another pod has the name by now
            return Eviction.GONE
        if status == 429 or (status == 403 and _cause(answer) == "NamespaceTerminating"):
            return Eviction.REFUSED_NOW
        self._check(status, answer, f"evict {pod.full_name}")
        return Eviction.ACCEPTED

    def _policy_version(self) -> str:
        """policy/v1 where the server has it (1.21 and later), else policy/v1beta1."""
        if not self._eviction_version:
            group = self._get("/apis/policy")
            offered = {entry["groupVersion"] for entry in group.get("versions", [])}
            self._eviction_version = "policy/v1" if self._evicts_v1(offered) else "policy/v1beta1"
        return self._eviction_version

    def _evicts_v1(self, offered: set[str]) -> bool:
        # 1.21 serves budgets as policy/v1, but takes evictions only as v1beta1; discovery tells which.
        if "policy/v1" not in offered:
            return False
        resources = self._get("/api/v1")["resources"]
        return any(entry["name"] == "pods/eviction" and entry.get("version") == "v1" for entry in resources)

    def _patch_node(self, node: str, change: Mapping[str, Any]) -> None:
        status, answer = self._request("PATCH", f"/api/v1/nodes/{node}", body=change)
        self._check(status, answer, f"change Node {node}")

    def _get(self, path: str, **query: str) -> dict[str, Any]:
        status, answer = self._request("GET", path, query=query)
        self._check(status, answer, f"read {path}")
        return answer

    def _list(self, path: str, **query: str) -> Iterator[dict[str, Any]]:
        """Give the items of a list, page by page: the API server of a large cluster is spared one huge answer."""
        more = {"limit": str(_PAGE)}
        while more:
            answer = self._get(path, **query, **more)
            yield from answer["items"]
            mark = (answer.get("metadata") or {}).get("continue")
            more = {"limit": str(_PAGE), "continue": mark} if mark else {}

    def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> tuple[int, dict[str, Any]]:
        content = "application/merge-patch+json" if method == "PATCH" else "application/json"
        try:
            request = self._api.param_serialize(
                method,
                path,
                query_params=list((query or {}).items()),
                header_params={"Accept": "application/json", "Content-Type": content},
                body=body,
                auth_settings=["BearerToken"],
            )
            response = self._api.call_api(*request, _request_timeout=_SECONDS)
            data = response.read()  # type: ignore[no-untyped-call]
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ClusterError(f"the API server of {self._name} does not answer: {_reason(error)}") from error
        try:
            return response.status, json.loads(data)
        except ValueError:
            return response.status, {"message": data.decode(errors="replace")[:200]}

    def _check(self, status: int, answer: Mapping[str, Any], what: str) -> None:
        if status < 400:
            return
        message = str(answer.get("message", ""))[:400]
        if status == 401:
            raise ClusterError(f"the API server does not know the user of {self._name} (401): use a valid kubeconfig")
        if status == 403:
            raise ClusterError(f"the user of {self._name} may not {what}: {message}")
        if status == 404:
            raise NotFoundError(f"cannot {what}: {message}")
        raise ClusterError(f"cannot {what}: the API server answered {status}: {message}")


def _reason(error: BaseException) -> str:
    cause = getattr(error, "reason", None) or error
    return str(cause).rpartition(">: ")[2]


def _cause(answer: Mapping[str, Any]) -> str:
    causes = (answer.get("details") or {}).get("causes") or [{}]
    return str(causes[0].get("reason", ""))
