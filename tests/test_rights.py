"""The rights that the documentation asks for are those that the door uses: no less, and no more."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from migrator.cluster import Cluster, client
from migrator.cluster.client import KubeCluster
from migrator.cluster.http import Answer, ApiRequests
from migrator.model.lease import Lease
from tests.fakes.values import pod

REFERENCE = Path(__file__).parent.parent / "docs" / "reference.md"
VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
CALLS: Mapping[str, Callable[[KubeCluster], object]] = {
    "facts": lambda it: it.facts(),
    "nodes": lambda it: it.nodes(),
    "node": lambda it: it.node("worker-1"),
    "pods_on": lambda it: it.pods_on("worker-1"),
    "pods_in": lambda it: [it.pods_in("shop", cached=cached) for cached in (False, True)],
    "replicas": lambda it: [it.replicas("shop", f"{kind}/web") for kind in client._REPLICATED],  # noqa: SLF001
    "budgets": lambda it: [it.budgets(namespace) for namespace in ("", "shop")],
    "set_unschedulable": lambda it: it.set_unschedulable("worker-1", unschedulable=True),
    "annotate": lambda it: it.annotate("worker-1", "key", "value"),
    "evict": lambda it: it.evict(pod("web")),
    "create_namespace": lambda it: [it.create_namespace(name, {}, {}) for name in ("migrator-probe-5e551011", "exists")],
    "delete_namespace": lambda it: it.delete_namespace("migrator-probe-5e551011"),
    "namespace": lambda it: it.namespace("migrator-probe-5e551011"),
    "namespaces": lambda it: it.namespaces({}),
    "create_pod": lambda it: it.create_pod({"metadata": {"namespace": "migrator-probe-5e551011", "name": "probe-a"}}),
    "delete_pod": lambda it: it.delete_pod("migrator-probe-5e551011", "probe-a", 2),
    "probe_pod": lambda it: it.probe_pod("migrator-probe-5e551011", "probe-a"),
    "events": lambda it: it.events("migrator-probe-5e551011", "probe-a"),
    "log": lambda it: it.log("migrator-probe-5e551011", "probe-a", "one"),
    "lease": lambda it: it.lease(),
    "put_lease": lambda it: [it.put_lease(Lease(holder="a", acquired=0, renewed=0, seconds=1, version=v)) for v in ("", "1")],
    "delete_lease": lambda it: it.delete_lease("1"),
    "kubernetes_service": lambda it: it.kubernetes_service(),
    "kubernetes_endpoints": lambda it: it.kubernetes_endpoints(),
}  # fmt: skip
"""Each method of the door, with words that have it make each of its requests."""
META = {"name": "x", "namespace": "n", "uid": "u", "resourceVersion": "1", "creationTimestamp": "2026-01-01T00:00:00Z"}
STATUS = {"nodeInfo": {"machineID": "m", "containerRuntimeVersion": "r", "kubeletVersion": "v"}, "phase": "Active"}
SPEC = {"containers": [], "clusterIP": "10.96.0.1", "ports": [{"port": 443}]}


class Recording(ApiRequests):
    """An API server that has one of everything, and what it was asked."""

    def __init__(self) -> None:
        """Start without requests."""
        self.name = "recording"
        self.requests: set[tuple[str, str]] = set()

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,  # noqa: ARG002 - rights do not depend on it
        body: Mapping[str, object] | None = None,
    ) -> tuple[int, Answer]:
        """Record the request, and answer it."""
        self.requests.add((method, path))
        meta: Any = (body or {}).get("metadata")
        if method == "POST" and meta and meta.get("name") == "exists":
            return 409, {"reason": "AlreadyExists"}
        answer: Answer = {"metadata": META, "spec": SPEC, "status": STATUS, "items": [], "resources": []}
        return 200, answer | {"versions": [{"version": "v1", "groupVersion": "policy/v1"}]}

    def text(self, path: str, **_: str) -> str:
        """Likewise for what is no JSON."""
        self.requests.add(("GET", path))
        return ""


def wanted(method: str, path: str) -> tuple[str, str, str, str, str] | None:
    """Give verb, group, resource, namespace and name of a request; None for what every user may ask (discovery)."""
    found = re.fullmatch(
        r"/(?:api|apis/(?P<group>[^/]+))/[^/]+(?:/namespaces/(?P<space>[^/]+)(?=/))?"
        r"/(?P<plural>[a-z]+)(?:/(?P<name>[^/]+))?(?:/(?P<sub>[a-z]+))?",
        path,
    )
    if found is None:
        return None
    resource = found["plural"] + (f"/{found['sub']}" if found["sub"] else "")
    verb = VERBS[method]
    if verb == "get" and not found["name"]:
        verb = "list"
    return verb, found["group"] or "", resource, found["space"] or "", found["name"] or ""


def used(calls: Iterable[str] = CALLS) -> set[tuple[str, str, str, str, str]]:
    """Give what these methods ask for."""
    found = set()
    for name in calls:
        api = Recording()
        CALLS[name](KubeCluster(api))
        assert api.requests, name
        found |= {request for asked in api.requests if (request := wanted(*asked))}
    return found


def documented() -> list[dict[str, Any]]:
    """Give the roles of the documentation."""
    (text,) = re.findall(r"```yaml\n(apiVersion: rbac.*?)```", REFERENCE.read_text(), re.DOTALL)
    return list(yaml.safe_load_all(text))


def allowed(request: tuple[str, str, str, str, str], role: Mapping[str, Any], rule: Mapping[str, Any]) -> bool:
    """Tell whether a rule of a role allows a request, as the API server does (RBAC, rbac.authorization.k8s.io/v1)."""
    verb, group, resource, space, name = request
    if role["kind"] == "Role" and role["metadata"]["namespace"] != space:
        return False
    named = rule.get("resourceNames")
    return (
        verb in rule["verbs"]
        and group in rule["apiGroups"]
        and resource in rule["resources"]
        and (not named or name in named)
    )


def rules() -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Give each rule with its role."""
    return [(role, rule) for role in documented() for rule in role["rules"]]


def test_every_method_of_the_door_is_tried() -> None:
    """A new one needs a line in the table above, and perhaps a right."""
    methods = {name for name, value in vars(Cluster).items() if callable(value) and not name.startswith("_")}

    assert set(CALLS) == methods


@pytest.mark.parametrize("name", CALLS)
def test_what_the_door_asks_for_is_documented(name: str) -> None:
    """A user with these rights and no others is refused nothing."""
    for request in used([name]):
        assert any(allowed(request, role, rule) for role, rule in rules()), request


def test_no_right_is_asked_for_in_vain() -> None:
    """Each verb on each resource is used by some request."""
    for role, rule in rules():
        for verb in rule["verbs"]:
            for resource in rule["resources"]:
                one = rule | {"verbs": [verb], "resources": [resource]}
                assert any(allowed(request, role, one) for request in used()), (
                    role["metadata"]["name"],
                    verb,
                    resource,
                )


def test_nothing_is_asked_for_by_a_star() -> None:
    """Nor secrets, nor anything that would let the user become somebody else."""
    words = [word for _, rule in rules() for part in ("verbs", "resources", "apiGroups") for word in rule[part]]

    assert not {"*", "secrets", "escalate", "bind", "impersonate", "pods/exec", "serviceaccounts/token"} & set(words)
