"""The part of the cluster's door that a lock needs: one Lease (coordination.k8s.io/v1, Kubernetes 1.14 and later)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from migrator.cluster.http import Answer, ApiRequests
from migrator.cluster.parse_probe import moment
from migrator.errors import NotFoundError
from migrator.model.lease import Lease

NAMESPACE, NAME = "kube-system", "migrator"
_ALL = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
_PATH = f"{_ALL}/{NAME}"
_TAKEN = 409
"""Somebody else was faster: it exists by now, or has another version."""


class LeaseApi:
    """What a lock reads and writes; `KubeCluster` is one."""

    def __init__(self, api: ApiRequests) -> None:
        self._api = api

    def lease(self) -> Lease | None:
        """Read it."""
        try:
            return _lease(self._api.get(_PATH))
        except NotFoundError:
            return None

    def put_lease(self, lease: Lease) -> Lease | None:
        """Make it, or replace the one of the same version."""
        method, path = ("PUT", _PATH) if lease.version else ("POST", _ALL)
        status, answer = self._api.send(method, path, body=_body(lease))
        if status == _TAKEN or (lease.version and status == 404):
            return None
        self._api.check(status, answer, f"write the lease {NAMESPACE}/{NAME}, which keeps two operators apart")
        return _lease(answer)

    def delete_lease(self, version: str) -> None:
        """Remove the one of this version."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"resourceVersion": version}}
        status, answer = self._api.send("DELETE", _PATH, body=body)
        if status not in {404, _TAKEN}:
            self._api.check(status, answer, f"delete the lease {NAMESPACE}/{NAME}")


def _body(lease: Lease) -> dict[str, Any]:
    version = {"resourceVersion": lease.version} if lease.version else {}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": NAME, "namespace": NAMESPACE} | version,
        "spec": {
            "holderIdentity": lease.holder,
            "acquireTime": _written(lease.acquired),
            "renewTime": _written(lease.renewed),
            "leaseDurationSeconds": int(lease.seconds),
        },
    }


def _lease(answer: Answer) -> Lease:
    spec = answer.get("spec") or {}
    return Lease(
        holder=spec.get("holderIdentity") or "",
        acquired=moment(spec.get("acquireTime")),
        renewed=moment(spec.get("renewTime")),
        seconds=float(spec.get("leaseDurationSeconds") or 0),
        version=answer["metadata"]["resourceVersion"],
    )


def _written(moment: float) -> str:
    """Write a MicroTime (apimachinery pkg/apis/meta/v1/micro_time.go)."""
    return datetime.fromtimestamp(moment, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
