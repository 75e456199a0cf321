"""The door to the cluster against an HTTP server that answers as API servers do."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from migrator.cluster import admission_errors, client
from migrator.cluster import http as requests
from migrator.cluster.client import KubeCluster
from migrator.errors import ClusterError, NotFoundError, RefusedError, UnknownUserError
from migrator.model.lease import Lease
from migrator.model.probe_status import ContainerStatus, PodEvent
from tests.fakes.api_server import Served, kubeconfig, serving

SPACE = "migrator-probe-5e551011"
PODS = f"/api/v1/namespaces/{SPACE}/pods"
MANIFEST = {"metadata": {"namespace": SPACE, "name": "probe-a"}, "spec": {}}
TIME = "2026-01-01T00:00:00Z"
EPOCH = 1_767_225_600.0


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


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Speak to loopback directly, wherever this runs."""
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def cluster(api: Served, server: ThreadingHTTPServer, tmp_path: Path) -> KubeCluster:
    """Open the door to it."""
    assert not api.requests
    return client.connect(kubeconfig(tmp_path, server.server_port))


def pod(**status: Any) -> dict[str, Any]:
    """Give a Pod as the API has it."""
    meta = {"namespace": SPACE, "name": "probe-a", "uid": "u", "creationTimestamp": TIME}
    return {"metadata": meta, "spec": {"nodeName": "worker-1"}, "status": status}


def test_a_pod_is_made(api: Served, cluster: KubeCluster) -> None:
    """The manifest goes out as it is."""
    api.answer(f"POST {PODS}", 201, pod())

    assert cluster.create_pod(MANIFEST)
    assert api.requests[-1][2] == MANIFEST


NOT_YET = {
    "no service account": (403, {"reason": "Forbidden", "message": f'pods "probe-a" is forbidden: error looking up service account {SPACE}/default: serviceaccount "default" not found'}),
    "another API server made the namespace": (404, {"reason": "NotFound", "message": f'namespaces "{SPACE}" not found'}),
}  # fmt: skip


@pytest.mark.parametrize(("status", "answer"), NOT_YET.values(), ids=NOT_YET)
def test_a_namespace_may_be_too_new(status: int, answer: dict[str, str], api: Served, cluster: KubeCluster) -> None:
    """That is no error, but a reason to ask again."""
    api.answer(f"POST {PODS}", status, answer)

    assert not cluster.create_pod(MANIFEST)


def test_what_an_unheard_answer_made_counts_as_made(api: Served, cluster: KubeCluster) -> None:
    """A pod or namespace of the name that exists is ours."""
    exists = {"reason": "AlreadyExists", "message": "already exists"}
    api.answer(f"POST {PODS}", 409, exists)
    api.answer("POST /api/v1/namespaces", 409, exists)
    api.answer(f"GET /api/v1/namespaces/{SPACE}", 200, {"metadata": {"name": SPACE, "creationTimestamp": TIME}})

    assert cluster.create_pod(MANIFEST)
    assert cluster.create_namespace(SPACE, {}, {}).created == EPOCH


REFUSALS = {
    "PodSecurity": (403, 'pods "probe-c" is forbidden: violates PodSecurity "restricted:latest": privileged', "keep pod-security.kubernetes.io/enforce: privileged"),
    "PodSecurityPolicy": (403, 'pods "probe-c" is forbidden: PodSecurityPolicy: unable to admit pod: [spec.containers[0].securityContext.privileged: Invalid value: true]', "verb use on a PodSecurityPolicy"),
    "PodSecurityPolicy before 1.19": (403, 'pods "probe-c" is forbidden: unable to validate against any pod security policy: []', "verb use on a PodSecurityPolicy"),
    "no PodSecurityPolicy at all": (403, 'pods "probe-a" is forbidden: PodSecurityPolicy: no providers available to validate pod request', "verb use on a PodSecurityPolicy"),
    "OpenShift": (403, 'pods "probe-c" is forbidden: unable to validate against any security context constraint: []', "SecurityContextConstraints privileged"),
    "webhook": (403, 'admission webhook "pods.policy.example" denied the request: no privileged containers', "(migrator-probe-*) from pods.policy.example"),
    "webhook with 400": (400, 'admission webhook "pods.policy.example" denied the request without explanation', "from pods.policy.example"),
    "policy": (422, "pods \"probe-c\" is forbidden: ValidatingAdmissionPolicy 'no-root' with binding 'b' denied request: no", "from no-root"),
    "image policy": (403, 'pods "probe-c" is forbidden: image policy webhook backend denied one or more images: unsigned', "images of migrator.invalid"),
    "quota": (403, 'pods "probe-c" is forbidden: exceeded quota: q, requested: pods=1', "no ResourceQuota"),
    "limit range": (403, 'pods "probe-c" is forbidden: minimum memory usage per Container is 100Mi, but request is 16Mi', "LimitRange"),
    "no right": (403, 'pods is forbidden: User "u" cannot create resource "pods" in API group "" in the namespace "n"', "give that user the right to create pods"),
}  # fmt: skip


@pytest.mark.parametrize(("status", "message", "advice"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_says_what_is_needed(
    status: int, message: str, advice: str, api: Served, cluster: KubeCluster
) -> None:
    """The API server's words come with what to do, once and for all."""
    api.answer(f"POST {PODS}", status, {"reason": "Forbidden", "message": message})

    with pytest.raises(RefusedError) as raised:
        cluster.create_pod(MANIFEST)

    assert message in str(raised.value)
    assert advice in str(raised.value)
    assert f"create pod {SPACE}/probe-a" in str(raised.value)


def test_a_webhook_that_does_not_answer_is_no_refusal(api: Served, cluster: KubeCluster) -> None:
    """It may answer later; the message says what to do if not."""
    message = 'Internal error occurred: failed calling webhook "v.example": connection refused'
    api.answer(f"POST {PODS}", 500, {"message": message})

    with pytest.raises(
        ClusterError, match="mend the service behind that webhook, or exempt .* from v.example"
    ) as raised:
        cluster.create_pod(MANIFEST)

    assert not isinstance(raised.value, RefusedError)


@pytest.mark.parametrize("message", [message for _, message, _ in REFUSALS.values()], ids=REFUSALS)
def test_no_advice_opens_a_hole(message: str) -> None:
    """What is exempted by a label alone, or by a name alone, is exempted for every tenant."""
    told = admission_errors.advice(message)

    assert "label" not in told or "pod-security" in told
    if "exempt" in told:
        assert "kubeconfig's user" in told
        assert "migrator-probe-*" in told
        assert "for the time of the rollout" in told


def test_unknown_words_get_no_advice() -> None:
    """Nothing is guessed."""
    assert admission_errors.advice("the moon is full") == ""


def test_the_namespace_of_a_user_without_rights_is_refused(api: Served, cluster: KubeCluster) -> None:
    """The right is named."""
    message = (
        'namespaces is forbidden: User "u" cannot create resource "namespaces" in API group "" at the cluster scope'
    )
    api.answer("POST /api/v1/namespaces", 403, {"reason": "Forbidden", "message": message})

    with pytest.raises(RefusedError, match="give that user the right to create namespaces"):
        cluster.create_namespace(SPACE, {}, {})


def test_deleting_is_asking_for_absence(api: Served, cluster: KubeCluster) -> None:
    """What is gone or going is no error; the grace goes along; a refusal is one."""
    api.answer(f"DELETE {PODS}/probe-a", 200, {})
    api.answer(f"DELETE /api/v1/namespaces/{SPACE}", 409, {"reason": "Conflict"})

    cluster.delete_pod(SPACE, "probe-a", 5)
    cluster.delete_pod(SPACE, "probe-b", 5)
    cluster.delete_namespace(SPACE)
    cluster.delete_namespace("other")

    assert api.requests[0][2]["gracePeriodSeconds"] == 5
    api.answer(f"DELETE /api/v1/namespaces/{SPACE}", 403, {"message": 'User "u" cannot delete resource "namespaces"'})
    with pytest.raises(RefusedError, match="right to delete namespaces"):
        cluster.delete_namespace(SPACE)


def test_namespaces_are_listed_by_labels(api: Served, cluster: KubeCluster) -> None:
    """Labels select; a namespace that is ending says what holds it."""
    condition = {
        "type": "NamespaceDeletionDiscoveryFailure",
        "status": "True",
        "message": "metrics.k8s.io is unavailable",
    }
    done = {"type": "NamespaceDeletionContentFailure", "status": "False", "message": "all deleted"}
    meta = {"name": SPACE, "labels": {"a": "b"}, "creationTimestamp": TIME, "deletionTimestamp": TIME}
    api.answer(
        "GET /api/v1/namespaces", 200, {"items": [{"metadata": meta, "status": {"conditions": [condition, done]}}]}
    )

    (found,) = cluster.namespaces({"a": "b", "c.example/d": "e"})

    assert api.requests[-1][1]["labelSelector"] == ["a=b,c.example/d=e"]
    assert (found.labels, found.created, found.terminating) == ({"a": "b"}, EPOCH, True)
    assert found.held_by == ("metrics.k8s.io is unavailable",)


def test_a_pods_progress(api: Served, cluster: KubeCluster) -> None:
    """States of containers are read with their reasons and ids; a pod that nobody has seen yet has none."""
    statuses = [
        {"name": "one", "containerID": "containerd://abc", "state": {"running": {"startedAt": TIME}}},
        {"name": "two", "state": {"waiting": {"reason": "ErrImageNeverPull", "message": "not present"}}},
        {"name": "three", "containerID": "docker://d", "state": {"terminated": {"exitCode": 128, "reason": "StartError", "startedAt": None}}},
        {"name": "four"},
    ]  # fmt: skip
    api.answer(
        f"GET {PODS}/probe-a", 200, pod(phase="Running", podIP="10.0.0.7", startTime=TIME, containerStatuses=statuses)
    )
    api.answer(f"GET {PODS}/probe-b", 200, pod())

    found = cluster.probe_pod(SPACE, "probe-a")
    bare = cluster.probe_pod(SPACE, "probe-b")

    assert (found.phase, found.address, found.node, found.created, found.started) == (
        "Running",
        "10.0.0.7",
        "worker-1",
        EPOCH,
        EPOCH,
    )
    assert found.statuses == (
        ContainerStatus(name="one", id="abc", state="running", started_at=EPOCH),
        ContainerStatus(name="two", state="waiting", reason="ErrImageNeverPull", message="not present"),
        ContainerStatus(name="three", id="d", state="terminated", reason="StartError", exit_code=128),
        ContainerStatus(name="four"),
    )
    assert (bare.phase, bare.started, bare.status("one").state) == ("", 0.0, "")
    with pytest.raises(NotFoundError):
        cluster.probe_pod(SPACE, "probe-z")


def test_events_come_in_order(api: Served, cluster: KubeCluster) -> None:
    """Both kinds of reporters are read, the oldest first, of this pod alone."""
    newer = {
        "metadata": {},
        "type": "Warning",
        "reason": "Failed",
        "message": "m",
        "eventTime": "2026-01-01T00:00:02.500000Z",
        "firstTimestamp": None,
        "series": {"count": 4},
    }
    older = {
        "metadata": {},
        "type": "Normal",
        "reason": "Pulled",
        "message": "here",
        "firstTimestamp": TIME,
        "eventTime": None,
        "count": 2,
    }
    api.answer(f"GET /api/v1/namespaces/{SPACE}/events", 200, {"items": [newer, older]})

    assert cluster.events(SPACE, "probe-a") == (
        PodEvent(type="Normal", reason="Pulled", message="here", time=EPOCH, count=2),
        PodEvent(type="Warning", reason="Failed", message="m", time=EPOCH + 2.5, count=4),
    )
    assert api.requests[-1][1]["fieldSelector"] == ["involvedObject.kind=Pod,involvedObject.name=probe-a"]


@pytest.mark.parametrize("text", ["line 000001\nline 000002\n", "123", '{"a": 1}', ""])
def test_a_log_is_text(text: str, api: Served, cluster: KubeCluster) -> None:
    """Also one that looks like JSON."""
    api.answer(f"GET {PODS}/probe-a/log", 200, text)

    assert cluster.log(SPACE, "probe-a", "one") == text
    assert api.requests[-1][1]["container"] == ["one"]


def test_a_log_that_cannot_be_had(api: Served, cluster: KubeCluster) -> None:
    """The API server's reason is told."""
    api.answer(f"GET {PODS}/probe-a/log", 500, {"message": "dial tcp 10.0.0.1:10250: connection refused"})

    with pytest.raises(ClusterError, match="10250: connection refused"):
        cluster.log(SPACE, "probe-a", "one")


def test_the_service_of_the_api(api: Served, cluster: KubeCluster) -> None:
    """Its address, and who is behind it; None and nobody where there is none."""
    assert (cluster.kubernetes_service(), cluster.kubernetes_endpoints()) == (None, ())
    base = "GET /api/v1/namespaces/default"
    api.answer(f"{base}/services/kubernetes", 200, {"spec": {"clusterIP": "10.96.0.1", "ports": [{"port": 443}]}})
    subset = {"addresses": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}], "ports": [{"port": 6443}]}
    api.answer(f"{base}/endpoints/kubernetes", 200, {"subsets": [subset]})

    assert cluster.kubernetes_service() == ("10.96.0.1", 443)
    assert cluster.kubernetes_endpoints() == (("10.0.0.1", 6443), ("10.0.0.2", 6443))


def test_plans_know_where_the_api_server_is(api: Served, cluster: KubeCluster) -> None:
    """Each address once; a user who may not ask is refused, because nobody would know a control plane by it."""
    for path in (
        "/apis/apps/v1/daemonsets",
        "/api/v1/nodes",
        "/api/v1/pods",
        "/apis/policy/v1beta1/poddisruptionbudgets",
    ):
        api.answer(f"GET {path}", 200, {"items": []})
    api.answer("GET /apis/policy", 200, {"versions": [{"groupVersion": "policy/v1beta1"}]})
    assert cluster.facts().api_servers == ()
    endpoints = "GET /api/v1/namespaces/default/endpoints/kubernetes"
    subsets = [
        {"addresses": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}], "ports": [{"port": port}]} for port in (6443, 443)
    ]
    api.answer(endpoints, 200, {"subsets": subsets})
    assert cluster.facts().api_servers == ("10.0.0.1", "fd00::1")
    api.answer(endpoints, 403, {"message": "forbidden"})

    with pytest.raises(RefusedError, match="may not read .*endpoints/kubernetes"):
        cluster.facts()


def test_a_user_that_is_not_known(api: Served, cluster: KubeCluster) -> None:
    """A kubeconfig that expired is named."""
    api.answer("GET /api/v1/namespaces", 401, {"message": "Unauthorized"})

    with pytest.raises(UnknownUserError, match=r"does not know the user of .*kubeconfig"):
        cluster.namespaces({})


def test_nobody_answers(tmp_path: Path) -> None:
    """The kubeconfig and the cause are named."""
    with pytest.raises(ClusterError, match=r"the API server of .*kubeconfig does not answer: .*refused"):
        client.connect(kubeconfig(tmp_path, 9)).namespaces({})


LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"


def test_a_lease_is_made_replaced_and_removed(api: Served, cluster: KubeCluster) -> None:
    """Each time with the version that was seen, so that the API server keeps two apart."""
    wanted = Lease(holder="ben", acquired=EPOCH, renewed=EPOCH + 0.5, seconds=60)
    spec = {
        "holderIdentity": "ben", "acquireTime": "2026-01-01T00:00:00.000000Z",
        "renewTime": "2026-01-01T00:00:00.500000Z", "leaseDurationSeconds": 60,
    }  # fmt: skip
    api.answer(f"POST {LEASES}", 201, {"metadata": {"resourceVersion": "7"}, "spec": spec})
    api.answer(f"PUT {LEASES}/migrator", 200, {"metadata": {"resourceVersion": "8"}, "spec": spec})

    assert cluster.lease() is None
    made = cluster.put_lease(wanted)
    assert made == wanted.model_copy(update={"version": "7"})
    assert api.requests[-1][2]["spec"] == spec
    assert cluster.put_lease(made) == wanted.model_copy(update={"version": "8"})
    assert api.requests[-1][2]["metadata"]["resourceVersion"] == "7"
    api.answer(f"PUT {LEASES}/migrator", 409, {"reason": "Conflict", "message": "the object has been modified"})
    assert cluster.put_lease(made) is None
    api.answer(f"POST {LEASES}", 403, {"reason": "Forbidden", "message": "no"})
    with pytest.raises(RefusedError, match="may not write the lease kube-system/migrator"):
        cluster.put_lease(wanted)
    cluster.delete_lease("8")
    assert api.requests[-1][2]["preconditions"] == {"resourceVersion": "8"}


class Tokens(BaseHTTPRequestHandler):
    """Knows one token at a time."""

    valid = "first"
    came: list[str] = []  # noqa: RUF012

    def do_GET(self) -> None:
        """Answer whoever is known."""
        self.came.append(str(self.headers.get("Authorization")).removeprefix("Bearer "))
        known = self.came[-1] == self.valid
        data = json.dumps({"items": [], "message": "Unauthorized"}).encode()
        self.send_response(200 if known else 401)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def tokens() -> Iterator[tuple[type[Tokens], int]]:
    """Listen, and know the token "first"."""
    handler = type("Handler", (Tokens,), {"came": [], "valid": "first"})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield handler, server.server_port
        server.shutdown()


PLUGIN = """
import json, sys
status = {"token": open(sys.argv[1]).read()}
print(json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}))
"""
USERS = {
    "a token in a file": lambda token, _: {"tokenFile": str(token)},
    "an exec plugin": lambda token, plugin: {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1", "command": sys.executable,
            "args": [str(plugin), str(token)], "interactiveMode": "Never",
        }
    },
}  # fmt: skip


def connected(folder: Path, port: int, user: dict[str, Any]) -> KubeCluster:
    """Open the door as somebody."""
    path = Path(kubeconfig(folder, port))
    document = yaml.safe_load(path.read_text())
    document["users"] = [{"name": document["contexts"][0]["context"]["user"], "user": user}]
    path.write_text(yaml.safe_dump(document))
    return client.connect(str(path))


@pytest.mark.parametrize("user", USERS.values(), ids=USERS)
def test_credentials_are_read_anew_when_they_are_not_known_any_more(
    user: Any, tokens: tuple[type[Tokens], int], tmp_path: Path
) -> None:
    """Bound tokens live for an hour, and a rollout with windows for days; each request that was refused is repeated."""
    handler, port = tokens
    token, plugin = tmp_path / "token", tmp_path / "plugin.py"
    token.write_text("first")
    plugin.write_text(PLUGIN)
    cluster = connected(tmp_path, port, user(token, plugin))
    cluster.nodes()

    handler.valid = "second"
    with pytest.raises(UnknownUserError):  # nobody has renewed it yet
        cluster.nodes()
    cluster._api._not_before = 0.0  # noqa: SLF001 - ten seconds later
    token.write_text("second")
    cluster.nodes()

    assert handler.came == ["first", "first", "first", "first", "second"]


def test_an_api_server_that_hangs_is_asked_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It accepts connections and answers nothing: whoever waits asks again, others say soon that nobody answers."""
    monkeypatch.setattr(requests, "_SECONDS", 0.2)
    with socket.socket() as hanging:
        hanging.bind(("127.0.0.1", 0))
        hanging.listen()
        hanging.settimeout(0)
        cluster = client.connect(kubeconfig(tmp_path, hanging.getsockname()[1]))

        with pytest.raises(ClusterError, match="does not answer: .*Read timed out"):
            cluster.nodes()

        came = []
        with contextlib.suppress(BlockingIOError):
            while True:
                came.append(hanging.accept()[0])
    for connection in came:
        connection.close()
    assert len(came) == 2


def test_credentials_are_not_read_anew_at_every_request(tokens: tuple[type[Tokens], int], tmp_path: Path) -> None:
    """Whoever waits for an API server asks every second, and an exec plugin may be slow, or ask a person."""
    handler, port = tokens
    (tmp_path / "token").write_text("first")
    cluster = connected(tmp_path, port, {"tokenFile": str(tmp_path / "token")})
    handler.valid = "never"

    for _ in range(5):
        with pytest.raises(UnknownUserError):
            cluster.nodes()

    assert len(handler.came) == 6  # one was repeated


@pytest.mark.parametrize("broken", ["an empty file", "a plugin that fails"])
def test_a_renewal_that_gives_nobody_is_not_taken(
    broken: str, tokens: tuple[type[Tokens], int], tmp_path: Path
) -> None:
    """The client only logs it; as nobody one would be refused for good, and never ask for credentials again."""
    handler, port = tokens
    token, plugin = tmp_path / "token", tmp_path / "plugin.py"
    token.write_text("first")
    plugin.write_text(PLUGIN)
    user = USERS["a token in a file" if broken == "an empty file" else "an exec plugin"](token, plugin)
    cluster = connected(tmp_path, port, user)
    handler.valid = "second"
    if broken == "an empty file":
        token.write_text("")
    else:
        plugin.write_text("raise SystemExit(1)")

    with pytest.raises(UnknownUserError):
        cluster.nodes()
    token.write_text("second")
    plugin.write_text(PLUGIN)
    cluster._api._not_before = 0.0  # noqa: SLF001 - ten seconds later
    cluster.nodes()

    assert handler.came == ["first", "first", "second"]


def test_who_is_taken_for_nobody_is_not_known(api: Served, cluster: KubeCluster) -> None:
    """Where anonymous requests are allowed, a token that has expired may be answered as they are."""
    message = 'nodes is forbidden: User "system:anonymous" cannot list resource "nodes"'
    api.answer("GET /api/v1/nodes", 403, {"message": message})

    with pytest.raises(UnknownUserError):
        cluster.nodes()


def split(folder: Path, port: int) -> str:
    """Write two kubeconfigs that make one: each has a context of its own, and the second one has the user of both."""
    whole = json.loads(Path(kubeconfig(folder, port)).read_text())
    dead = {"name": "dead", "cluster": {"server": "http://127.0.0.1:9"}}
    first = whole | {"users": None}
    second = {
        "current-context": "d", "clusters": [dead], "users": whole["users"],
        "contexts": [{"name": "d", "context": {"cluster": "dead", "user": "c"}}],
    }  # fmt: skip
    for name, content in (("first", first), ("second", second)):
        (folder / name).write_text(json.dumps(content))
    return os.pathsep.join(str(folder / name) for name in ("missing", "first", "second"))


def test_several_kubeconfigs_are_merged_as_kubectl_does(
    api: Served, server: ThreadingHTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first context that is current counts, a file that is not there does not; another one may be chosen."""
    monkeypatch.setenv("KUBECONFIG", split(tmp_path, server.server_port))
    api.answer("GET /api/v1/nodes", 200, {"items": []})

    assert client.connect("").nodes() == ()
    assert client.connect("", "c").nodes() == ()
    with pytest.raises(ClusterError, match="first:"):
        client.connect("", "d").nodes()


def test_none_of_several_kubeconfigs_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All are named."""
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/a{os.pathsep}{tmp_path}/b")

    with pytest.raises(ClusterError, match=f"there is no kubeconfig {tmp_path}/a{os.pathsep}{tmp_path}/b; name one"):
        client.connect("")
