"""The door to the cluster: requests for nodes, pods, budgets and evictions, and what each answer means."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from migrator.cluster import Eviction, client
from migrator.cluster.client import KubeCluster
from migrator.cluster.request_cache import RequestCache
from migrator.errors import ClusterError, NotFoundError, RefusedError, UnknownUserError
from migrator.model.kubernetes import RuntimeClass
from migrator.model.lease import Lease
from tests.fakes.api_server import Served, kubeconfig, serving

NODES, PODS = "/api/v1/nodes", "/api/v1/pods"
EVICTION = "POST /api/v1/namespaces/shop/pods/web/eviction"
OFFERED = {
    "1.20": ("policy/v1beta1", None),
    "1.21": ("policy/v1", "v1beta1"),
    "1.22": ("policy/v1", "v1"),
}
"""Versions of policy, and of pods/eviction by discovery (no version was given before 1.21)."""


@pytest.fixture(scope="module")
def server() -> Iterator[ThreadingHTTPServer]:
    """Listen on loopback."""
    with serving() as listening:
        yield listening


@pytest.fixture
def api(server: ThreadingHTTPServer) -> Served:
    """Start anew for each test."""
    server.served = Served()  # type: ignore[attr-defined]
    return server.served  # type: ignore[attr-defined,no-any-return]


@pytest.fixture
def cluster(api: Served, server: ThreadingHTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KubeCluster:
    """Open the door to it; wherever this runs, loopback needs no proxy."""
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    assert not api.requests
    return client.connect(kubeconfig(tmp_path, server.server_port))


def node(name: str) -> dict[str, Any]:
    """Give a Node as the API has it."""
    info = {"machineID": f"id-{name}", "containerRuntimeVersion": "docker://20.10.24", "kubeletVersion": "v1.20.2"}
    return {"metadata": {"name": name}, "spec": {}, "status": {"nodeInfo": info}}


def pod(name: str) -> dict[str, Any]:
    """Give a Pod as the API has it."""
    return {
        "metadata": {"namespace": "shop", "name": name, "uid": f"uid-{name}"},
        "spec": {"nodeName": "worker-1", "containers": [{"name": "c", "image": "i"}]},
    }


def budget(name: str) -> dict[str, Any]:
    """Give a PodDisruptionBudget that selects everything, as policy/v1 understands it."""
    return {
        "metadata": {"namespace": "shop", "name": name},
        "spec": {"selector": {}},
        "status": {"disruptionsAllowed": 2},
    }


def offer(api: Served, kubernetes: str) -> None:
    """Let discovery say what this version of Kubernetes offers."""
    policy, eviction = OFFERED[kubernetes]
    versions = [{"groupVersion": version} for version in dict.fromkeys(("policy/v1beta1", policy))]
    api.answer("GET /apis/policy", 200, {"versions": versions})
    entry = {"name": "pods/eviction", "kind": "Eviction"} | ({"version": eviction} if eviction else {})
    others = [{"name": "pods", "version": "v1"}, {"name": "pods/log"}]
    api.answer("GET /api/v1", 200, {"resources": [*others, entry]})


def web(cluster: KubeCluster, api: Served) -> Any:
    """Read the pod shop/web through the door."""
    api.answer(f"GET {PODS}", 200, {"items": [pod("web")]})
    (found,) = cluster.pods_on("worker-1")
    api.requests.clear()
    return found


def test_a_nodes_pods_are_chosen_by_the_server(api: Served, cluster: KubeCluster) -> None:
    """Of this node alone: whoever drains evicts all that come."""
    assert web(cluster, api).full_name == "shop/web"
    api.answer("GET /api/v1/pods", 200, {"items": []})

    assert cluster.pods_on("worker-2") == ()
    assert api.requests == [(f"GET {PODS}", {"fieldSelector": ["spec.nodeName=worker-2"], "limit": ["500"]}, None)]


def test_a_namespaces_pods(api: Served, cluster: KubeCluster) -> None:
    """They are read where they are, and no others."""
    api.answer("GET /api/v1/namespaces/shop/pods", 200, {"items": [pod("a"), pod("b")]})

    assert [found.uid for found in cluster.pods_in("shop")] == ["uid-a", "uid-b"]
    assert api.requests == [("GET /api/v1/namespaces/shop/pods", {"limit": ["500"]}, None)]


def test_lists_come_page_by_page(api: Served, cluster: KubeCluster) -> None:
    """Each page is asked for with the mark of the one before, and the filter; the last has none."""
    pages = {"": [pod("a")], "m1": [pod("b")], "m2": [pod("c")]}
    following = {"": "m1", "m1": "m2", "m2": ""}
    api.page(f"GET {PODS}", lambda mark: (200, {"items": pages[mark], "metadata": {"continue": following[mark]}}))

    assert [found.name for found in cluster.pods_on("worker-1")] == ["a", "b", "c"]
    assert [query.get("continue") for _, query, _ in api.requests] == [None, ["m1"], ["m2"]]
    assert {tuple(query["fieldSelector"] + query["limit"]) for _, query, _ in api.requests} == {
        ("spec.nodeName=worker-1", "500")
    }


TOO_OLD = {"reason": "Expired", "message": "The provided continue parameter is too old", "metadata": {"continue": "m9"}}


@pytest.mark.parametrize("forgotten", [1, 2])
def test_a_list_that_is_too_old_is_begun_anew(forgotten: int, api: Served, cluster: KubeCluster) -> None:
    """410: the mark of the next page is not known any more; half a list must not be taken for the whole, nor twice."""
    left = [forgotten]

    def page(mark: str) -> tuple[int, Any]:
        if mark and left[0]:
            left[0] -= 1
            return 410, TOO_OLD
        names, following = {"": (["a", "b"], "m1"), "m1": (["c"], "")}[mark]
        return 200, {"items": [node(name) for name in names], "metadata": {"continue": following}}

    api.page(f"GET {NODES}", page)

    assert [found.name for found in cluster.nodes()] == ["a", "b", "c"]
    assert [query.get("continue") for _, query, _ in api.requests] == [None, ["m1"]] * (forgotten + 1)


def test_a_list_that_is_always_too_old_is_an_error(api: Served, cluster: KubeCluster) -> None:
    """Nobody goes on with a part of it, and nobody begins it for ever."""
    api.page(
        f"GET {NODES}",
        lambda mark: (410, TOO_OLD) if mark else (200, {"items": [node("a")], "metadata": {"continue": "m1"}}),
    )

    with pytest.raises(ClusterError, match=f"cannot read {NODES}: .* 410 in each of 3 tries: .* is too old") as raised:
        cluster.nodes()
    assert type(raised.value) is ClusterError
    assert len(api.requests) == 6


def test_a_lists_other_errors_are_told_at_once(api: Served, cluster: KubeCluster) -> None:
    """Also those of a later page."""
    api.page(
        f"GET {NODES}",
        lambda mark: (503, {"message": "later"}) if mark else (200, {"items": [], "metadata": {"continue": "m1"}}),
    )

    with pytest.raises(ClusterError, match=f"cannot read {NODES}: the API server answered 503: later"):
        cluster.nodes()
    assert len(api.requests) == 2


@pytest.mark.parametrize(
    ("answer", "told"), [({"items": None}, ""), ({"kind": "Status"}, "no list"), ("<html>Sign in</html>", "no list")]
)
def test_no_list_is_not_an_empty_one(answer: Any, told: str, api: Served, cluster: KubeCluster) -> None:
    """Nobody is gone because somebody else has answered; null is how Go writes an empty list."""
    api.answer(f"GET {PODS}", 200, answer)

    if told:
        with pytest.raises(ClusterError, match=f"cannot read {PODS}: .* {told}"):
            cluster.pods_on("worker-1")
    else:
        assert cluster.pods_on("worker-1") == ()


CACHED: dict[str, tuple[Any, str]] = {
    "nodes": (lambda door: door.nodes(cached=True), NODES),
    "a node's pods": (lambda door: door.pods_on("worker-1", cached=True), PODS),
    "a namespace's pods": (lambda door: door.pods_in("shop", cached=True), "/api/v1/namespaces/shop/pods"),
    "budgets": (lambda door: door.budgets(cached=True), "/apis/policy/v1/poddisruptionbudgets"),
    "a namespace's budgets": (
        lambda door: door.budgets("shop", cached=True), "/apis/policy/v1/namespaces/shop/poddisruptionbudgets",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("read", "path"), CACHED.values(), ids=CACHED)
def test_what_may_be_older_comes_from_the_cache(read: Any, path: str, api: Served, cluster: KubeCluster) -> None:
    """Any version will do: etcd is not asked. A server without a cache gives pages, whose marks bear no version."""
    offer(api, "1.22")
    api.page(f"GET {path}", lambda mark: (200, {"items": [], "metadata": {"continue": "" if mark else "m1"}}))

    assert read(cluster) == ()

    first, second = (query for what, query, _ in api.requests if what == f"GET {path}")
    assert first["resourceVersion"] == ["0"]
    assert "resourceVersionMatch" not in first  # API servers before 1.19 do not know it
    assert second["continue"] == ["m1"]
    assert "resourceVersion" not in second


def test_a_namespaces_pods_are_read_once_for_all(api: Served, server: ThreadingHTTPServer, tmp_path: Path) -> None:
    """Twenty nodes that were left by pods of one namespace do not ask for it twenty times."""
    now = [100.0]
    made = client.connect(kubeconfig(tmp_path, server.server_port))
    door = KubeCluster(made._api, now=lambda: now[0])  # noqa: SLF001 - `connect` takes the real clock
    path = "GET /api/v1/namespaces/shop/pods"
    api.answer(path, 200, {"items": [pod("a")]})
    api.answer("GET /api/v1/namespaces/bank/pods", 200, {"items": []})

    with ThreadPoolExecutor(20) as threads:
        found = list(threads.map(lambda _: door.pods_in("shop", cached=True), range(20)))
    assert {tuple(entry.name for entry in pods) for pods in found} == {("a",)}
    assert len(api.requests) == 1

    assert door.pods_in("bank", cached=True) == ()
    api.answer(path, 200, {"items": [pod("b")]})
    now[0] += 3.9
    assert [entry.name for entry in door.pods_in("shop", cached=True)] == ["a"]
    assert [entry.name for entry in door.pods_in("shop")] == ["b"]
    now[0] += 0.2
    assert [entry.name for entry in door.pods_in("shop", cached=True)] == ["b"]


def test_an_error_is_no_answer_for_others(api: Served, cluster: KubeCluster) -> None:
    """Whoever asks next asks the API server."""
    path = "GET /api/v1/namespaces/shop/pods"
    api.answer(path, 503, {"message": "later"})
    with pytest.raises(ClusterError, match="503"):
        cluster.pods_in("shop", cached=True)

    api.answer(path, 200, {"items": [pod("a")]})
    assert [entry.name for entry in cluster.pods_in("shop", cached=True)] == ["a"]


def test_nodes(api: Served, cluster: KubeCluster) -> None:
    """All of them, or one by its name; one that is gone is told from an API server that cannot say."""
    api.answer(f"GET {NODES}", 200, {"items": [node("worker-1"), node("worker-2")]})
    api.answer(f"GET {NODES}/worker-2", 200, node("worker-2"))

    assert [found.name for found in cluster.nodes()] == ["worker-1", "worker-2"]
    assert cluster.node("worker-2").machine_id == "id-worker-2"
    with pytest.raises(NotFoundError, match="cannot read /api/v1/nodes/worker-3"):
        cluster.node("worker-3")


CHANGES = {
    "cordon": (
        lambda door: door.set_unschedulable("worker-1", unschedulable=True),
        {"spec": {"unschedulable": True}, "metadata": {"annotations": {"migrator/cordoned": "migrator"}}},
    ),
    "uncordon": (
        lambda door: door.set_unschedulable("worker-1", unschedulable=False),
        {"spec": {"unschedulable": None}, "metadata": {"annotations": {"migrator/cordoned": None}}},
    ),
    "annotate": (
        lambda door: door.annotate("worker-1", "migrator/progress", "drain"),
        {"metadata": {"annotations": {"migrator/progress": "drain"}}},
    ),
    "remove an annotation": (
        lambda door: door.annotate("worker-1", "migrator/progress", None),
        {"metadata": {"annotations": {"migrator/progress": None}}},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "body"), CHANGES.values(), ids=CHANGES)
def test_a_node_is_changed_in_one_request(change: Any, body: dict[str, Any], api: Served, cluster: KubeCluster) -> None:
    """A cordon and its mark together: a cut between them would leave a cordon of ours that nobody lifts."""
    api.answer(f"PATCH {NODES}/worker-1", 200, node("worker-1"))

    change(cluster)

    assert api.requests == [(f"PATCH {NODES}/worker-1", {}, body)]
    assert api.types == ["application/merge-patch+json"]


@pytest.mark.parametrize("change", [change for change, _ in CHANGES.values()], ids=CHANGES)
def test_a_change_that_is_not_made_is_an_error(change: Any, api: Served, cluster: KubeCluster) -> None:
    """Nobody goes on as if a node were cordoned."""
    api.answer(f"PATCH {NODES}/worker-1", 403, {"reason": "Forbidden", "message": "no"})
    with pytest.raises(RefusedError, match="may not change Node worker-1: no"):
        change(cluster)
    api.answer(f"PATCH {NODES}/worker-1", 409, {"reason": "Conflict", "message": "modified"})
    with pytest.raises(ClusterError, match="cannot change Node worker-1: the API server answered 409: modified"):
        change(cluster)


@pytest.mark.parametrize(
    ("kubernetes", "version"), [("1.20", "policy/v1beta1"), ("1.21", "policy/v1beta1"), ("1.22", "policy/v1")]
)
def test_an_eviction_is_of_exactly_one_pod(kubernetes: str, version: str, api: Served, cluster: KubeCluster) -> None:
    """Its uid is a condition: a StatefulSet's next pod has the same name. The version is one that the server takes."""
    found = web(cluster, api)
    offer(api, kubernetes)
    api.answer(EVICTION, 201, {"kind": "Status", "status": "Success"})

    assert cluster.evict(found) is Eviction.ACCEPTED
    assert api.requests[-1] == (
        EVICTION,
        {},
        {
            "apiVersion": version,
            "kind": "Eviction",
            "metadata": {"name": "web", "namespace": "shop"},
            "deleteOptions": {"preconditions": {"uid": "uid-web"}},
        },
    )


def test_what_is_offered_is_asked_for_once(api: Served, cluster: KubeCluster) -> None:
    """A drain asks for the same eviction every few seconds."""
    found = web(cluster, api)
    offer(api, "1.22")
    api.answer(EVICTION, 429, {"reason": "TooManyRequests"})

    for _ in range(3):
        cluster.evict(found)

    assert [what for what, _, _ in api.requests] == ["GET /apis/policy", "GET /api/v1", EVICTION, EVICTION, EVICTION]


TERMINATING = {"reason": "Forbidden", "message": "no", "details": {"causes": [{"reason": "NamespaceTerminating"}]}}
ANSWERS = {
    "accepted": (201, {}, Eviction.ACCEPTED),
    "accepted, as older servers say": (200, {}, Eviction.ACCEPTED),
    "gone": (404, {"reason": "NotFound"}, Eviction.GONE),
    "another pod of the name": (409, {"reason": "Conflict"}, Eviction.GONE),
    "a budget forbids it now": (429, {"reason": "TooManyRequests"}, Eviction.REFUSED_NOW),
    "its namespace ends": (403, TERMINATING, Eviction.REFUSED_NOW),
}


@pytest.mark.parametrize(("status", "answer", "meaning"), ANSWERS.values(), ids=ANSWERS)
def test_what_an_answer_to_an_eviction_means(
    status: int, answer: dict[str, Any], meaning: Eviction, api: Served, cluster: KubeCluster
) -> None:
    """Gone, asked for, or to be asked for again."""
    found = web(cluster, api)
    offer(api, "1.22")
    api.answer(EVICTION, status, answer)

    assert cluster.evict(found) is meaning


ERRORS = {
    "no right": (403, {"reason": "Forbidden", "message": "no"}, RefusedError, "may not evict shop/web: no"),
    "forbidden by a cause": (403, {"message": "no", "details": {"causes": [{"reason": "Other"}]}}, RefusedError, "may not evict shop/web"),
    "terminating, but not forbidden": (500, TERMINATING, ClusterError, "cannot evict shop/web: the API server answered 500: no"),
    "two budgets": (500, {"message": "more than one"}, ClusterError, "answered 500: more than one"),
    "a bad request": (400, {"message": "bad"}, RefusedError, "answered 400: bad"),
    "no valid object": (422, {"message": "bad"}, RefusedError, "answered 422: bad"),
    "unknown user": (401, {"message": "Unauthorized"}, UnknownUserError, "401"),
    "overloaded": (503, {"message": "try later"}, ClusterError, "answered 503: try later"),
    "no JSON": (502, "<html>Bad Gateway</html>", ClusterError, "answered 502: <html>Bad Gateway"),
}  # fmt: skip


@pytest.mark.parametrize(("status", "answer", "error", "told"), ERRORS.values(), ids=ERRORS)
def test_an_eviction_that_fails(
    status: int, answer: Any, error: type[ClusterError], told: str, api: Served, cluster: KubeCluster
) -> None:
    """A refusal is told from an API server that has trouble; both name the pod and the reason."""
    found = web(cluster, api)
    offer(api, "1.22")
    api.answer(EVICTION, status, answer)

    with pytest.raises(ClusterError, match=told) as raised:
        cluster.evict(found)
    assert type(raised.value) is error


OWNERS = {
    "a ReplicaSet": ("ReplicaSet/web-5d9", "/apis/apps/v1/namespaces/shop/replicasets/web-5d9"),
    "a StatefulSet": ("StatefulSet/db", "/apis/apps/v1/namespaces/shop/statefulsets/db"),
    "a ReplicationController": ("ReplicationController/old", "/api/v1/namespaces/shop/replicationcontrollers/old"),
}


@pytest.mark.parametrize(("owner", "path"), OWNERS.values(), ids=OWNERS)
def test_how_many_pods_an_owner_shall_have(owner: str, path: str, api: Served, cluster: KubeCluster) -> None:
    """None any more where it is gone, 1 where it does not say, and an error where nobody can tell."""
    assert cluster.replicas("shop", owner) == 0
    api.answer(f"GET {path}", 200, {"spec": {"replicas": 3}})
    assert cluster.replicas("shop", owner) == 3
    api.answer(f"GET {path}", 200, {"spec": {}})
    assert cluster.replicas("shop", owner) == 1
    api.answer(f"GET {path}", 500, {"message": "etcd"})
    with pytest.raises(ClusterError, match="answered 500: etcd"):
        cluster.replicas("shop", owner)


def test_how_many_pods_there_shall_be_is_read_once_for_all(api: Served, cluster: KubeCluster) -> None:
    """From the cache, for half a minute; an owner that is gone is one answer too."""
    path = "/apis/apps/v1/namespaces/shop/replicasets/web"
    api.answer(f"GET {path}", 200, {"spec": {"replicas": 3}})

    assert [cluster.replicas("shop", "ReplicaSet/web", cached=True) for _ in range(9)] == [3] * 9
    assert [cluster.replicas("shop", "ReplicaSet/gone", cached=True) for _ in range(9)] == [0] * 9
    assert [cluster.replicas("shop", "Job/once", cached=True) for _ in range(9)] == [None] * 9
    assert [query for _, query, _ in api.requests] == [{"resourceVersion": ["0"]}] * 2


@pytest.mark.parametrize("owner", ["Job/once", "DaemonSet/agent", "StatefulSet.apps.kruise.io/db", "Node/worker-1", ""])
def test_other_owners_have_no_replicas(owner: str, api: Served, cluster: KubeCluster) -> None:
    """Nobody is asked."""
    assert cluster.replicas("shop", owner) is None
    assert api.requests == []


@pytest.mark.parametrize(
    ("kubernetes", "version", "simple"),
    [("1.20", "policy/v1beta1", False), ("1.21", "policy/v1beta1", False), ("1.22", "policy/v1", True)],
)
def test_budgets_are_read_as_their_version_means_them(
    kubernetes: str, version: str, *, simple: bool, api: Served, cluster: KubeCluster
) -> None:
    """An empty selector selects nothing in v1beta1, and everything in v1."""
    offer(api, kubernetes)
    api.answer(f"GET /apis/{version}/poddisruptionbudgets", 200, {"items": [budget("web")]})

    (found,) = cluster.budgets()

    assert (found.name, found.disruptions_allowed, found.simple) == ("web", 2, simple)


@pytest.mark.parametrize(
    ("offered", "version"), [(("v1", "v1beta1"), "v1"), (("v1beta1", "v1"), "v1"), (("v1beta1",), "v1beta1")]
)
def test_facts_are_all_that_a_plan_reads(
    offered: tuple[str, ...], version: str, api: Served, cluster: KubeCluster
) -> None:
    """Nodes, pods, budgets, runtime classes of the best version offered, and the DaemonSets that reach into hosts."""
    offer(api, "1.22")
    runtime_classes = [{"metadata": {"name": "fast"}, "handler": "crun"}]
    template = {"spec": {"template": {"spec": {"containers": [{"image": "agent:1"}], "volumes": []}}}}
    reaching = {"spec": {"template": {"spec": {"containers": [], "volumes": [{"hostPath": {"path": "/run"}}]}}}}
    daemon_sets = [
        {"metadata": {"namespace": "n", "name": "harmless"}, **template},
        {"metadata": {"namespace": "n", "name": "agent"}, **reaching},
    ]
    lists = {
        NODES: [node("worker-1")],
        PODS: [pod("web")],
        "/apis/policy/v1/poddisruptionbudgets": [budget("web")],
        "/apis/apps/v1/daemonsets": daemon_sets,
        f"/apis/node.k8s.io/{version}/runtimeclasses": runtime_classes,
    }
    for path, items in lists.items():
        api.answer(f"GET {path}", 200, {"items": items})
    api.answer("GET /apis/node.k8s.io", 200, {"versions": [{"version": entry} for entry in offered]})

    found = cluster.facts()

    assert [entry.name for entry in found.nodes] == ["worker-1"]
    assert [entry.uid for entry in found.pods] == ["uid-web"]
    assert [entry.name for entry in found.budgets] == ["web"]
    assert found.runtime_classes == (RuntimeClass(name="fast", handler="crun"),)
    assert [(entry.full_name, entry.host_paths) for entry in found.daemon_sets] == [("n/agent", ("/run",))]
    assert all("fieldSelector" not in query for _, query, _ in api.requests)


def test_a_cluster_without_runtime_classes(api: Served, cluster: KubeCluster) -> None:
    """Before 1.14 there were none; that no answer comes is an error all the same."""
    offer(api, "1.20")
    for path in (NODES, PODS, "/apis/policy/v1beta1/poddisruptionbudgets", "/apis/apps/v1/daemonsets"):
        api.answer(f"GET {path}", 200, {"items": []})
    assert cluster.facts().runtime_classes == ()
    api.answer("GET /apis/node.k8s.io", 500, {"message": "etcd"})
    with pytest.raises(ClusterError, match="answered 500: etcd"):
        cluster.facts()


LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"


@pytest.mark.parametrize(("status", "lost"), [(404, True), (409, True)])
def test_a_lease_that_somebody_took_or_removed_is_lost(
    status: int, *, lost: bool, api: Served, cluster: KubeCluster
) -> None:
    """Whoever replaces a version that is not there any more has lost it."""
    ours = Lease(holder="ben", acquired=1.0, renewed=1.0, seconds=60, version="7")
    api.answer(f"PUT {LEASE}/migrator", status, {"message": "no"})

    assert (cluster.put_lease(ours) is None) is lost
    assert [what for what, _, _ in api.requests] == [f"PUT {LEASE}/migrator"]


def test_a_lease_that_cannot_be_made_is_no_lost_race(api: Served, cluster: KubeCluster) -> None:
    """404 to a new one says that there is no namespace or no such API, not that somebody was faster."""
    api.answer(f"POST {LEASE}", 404, {"message": "no kind Lease"})

    with pytest.raises(NotFoundError, match="no kind Lease"):
        cluster.put_lease(Lease(holder="ben", acquired=1.0, renewed=1.0, seconds=60))


@pytest.mark.parametrize("status", [200, 404, 409])
def test_a_lease_is_given_back_once(status: int, api: Served, cluster: KubeCluster) -> None:
    """One that is gone, or is somebody else's by now, is no error; what cannot be removed is one."""
    api.answer(f"DELETE {LEASE}/migrator", status, {"message": "no"})
    cluster.delete_lease("8")
    body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"resourceVersion": "8"}}
    assert api.requests == [(f"DELETE {LEASE}/migrator", {}, body)]
    api.answer(f"DELETE {LEASE}/migrator", 403, {"message": "no"})
    with pytest.raises(RefusedError, match="may not delete the lease kube-system/migrator"):
        cluster.delete_lease("8")


@pytest.mark.parametrize("status", [400, 404, 500])
def test_a_log_is_no_message_of_the_server(status: int, api: Served, cluster: KubeCluster) -> None:
    """Whatever an error's status is, its words are not taken for what a container wrote."""
    api.answer("GET /api/v1/namespaces/shop/pods/web/log", status, {"message": "container not found"})

    with pytest.raises(ClusterError, match="container not found"):
        cluster.log("shop", "web", "one")


def test_an_error_is_each_threads_own() -> None:
    """All who waited are told the same, and each writes its own way into it: where it was raised."""
    waiting, number = threading.Event(), 4

    def read(_: str) -> int:
        assert waiting.wait(10)
        raise RefusedError("no right to list pods")

    recent: RequestCache[str, int] = RequestCache(read, 4.0, lambda: 0.0)
    found: list[BaseException] = []

    def ask() -> None:
        try:
            recent("shop")
        except ClusterError as error:
            found.append(error)

    threads = [threading.Thread(target=ask) for _ in range(number)]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    waiting.set()
    for thread in threads:
        thread.join(10)

    assert len({id(error) for error in found}) == number
    assert {(type(error), str(error)) for error in found} == {(RefusedError, "no right to list pods")}
