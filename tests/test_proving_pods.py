"""Probe pods through the kubelet: what is made, what keeps them from running, what is removed, and the way of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.cri import OWNER_LABEL, Container, Sandbox
from migrator.errors import ClusterError, RefusedError
from migrator.model.kubernetes import Node
from migrator.model.probe_status import ContainerStatus, Namespace, PodEvent, ProbePod
from migrator.probe_session import api_pods, kubelet_session, manifest, namespace, pod_problems
from migrator.probe_session.api_pods import Started
from migrator.probe_session.startup_trace import trace
from migrator.proof.spec import ASKED
from tests.fakes.clock import FakeClock
from tests.fakes.cluster import CREATED, FakeCluster
from tests.fakes.values import node

SESSION = "5e551011"
SPACE = f"migrator-probe-{SESSION}"
IMAGE = "migrator.invalid/probe:0123456789ab"
Fate = Callable[[ProbePod], ProbePod]


def start(cluster: FakeCluster, clock: FakeClock | None = None, **words: Any) -> Started:
    """Start the pods of a session on worker-1."""
    given = {
        "node": node(),
        "session": SESSION,
        "reference": IMAGE,
        "seconds": 120.0,
        "wait": kubelet_session.at_once,
    } | words
    return api_pods.start(cluster, clock or FakeClock(), **given)


def manifests(on: Node | None = None) -> dict[str, dict[str, Any]]:
    """Give the three manifests."""
    return manifest.pods(SPACE, on or node(), IMAGE)


def containers(on: Node | None = None) -> dict[str, dict[str, Any]]:
    """Give the containers in them, by name."""
    return {entry["name"]: entry for pod in manifests(on).values() for entry in pod["spec"]["containers"]}


def quality(pod: dict[str, Any]) -> str:
    """Give the QoS class that the API gives to a pod."""
    resources = [entry["resources"] for entry in pod["spec"]["containers"]]
    if not any(entry["requests"] or entry["limits"] for entry in resources):
        return "BestEffort"
    whole = all(
        {"cpu", "memory"} == set(entry["limits"]) and entry["limits"] == entry["requests"] for entry in resources
    )
    return "Guaranteed" if whole else "Burstable"


def test_the_pods_are_of_the_classes_that_are_asked_for() -> None:
    """Requests and limits come to the QoS class that the checks expect."""
    found = {letter: quality(pod) for letter, pod in manifests().items()}

    assert found == {entry.pod: entry.quality for entry in ASKED}


def test_a_pod_needs_no_scheduler_no_registry_and_no_token() -> None:
    """It is pinned, tolerates every taint, is never pulled nor started again, mounts nothing, and ends in an hour."""
    for pod in manifests().values():
        spec = pod["spec"]
        assert (spec["nodeName"], spec["tolerations"]) == ("worker-1", [{"operator": "Exists"}])
        assert {entry["imagePullPolicy"] for entry in spec["containers"]} == {"Never"}
        assert (spec["restartPolicy"], spec["automountServiceAccountToken"], spec["enableServiceLinks"]) == (
            "Never",
            False,
            False,
        )
        assert spec["activeDeadlineSeconds"] == 3600
        assert OWNER_LABEL not in pod["metadata"]["labels"]


def test_a_container_is_what_was_asked() -> None:
    """Arguments, limits and security, and nothing that was not asked for."""
    found = containers()

    assert found["one"]["args"] == ["wait", "--lines", "20", "--port", "8080"]
    assert found["two"]["args"] == ["wait"]
    assert found["one"]["resources"] == {
        "requests": {"cpu": "50m", "memory": "16777216"},
        "limits": {"cpu": "200m", "memory": "67108864"},
    }
    assert found["one"]["securityContext"] == {}
    assert found["two"]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["NET_RAW"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert found["mounter"]["securityContext"] == {"privileged": True}


def test_old_kubelets_are_told_of_seccomp_in_their_way() -> None:
    """Before 1.19 an annotation names the profile, and no field does."""
    old = node(kubelet_version="v1.18.20")

    assert "seccompProfile" not in containers(old)["two"]["securityContext"]
    assert manifests(old)["a"]["metadata"]["annotations"] == {
        "container.seccomp.security.alpha.kubernetes.io/two": "runtime/default"
    }
    assert manifests()["a"]["metadata"]["annotations"] == {}


def test_all_containers_are_seen_when_they_run() -> None:
    """Each has its id, pod and address; the namespace is ours and lets a privileged pod in."""
    cluster = FakeCluster([node()])
    cluster.polls = 3

    started = start(cluster)

    assert [(seen.asked, seen.id, seen.pod_name, seen.problem) for seen in started.seen] == [
        (entry, f"id-{entry.name}", f"probe-{entry.pod}", "") for entry in ASKED
    ]
    assert {seen.pod_address for seen in started.seen} == {"10.0.0.7"}
    assert started.problems == ()
    assert cluster.spaces[SPACE].labels == {
        "app.kubernetes.io/managed-by": "migrator",
        OWNER_LABEL: SESSION,
        "pod-security.kubernetes.io/enforce": "privileged",
        "pod-security.kubernetes.io/audit": "privileged",
        "pod-security.kubernetes.io/warn": "privileged",
    }


def test_a_namespace_that_is_too_new_is_waited_for() -> None:
    """Its service account comes a moment later; the request counts from the one that was granted."""
    cluster, clock = FakeCluster([node()]), FakeClock()
    cluster.too_new = 4

    started = start(cluster, clock)

    assert len(started.seen) == 4
    assert started.requests["a"].at == 2.0


def test_a_namespace_that_never_gets_its_account_ends_it() -> None:
    """The message says whose work is missing."""
    cluster = FakeCluster([node()])
    cluster.too_new = 1000

    with pytest.raises(ClusterError, match="controller manager makes it"):
        start(cluster)


def test_a_refusal_is_not_asked_for_again() -> None:
    """What admission says comes through at once."""
    cluster = FakeCluster([node()])
    cluster.refused = "violates PodSecurity"

    with pytest.raises(RefusedError, match="violates PodSecurity"):
        start(cluster)

    assert sum(call.startswith("create pod") for call in cluster.calls) == 1


def test_an_api_server_that_stumbles_while_the_pods_come_is_asked_again() -> None:
    """Errors while waiting are waited out, and do not show."""
    cluster = FakeCluster([node()])
    cluster.polls = 4
    clock = FakeClock(on_sleep=lambda time: cluster.failures.extend(["down"] * 3) if time < 2 else None)

    started = start(cluster, clock)

    assert (len(started.seen), started.problems) == (4, ())


def test_an_api_server_that_falls_silent_says_nothing_about_the_node() -> None:
    """At the deadline nothing is known of the containers: a problem, and no failed container."""
    cluster = FakeCluster([node()])
    clock = FakeClock(on_sleep=lambda _: cluster.failures.extend(["the API server does not answer"] * 3))
    cluster.polls = 1000

    started = start(cluster, clock)

    assert started.seen == ()
    assert "does not answer" in started.unasked[0]


class Forbidding(FakeCluster):
    """A cluster whose user lacks a right."""

    def __init__(self, *forbidden: str) -> None:
        """Name the calls that are forbidden, by how they begin."""
        super().__init__([node()])
        self._forbidden = forbidden

    def _call(self, what: str) -> None:
        super()._call(what)
        if what.startswith(self._forbidden):
            raise RefusedError(f"the user may not {what}")


def test_a_user_who_may_not_look_at_pods_does_not_wait() -> None:
    """Asking again would change nothing."""
    clock = FakeClock()

    started = start(Forbidding("look at"), clock)

    assert (started.seen, len(started.unasked), clock.now()) == ((), 3, 0)


def test_a_user_who_may_not_read_events_learns_from_the_status() -> None:
    """What the kubelet says of the container is told instead."""
    cluster = Forbidding("events of")
    cluster.fates["probe-b"] = status("peer", "waiting", "CreateContainerError", "seccomp is not supported")

    (peer,) = [seen for seen in start(cluster).seen if seen.asked.name == "peer"]

    assert "CreateContainerError: seccomp is not supported" in peer.problem


def status(name: str, state: str, reason: str, message: str = "", exit_code: int = 0) -> Fate:
    """Give the fate of a pod whose containers are all in this state, of which `name` is one."""
    return lambda pod: pod.model_copy(
        update={
            "started": CREATED + 1,
            "statuses": (ContainerStatus(name=name, state=state, reason=reason, message=message, exit_code=exit_code),),
        }
    )


def failed(reason: str, message: str) -> Fate:
    """Give the fate of a pod that its kubelet does not admit."""
    return lambda pod: pod.model_copy(update={"phase": "Failed", "reason": reason, "message": message})


def creating(pod: ProbePod) -> ProbePod:
    """Give a pod that its kubelet is at work on."""
    return status("peer", "waiting", "ContainerCreating")(pod)


def sandbox_failed(message: str, count: int = 1) -> PodEvent:
    """Give the event that a kubelet notes for a sandbox that cannot be made."""
    return PodEvent(type="Warning", reason="FailedCreatePodSandBox", message=message, count=count)


NODE_FAULTS: dict[str, tuple[Fate, tuple[PodEvent, ...], tuple[str, ...]]] = {
    "image absent": (status("peer", "waiting", "ErrImageNeverPull", "Container image is not present"), (), ("ErrImageNeverPull", "does not have the image")),
    "low-level runtime broken": (status("peer", "terminated", "StartError", "OCI runtime create failed: runc: exec format error", 128), (), ("exit code 128", "exec format error", "low-level runtime")),
    "no address left": (creating, (sandbox_failed("plugin bridge failed: no IP addresses available in range set", 3),), ("FailedCreatePodSandBox (3 times)", "/var/lib/cni/networks")),
    "pause image absent": (creating, (sandbox_failed('failed to get sandbox image "x/pause:9"'),) * 3, ("x/pause:9", "pause image")),
    "other cgroup driver": (creating, (sandbox_failed('expected cgroupsPath to be of format "slice:prefix:name"', 5),), ("slice:prefix:name", "same cgroup driver")),
    "image store full": (creating, (sandbox_failed("write /var/lib: no space left on device", 5),), ("no space left", "free disk space")),
    "AppArmor": (creating, (PodEvent(type="Warning", reason="Failed", message="Error: apparmor failed to apply profile", count=4),), ("apparmor", "profile")),
    "silent runtime": (creating, (), ("not running after 120 s", "ContainerCreating")),
    "network never ready": (creating, (PodEvent(type="Warning", reason="NetworkNotReady", message="cni config uninitialized", count=90),), ("not running after 120 s", "cni config uninitialized", "/etc/cni/net.d")),
}  # fmt: skip


@pytest.mark.parametrize(("fate", "events", "said"), NODE_FAULTS.values(), ids=NODE_FAULTS)
def test_what_the_node_cannot_do_is_seen(fate: Fate, events: tuple[PodEvent, ...], said: tuple[str, ...]) -> None:
    """The container is seen as one that never ran, with the runtime's words and what to do; the others run."""
    cluster, clock = FakeCluster([node()]), FakeClock()
    cluster.fates["probe-b"] = fate
    cluster.noted["probe-b"] = events

    started = start(cluster, clock)
    found = {seen.asked.name: seen for seen in started.seen}

    assert [word for word in said if word not in found["peer"].problem] == []
    assert found["peer"].id == ""
    assert all(found[name].id for name in ("one", "two", "mounter"))
    assert started.problems == ()
    assert clock.now() <= 121


CIRCUMSTANCES: dict[str, tuple[Fate, str]] = {
    "pressure": (failed("Evicted", "The node had condition: [DiskPressure]. "), "[DiskPressure].; the node is under pressure: free what is short"),
    "no room": (failed("OutOfcpu", "Node didn't have enough resource: cpu"), "enough resource: cpu; the probe's pods request 120m of CPU"),
    "an unknown reason": (failed("AppArmor", "Cannot enforce AppArmor"), "Cannot enforce AppArmor; the kubelet does not admit it"),
    "deleted": (lambda pod: pod.model_copy(update={"terminating": True}), "somebody deleted it"),
    "pulled after all": (status("peer", "waiting", "ImagePullBackOff"), "AlwaysPullImages"),
}  # fmt: skip


@pytest.mark.parametrize(("fate", "said"), CIRCUMSTANCES.values(), ids=CIRCUMSTANCES)
def test_what_is_no_fault_of_the_runtime_accuses_nobody(fate: Fate, said: str) -> None:
    """There is a problem to tell, and nothing to see of the container: it is unknown, not failed."""
    cluster = FakeCluster([node()])
    cluster.fates["probe-b"] = fate

    started = start(cluster)

    assert [seen.asked.name for seen in started.seen] == ["one", "two", "mounter"]
    assert (len(started.unasked), started.problems) == (1, ())
    assert started.unasked[0].startswith("worker-1: pod probe-b did not start: ")
    assert said in started.unasked[0]


def test_a_kubelet_that_does_nothing_is_its_nodes_fault() -> None:
    """It reports that it is well, and takes no pod up: that is a verdict, though there is nothing to see."""
    cluster = FakeCluster([node()])
    cluster.fates["probe-b"] = lambda pod: pod

    started = start(cluster)

    assert [seen.asked.name for seen in started.seen] == ["one", "two", "mounter"]
    (problem,) = started.problems
    assert "the kubelet of worker-1 has not taken it up in 120 s" in problem
    assert started.unasked == ()


LACKS: dict[str, Fate] = {
    "nothing": lambda pod: pod,
    "an address": lambda pod: pod.model_copy(update={"address": ""}),
    "a container": lambda pod: pod.model_copy(update={"statuses": pod.statuses[:-1]}),
}


@pytest.mark.parametrize(("lacks", "runs"), [("nothing", True), ("an address", False), ("a container", False)])
def test_the_node_is_waited_for_while_its_pods_are_there(lacks: str, *, runs: bool) -> None:
    """Whoever waits can tell whether all of them run; the time for that begins only afterwards."""
    cluster, clock = FakeCluster([node()]), FakeClock()
    told: list[bool] = []

    def wait(running: Callable[[], bool]) -> None:
        assert set(cluster.probes) == set(manifest.NAMES.values())
        cluster.fates["probe-a"] = lambda pod: LACKS[lacks](cluster.run(pod))
        cluster.polls = 0
        told.append(running())
        del cluster.fates["probe-a"]
        clock.sleep(1000)

    started = start(cluster, clock, wait=wait)

    assert told == [runs]
    assert ([seen.problem for seen in started.seen], started.problems, started.unasked) == ([""] * 4, (), ())


@pytest.mark.parametrize(("since", "blamed"), [(0, False), (5, True)])
def test_what_failed_while_the_node_was_waited_for_does_not_count(since: int, *, blamed: bool) -> None:
    """The network's own pods may have come up only then; what fails from then on does."""
    cluster, clock = FakeCluster([node()]), FakeClock()
    begun: list[float] = []
    cluster.fates["probe-b"] = lambda pod: (
        creating(pod) if not begun or clock.now() < begun[0] + 80 else cluster.run(pod)
    )
    cluster.noted["probe-b"] = (sandbox_failed("no network yet", 20),)

    def wait(_: Callable[[], bool]) -> None:
        clock.sleep(100)
        begun.append(clock.now())

    def failing(space: str, name: str) -> tuple[PodEvent, ...]:
        found = read(space, name)
        return (*found, sandbox_failed("still none", since)) if begun and clock.now() > begun[0] and found else found

    read, cluster.events = cluster.events, failing  # type: ignore[method-assign]

    started = start(cluster, clock, wait=wait)

    assert [bool(seen.problem) for seen in started.seen] == [False, False, blamed, False]


def test_a_pod_that_somebody_deletes_does_not_run() -> None:
    """Nor does asking for it end the waiting; what became of it is told afterwards."""
    cluster = FakeCluster([node()])
    told: list[bool] = []

    def wait(running: Callable[[], bool]) -> None:
        del cluster.probes["probe-a"]
        told.append(running())

    started = start(cluster, wait=wait)

    assert told == [False]
    assert "somebody deleted it" in started.unasked[0]


def test_a_node_that_recovers_is_not_accused() -> None:
    """Sandboxes that fail while the network comes up do not count in the first minute."""
    cluster, clock = FakeCluster([node()]), FakeClock()
    cluster.fates["probe-b"] = lambda pod: creating(pod) if clock.now() < 55 else cluster.run(pod)
    cluster.noted["probe-b"] = (sandbox_failed("no network yet", 20),)

    started = start(cluster, clock)

    assert [seen.problem for seen in started.seen] == [""] * 4


def test_one_container_may_fail_beside_one_that_runs() -> None:
    """Within a pod each is judged by itself."""
    cluster = FakeCluster([node()])

    def half(pod: ProbePod) -> ProbePod:
        running = cluster.run(pod)
        ended = ContainerStatus(name="two", id="x", state="terminated", reason="Error", exit_code=1)
        return running.model_copy(update={"statuses": (running.status("one"), ended)})

    cluster.fates["probe-a"] = half

    found = {seen.asked.name: seen for seen in start(cluster).seen}

    assert (found["one"].id, found["two"].id) == ("id-one", "")
    assert found["two"].problem.startswith("ended with exit code 1")


def test_long_words_are_cut() -> None:
    """A message of a runtime is shown in part, in one line."""
    found = pod_problems.of_events([sandbox_failed("word\n" * 1000)], tries=1, before=Counter())

    assert found
    assert len(found.words) < 500
    assert "\n" not in found.words


def space(name: str, on: str, hours: float, **update: Any) -> Namespace:
    """Give a namespace of another session that began so many hours before ours."""
    given = {
        "name": f"migrator-probe-{name}",
        "labels": {**manifest.MANAGED, OWNER_LABEL: name},
        "annotations": {namespace.NODE: on},
        "created": CREATED - hours * 3600,
    }
    return Namespace(**given | update)


def called(name: str) -> Namespace:
    """Give one that would be swept, but for its name."""
    return space("x", "worker-1", 24).model_copy(update={"name": name})


SWEEPS: dict[str, tuple[Namespace, bool]] = {
    "an earlier one on this node": (space("01dfa5ed", "worker-1", 0.01), True),
    "one at work on another node": (space("b0514a5e", "worker-2", 0.1), False),
    "one on another node, of yesterday": (space("c4a54ed0", "worker-2", 24), True),
    "one that is ending": (space("e4d14900", "worker-1", 24, terminating=True), False),
    "somebody else's with our label": (space("07e40000", "worker-1", 24, labels=manifest.MANAGED), False),
    "somebody else's": (space("5e110000", "worker-1", 24, labels={OWNER_LABEL: "x"}), False),
    "one with our marks and another name": (called("shop"), False),
    "one with our marks and the system's name": (called("kube-system"), False),
    "a name that only begins like ours": (space("5e551011-shop", "worker-1", 24), False),
    "a name that only ends like ours": (called("my-migrator-probe-5e551012"), False),
    "a name that is too short": (space("5e5510", "worker-1", 24), False),
    "a name that is no number": (space("database", "worker-1", 24), False),
}


@pytest.mark.parametrize(("other", "deleted"), SWEEPS.values(), ids=SWEEPS)
def test_only_what_nobody_works_on_is_swept(other: Namespace, *, deleted: bool) -> None:
    """Two sessions at once on two nodes leave each other alone; what a crash left goes."""
    cluster = FakeCluster([node()])
    cluster.spaces[other.name] = other

    started = start(cluster)

    assert (other.name not in cluster.spaces) is deleted
    assert SPACE in cluster.spaces
    assert bool(started.notes) is deleted


@given(st.from_regex(r"[a-z0-9]([-a-z0-9]{0,40}[a-z0-9])?", fullmatch=True), st.sampled_from(["", "migrator-probe-"]))
def test_no_namespace_of_another_name_is_swept(name: str, before: str) -> None:
    """Whatever labels and annotation it has: whoever may make a namespace may set those."""
    cluster = FakeCluster([node()])
    other = called(before + name)
    cluster.spaces[other.name] = other
    ours = bool(before) and len(name) == len(SESSION) and set(name) <= set("0123456789abcdef")

    namespace.sweep(cluster, namespace.make(cluster, SESSION, "worker-1"))

    assert (other.name in cluster.spaces) is (not ours or other.name == SPACE)


def test_a_sweep_that_is_not_allowed_stops_nothing() -> None:
    """The session goes on, with a note."""
    started = start(Forbidding("namespaces"))

    assert len(started.seen) == 4
    assert "may not namespaces" in started.notes[0]


def running() -> FakeCluster:
    """Give a cluster in which a session's pods run."""
    cluster = FakeCluster([node()])
    start(cluster)
    cluster.calls.clear()
    return cluster


def removed(cluster: FakeCluster, clock: FakeClock) -> tuple[tuple[str, ...], str]:
    """Remove a session's pods and wait for its namespace; give what stays, and why the namespace does."""
    left = namespace.remove_pods(cluster, clock, SESSION, seconds=60)
    return left, namespace.await_end(cluster, clock, SESSION, seconds=60)


def test_a_removal_leaves_nothing() -> None:
    """Pods go first, with their grace, then the namespace, whose end is not waited for yet."""
    cluster = running()

    left = namespace.remove_pods(cluster, FakeClock(), SESSION, seconds=60)

    assert (left, cluster.probes, cluster.spaces) == ((), {}, {})
    deletions = [call for call in cluster.calls if call.startswith("delete")]
    assert deletions == [
        *(f"delete pod {SPACE}/{name} 5" for name in manifest.NAMES.values()),
        f"delete namespace {SPACE}",
    ]


def test_a_removal_of_nothing_is_done_at_once() -> None:
    """Whoever failed before the first pod may remove all the same."""
    clock = FakeClock()

    assert removed(FakeCluster([node()]), clock) == ((), "")
    assert clock.now() == 0


def test_a_removal_waits_out_an_api_server_that_stumbles() -> None:
    """Errors are asked past."""
    cluster = running()
    cluster.failures = ["down"] * 5

    assert removed(cluster, FakeClock()) == ((), "")
    assert cluster.spaces == {}


def test_a_pod_that_does_not_go_is_told() -> None:
    """At the deadline it is named with its node, and the namespace is asked to go all the same."""
    cluster, clock = running(), FakeClock()
    cluster.stuck = {f"{SPACE}/probe-c"}

    left = namespace.remove_pods(cluster, clock, SESSION, seconds=60)

    assert left == (f"pod {SPACE}/probe-c is still there: the kubelet of worker-1 has not reported its end",)
    assert f"delete namespace {SPACE}" in cluster.calls
    assert 60 <= clock.now() < 62


def test_a_namespace_that_stays_is_only_noted() -> None:
    """It says nothing about the node; the controller's reason is told."""
    cluster = running()
    cluster.undeletable = "metrics.k8s.io/v1beta1 is unavailable"

    left, note = removed(cluster, FakeClock())

    assert left == ()
    assert note == f"namespace {SPACE} is still being deleted: metrics.k8s.io/v1beta1 is unavailable"
    assert cluster.calls.count(f"delete namespace {SPACE}") == 1
    assert "namespaces" not in cluster.calls  # of a whole cluster, each second


POD = ProbePod(namespace=SPACE, name="probe-a", uid="u", created=CREATED, started=CREATED)
PULLED = PodEvent(type="Normal", reason="Pulled", message="already present", time=CREATED + 1)
SANDBOX = Sandbox(
    id="s", name="probe-a", uid="u", namespace=SPACE, ready=True, labels={}, created_at=int((CREATED + 0.75) * 1e9)
)
ONE = Container(
    id="c", sandbox="s", name="one", state="running", labels={},
    created_at=int((CREATED + 1.5) * 1e9), started_at=int((CREATED + 1.75) * 1e9),
)  # fmt: skip


def test_the_way_of_a_pod() -> None:
    """All stages come in order with the time since the request; whole seconds are marked as such."""
    legs = trace(POD, [PULLED], SANDBOX, ONE, CREATED + 1.8, asked=CREATED + 0.5, answered=0.1)

    assert [(leg.step, leg.seconds, leg.resolution) for leg in legs] == [
        ("api", 0.1, 0.0),
        ("kubelet", 0.0, 1.0),
        ("cri", 0.25, 0.01),
        ("image", 0.5, 1.0),
        ("low-level", 1.0, 0.01),
        ("low-level", 1.25, 0.01),
        ("kernel", 1.3, 1.0),
    ]


def test_the_way_of_a_pod_by_the_api_servers_clock() -> None:
    """When nobody knows the moment of the request, nothing is more exact than a second."""
    legs = trace(POD, [], SANDBOX, ONE, CREATED + 1.8)

    assert {leg.resolution for leg in legs} == {1.0}
    assert [leg.step for leg in legs] == ["api", "kubelet", "cri", "low-level", "low-level", "kernel"]


def test_stages_that_are_not_known_are_left_out() -> None:
    """Nothing is guessed."""
    bare = POD.model_copy(update={"started": 0.0})

    assert [leg.step for leg in trace(bare, [], None, None, 0.0)] == ["api"]


def test_clocks_that_differ_show() -> None:
    """A node whose clock is ten seconds behind gives times before the request, not zeros."""
    legs = trace(POD.model_copy(update={"started": CREATED - 10}), [], None, None, CREATED - 8)

    assert [leg.seconds for leg in legs] == [0.0, -10.0, -8.0]


@pytest.mark.parametrize("away", [30, 119, 200])
def test_time_in_which_the_api_server_is_away_is_not_held_against_the_kubelet(away: float) -> None:
    """It could not know of the pods either; when the API server is back, they have their time."""
    cluster = FakeCluster([node()])
    clock = FakeClock()
    real = cluster.probe_pod

    def look(namespace: str, name: str) -> ProbePod:
        if 1 <= clock.now() < away:
            raise ClusterError("the API server does not answer")
        if clock.now() < away + 20:  # the kubelet has just heard of it
            return cluster.probes[name]
        return real(namespace, name)

    cluster.probe_pod = look  # type: ignore[method-assign]

    started = start(cluster, clock)

    assert started.problems == ()
    assert (len(started.seen), started.unasked) == (4, ()) if away < 120 else len(started.unasked) == 3


def test_pods_that_could_not_be_asked_about_do_not_accuse_their_node() -> None:
    """The API server was away while they ended."""
    cluster, clock = FakeCluster([node()]), FakeClock()
    real = cluster.probe_pod

    def look(namespace: str, name: str) -> ProbePod:
        if clock.now() < 175:
            raise ClusterError("the API server does not answer")
        return real(namespace, name)

    start(cluster)
    cluster.polls = 20
    cluster.probe_pod = look  # type: ignore[method-assign]

    assert namespace.remove_pods(cluster, clock, SESSION, seconds=180) == ()
