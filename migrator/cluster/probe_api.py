"""The part of the cluster's door that a probe session needs: a namespace of its own, pods in it, and their fate."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from migrator.cluster import admission_errors, parse_probe
from migrator.cluster.http import Answer, ApiRequests
from migrator.errors import NotFoundError
from migrator.model.probe_status import Namespace, PodEvent, ProbePod

_NAMESPACES = "/api/v1/namespaces"
_KUBERNETES = f"{_NAMESPACES}/default/{{}}/kubernetes"
_TOO_NEW = re.compile(r'serviceaccount "[^"]+" not found|^namespaces "[^"]+" not found')
"""What admission says while the controller manager has not made the service account yet (403, its plugin
serviceaccount/admission.go), and while this one of several API servers has not heard of the namespace (404)."""
_LOG_BYTES = 2**20


class ProbeApi:
    """What a session makes and reads; `KubeCluster` is one."""

    def __init__(self, api: ApiRequests) -> None:
        self._api = api

    def create_namespace(self, name: str, labels: Mapping[str, str], annotations: Mapping[str, str]) -> Namespace:
        """Make it, or give the one that an unheard answer has made."""
        body = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": labels, "annotations": annotations},
        }
        status, answer = self._api.send("POST", _NAMESPACES, body=body)
        if _exists(answer):
            return self.namespace(name)
        self._made(status, answer, f"create namespace {name}")
        return parse_probe.namespace(answer)

    def delete_namespace(self, name: str) -> None:
        """Ask for its end."""
        status, answer = self._api.send("DELETE", f"{_NAMESPACES}/{name}")
        if status not in {404, 409}:  # 409: its end was asked for before
            self._api.check(status, answer, f"delete namespace {name}", admission_errors.advice(_message(answer)))

    def namespaces(self, labels: Mapping[str, str]) -> tuple[Namespace, ...]:
        """List those with these labels."""
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        return self._api.list(_NAMESPACES, parse_probe.namespace, labelSelector=selector)

    def namespace(self, name: str) -> Namespace:
        """Read one."""
        return parse_probe.namespace(self._api.get(f"{_NAMESPACES}/{name}"))

    def create_pod(self, manifest: Mapping[str, Any]) -> bool:
        """Make a pod, unless its namespace is too new."""
        meta = manifest["metadata"]
        status, answer = self._api.send("POST", f"{_NAMESPACES}/{meta['namespace']}/pods", body=manifest)
        if status in {403, 404} and _TOO_NEW.search(_message(answer)):
            return False
        if not _exists(answer):
            self._made(status, answer, f"create pod {meta['namespace']}/{meta['name']}")
        return True

    def delete_pod(self, namespace: str, name: str, grace: int) -> None:
        """Ask for its end."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": grace}
        status, answer = self._api.send("DELETE", _pod(namespace, name), body=body)
        if status != 404:
            self._api.check(status, answer, f"delete pod {namespace}/{name}", admission_errors.advice(_message(answer)))

    def probe_pod(self, namespace: str, name: str) -> ProbePod:
        """Read one."""
        return parse_probe.probe_pod(self._api.get(_pod(namespace, name)))

    def events(self, namespace: str, name: str) -> tuple[PodEvent, ...]:
        """List what was noted about a pod."""
        selector = f"involvedObject.kind=Pod,involvedObject.name={name}"
        found = self._api.list(f"{_NAMESPACES}/{namespace}/events", parse_probe.event, fieldSelector=selector)
        return tuple(sorted(found, key=lambda entry: entry.time))

    def log(self, namespace: str, name: str, container: str) -> str:
        """Read what a container wrote."""
        path = f"{_pod(namespace, name)}/log"
        return self._api.text(path, container=container, limitBytes=str(_LOG_BYTES))

    def kubernetes_service(self) -> tuple[str, int] | None:
        """Read where pods find the API."""
        try:
            spec = self._api.get(_KUBERNETES.format("services"))["spec"]
        except NotFoundError:
            return None
        return spec["clusterIP"], spec["ports"][0]["port"]

    def kubernetes_endpoints(self) -> tuple[tuple[str, int], ...]:
        """Read who answers behind it."""
        try:
            subsets = self._api.get(_KUBERNETES.format("endpoints")).get("subsets") or []
        except NotFoundError:
            return ()
        return tuple(
            (address["ip"], port["port"])
            for subset in subsets
            for address in subset.get("addresses") or []
            for port in (subset.get("ports") or [])[:1]
        )

    def _made(self, status: int, answer: Answer, what: str) -> None:
        self._api.check(status, answer, what, admission_errors.advice(_message(answer)))


def _pod(namespace: str, name: str) -> str:
    return f"{_NAMESPACES}/{namespace}/pods/{name}"


def _exists(answer: Answer) -> bool:
    return answer.get("reason") == "AlreadyExists"


def _message(answer: Answer) -> str:
    return str(answer.get("message", ""))
