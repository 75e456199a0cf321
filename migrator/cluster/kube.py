"""The cluster through the official Python client. The only module that imports it.

Requests are made by path and answers read as plain JSON: the client's own models are those of its release and
refuse objects of API servers that are much older.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import urllib3
import yaml
from kubernetes import config
from kubernetes.client import ApiClient
from kubernetes.config import ConfigException

from migrator.cluster import Eviction
from migrator.errors import ClusterError, NotFoundError
from migrator.model.objects import Budget, Node, Pod

_SECONDS = 30
_MIRROR = "kubernetes.io/config.mirror"
_CONTROL_PLANE = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")


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

    def nodes(self) -> tuple[Node, ...]:
        return tuple(_node(item) for item in self._get("/api/v1/nodes")["items"])

    def node(self, name: str) -> Node:
        return _node(self._get(f"/api/v1/nodes/{name}"))

    def pods_on(self, node: str) -> tuple[Pod, ...]:
        answer = self._get("/api/v1/pods", fieldSelector=f"spec.nodeName={node}")
        return tuple(_pod(item) for item in answer["items"])

    def budgets(self) -> tuple[Budget, ...]:
        version = self._policy_version()
        return tuple(_budget(item) for item in self._get(f"/apis/{version}/poddisruptionbudgets")["items"])

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


def _conditions(status: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {entry["type"]: entry for entry in status.get("conditions") or []}


def _node(item: Mapping[str, Any]) -> Node:
    meta, status = item["metadata"], item["status"]
    ready = _conditions(status).get("Ready", {})
    labels = meta.get("labels") or {}
    return Node(
        name=meta["name"],
        machine_id=status["nodeInfo"]["machineID"],
        runtime=status["nodeInfo"]["containerRuntimeVersion"],
        kubelet_version=status["nodeInfo"]["kubeletVersion"],
        ready=ready.get("status") == "True",
        heartbeat=str(ready.get("lastHeartbeatTime", "")),
        unschedulable=bool(item["spec"].get("unschedulable")),
        control_plane=any(label in labels for label in _CONTROL_PLANE),
        addresses=tuple(entry["address"] for entry in status.get("addresses") or []),
        annotations=meta.get("annotations") or {},
    )


def _pod(item: Mapping[str, Any]) -> Pod:
    meta, spec, status = item["metadata"], item["spec"], item.get("status", {})
    owner = next((entry for entry in meta.get("ownerReferences") or [] if entry.get("controller")), None)
    mirror = _MIRROR in (meta.get("annotations") or {})
    volumes = spec.get("volumes") or []
    containers = [*(spec.get("initContainers") or []), *spec["containers"]]
    return Pod(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        node=spec.get("nodeName", ""),
        phase=status.get("phase", ""),
        owner="" if owner is None else f"{owner['kind']}/{owner['name']}",
        mirror=mirror,
        terminating="deletionTimestamp" in meta,
        ready=_conditions(status).get("Ready", {}).get("status") == "True",
        labels=meta.get("labels") or {},
        empty_dirs=tuple(volume["name"] for volume in volumes if "emptyDir" in volume),
        host_paths=tuple(volume["hostPath"]["path"] for volume in volumes if "hostPath" in volume),
        images=tuple(container.get("image", "") for container in containers),
        container_ids=tuple(entry.get("containerID", "") for entry in status.get("containerStatuses") or []),
    )


def _budget(item: Mapping[str, Any]) -> Budget:
    selector = item["spec"].get("selector") or {}
    return Budget(
        namespace=item["metadata"]["namespace"],
        name=item["metadata"]["name"],
        match_labels=selector.get("matchLabels") or {},
        disruptions_allowed=int((item.get("status") or {}).get("disruptionsAllowed", 0)),
        simple=bool(selector.get("matchLabels")) and not selector.get("matchExpressions"),
    )
