"""A session from the lock to the last look: what it sees, what breaks in the middle, and that nothing of it stays."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from migrator.cri import Container, Executed
from migrator.engine.migration import STEPS
from migrator.errors import (
    BusyError,
    ClusterError,
    CriError,
    Fault,
    HostProblemError,
    HostUnreachableError,
    MigratorError,
    RefusedError,
    StepFailedError,
)
from migrator.model.evidence import Evidence, Leftover, Outcome, Via
from migrator.model.facts import FileFact
from migrator.model.plan import FileChange, MigrationPlan
from migrator.planning import plan
from migrator.probe_session import cri_containers, kubelet_session, rehearsal
from migrator.probe_session.exercise import Address, Around
from migrator.proof.image import REFERENCE
from migrator.proof.verdict import judge
from tests.fakes import proof
from tests.fakes.cluster import CREATED
from tests.fakes.probed import LIMIT, PRIVATE, ProbedNode
from tests.fakes.values import situation

NODE_PLAN = plan.make(situation(), STEPS)
BOTH = pytest.mark.parametrize("via", list(Via))


def run(node: ProbedNode, node_plan: MigrationPlan = NODE_PLAN) -> Evidence:
    """Run a session: pods, or a rehearsal."""
    if node.via is Via.KUBELET:
        return kubelet_session.prove(node.bench, node.cluster, node.good.circumstances)
    known = node.good.circumstances.model_copy(update={"via": Via.KUBELET, "cgroup_root": "", "pods_limit": 0})
    return rehearsal.rehearse(node.bench, node_plan, known, kubelet_session.around(node.cluster, cluster_dns=False))


def clean(node: ProbedNode) -> bool:
    """Tell whether nothing stays: nothing in cluster and runtime, no image, no instance, no connection."""
    assert (node.runtime.pods, node.runtime.running) == ({}, {})
    assert (node.cluster.spaces, node.cluster.probes) == ({}, {})
    assert node.runtime.closed or "connect" in node.runtime.failures or not node.runtime.addresses
    imported = [words["reference"] for words in node.asked("import_image")]
    assert [words["reference"] for words in node.asked("remove_image")] == imported
    started = [words["session"] for words in node.asked("start_runtime")]
    assert [words["session"] for words in node.asked("stop_runtime")] == started
    assert "stop_runtime" not in node.line.questions or node.line.questions[-1] == "stop_runtime"
    return True


def results(evidence: Evidence) -> dict[str, Outcome]:
    """Give what each check came to, by its id."""
    return {entry.id: entry.outcome for entry in judge(evidence).checks}


@BOTH
def test_a_good_node_gives_good_evidence(via: Via) -> None:
    """Every check that such a session can pass is passed; a rehearsal has neither kubelet nor the cluster's DNS."""
    node = ProbedNode(via)

    evidence = run(node)

    found = results(evidence)
    beyond = {"resolve", "kubelet-service", "runtime-service"} if via is Via.CRI else set()
    assert {name for name, outcome in found.items() if outcome is not Outcome.PASSED} == beyond
    assert found.keys() == results(node.good).keys()
    assert (judge(evidence).good, evidence.left) == (True, ())
    assert {act.name for act in node.good.acts} - {"resolve"} <= {act.name for act in evidence.acts}
    assert evidence.circumstances.memory == proof.MEMORY
    assert clean(node)


@BOTH
def test_a_container_is_asked_in_one_go(via: Via) -> None:
    """Starting a process in a container is slow: five for four containers, and what kills comes last."""
    node = ProbedNode(via)

    run(node)

    executed = [call for call in node.runtime.calls if call.startswith("execute")]
    assert [call.split()[1] for call in executed] == ["mounter", "one", "two", "peer", "one"]
    assert executed[-1].split(" -- ")[-1].startswith("memory ")


@BOTH
def test_an_image_that_an_earlier_session_left_goes_too(via: Via) -> None:
    """Its name is ours alone, so nobody else can need it."""
    node = ProbedNode(via)
    node.line.answers["import_image"] = {"had": True}

    run(node)

    assert len(node.asked("remove_image")) == 1


BROUGHT: dict[str, Any] = {
    "the archive is damaged": HostProblemError("worker-1: the archive is damaged"),
    "the store's filesystem is full": {"had": False, "refused": "the store's filesystem is full"},
}


@pytest.mark.parametrize(
    ("via", "problem"),
    [
        (Via.CRI, "the archive is damaged"),
        (Via.KUBELET, "the archive is damaged"),
        (Via.CRI, "the store's filesystem is full"),
    ],
)
def test_an_image_that_cannot_be_brought_ends_it(via: Via, problem: str) -> None:
    """The host's words reach the caller, no container was started, and nothing stays."""
    node = ProbedNode(via)
    node.line.answers["import_image"] = BROUGHT[problem]
    node.line.answers["remove_image"] = {"had": False}

    with pytest.raises(HostUnreachableError, match=problem):
        run(node)

    assert [call.split()[0] for call in node.runtime.calls] == ["connect"]
    assert (node.cluster.calls, node.runtime.closed) == ([], True)
    assert len(node.asked("stop_runtime")) == int(via is Via.CRI)


def test_a_store_that_takes_no_image_is_found() -> None:
    """On a node that serves that is its own fault: one check says so, and no pod was started."""
    node = ProbedNode(Via.KUBELET)
    node.line.answers["import_image"] = BROUGHT["the store's filesystem is full"]

    evidence = run(node)

    found = judge(evidence)
    assert [(entry.id, entry.found.partition(": ")[2]) for entry in found.failed if entry.id == "has-image"] == [
        ("has-image", "the store's filesystem is full")
    ]
    assert (found.good, len(evidence.problems), node.cluster.calls, node.runtime.closed) == (False, 1, [], True)
    assert len(node.asked("remove_image")) == 1


def test_a_runtime_that_cannot_be_asked_is_found() -> None:
    """Likewise: its words are what a check found, and nothing else is accused."""
    node = ProbedNode(Via.KUBELET)
    node.runtime.fail("connect", "its CRI plugin is disabled", Fault.DISABLED)

    evidence = run(node)

    assert [(entry.id, entry.found) for entry in judge(evidence).failed] == [
        ("runtime-answers", "its CRI plugin is disabled")
    ]
    assert evidence.problems == ("no pod could be started: its CRI plugin is disabled",)
    assert (node.cluster.calls, node.asked("import_image")) == ([], [])


def test_forwarding_that_a_pod_turned_on_was_off() -> None:
    """What the host did before the first pod counts: the bridge plugin mends it with each pod, and nobody else does."""
    node = ProbedNode(Via.KUBELET)
    node.line.answers["resting"] = {"net/ipv4/ip_forward": "0"}

    assert [(entry.id, entry.found) for entry in judge(run(node)).failed] == [
        ("ip-forward", "0 before the probe's pods, 1 with them")
    ]


@BOTH
def test_a_second_session_on_a_node_begins_nothing(via: Via) -> None:
    """Who holds the lock is waited for and told; nothing else was asked of anybody."""
    node = ProbedNode(via)
    node.line.answers["lock"] = {"holder": "session 0a1b2c3d of a rehearsal is at work here since 12:00"}

    with pytest.raises(BusyError, match="0a1b2c3d of a rehearsal"):
        run(node)

    assert (set(node.line.questions), node.runtime.calls, node.cluster.calls) == ({"lock"}, [], [])


@BOTH
def test_a_session_begins_when_the_one_before_has_ended(via: Via) -> None:
    """Somebody's `verify` beside an `apply` is no reason to fail."""
    node = ProbedNode(via)
    holders = iter(["somebody", "somebody", ""])
    node.line.answers["lock"] = lambda **_: {"holder": next(holders)}

    assert not judge(run(node)).failed
    assert node.line.questions[:3] == ["lock"] * 3


# --- what breaks in the middle


def cut(node: ProbedNode, verb: str, code: int, torn: str = "") -> Callable[[Container, tuple[str, ...]], Executed]:
    """Have "one" end when it is asked this for the last time: what it said before stays said."""

    def execute(container: Container, command: tuple[str, ...]) -> Executed:
        words = " ".join(command[2:]).split(" -- ")
        at = [number for number, word in enumerate(words) if word.split()[0] == verb]
        if container.name != "one" or not at:
            return node.execute(container, command)
        before = ("/probe", "each", *" -- ".join(words[: at[0]]).split())
        return Executed(code, node.execute(container, before).stdout + f"\n{torn}".encode(), b"")

    return execute


@BOTH
def test_a_container_that_is_killed_in_the_middle(via: Via) -> None:
    """What it was at gets the exit code, what follows was not tried, and everything else goes on."""
    node = ProbedNode(via)
    node.runtime.on_execute = cut(node, "fork", 137, '{"forked": 1')

    evidence = run(node)

    acts = {act.name: act for act in evidence.acts if act.container == "one"}
    assert acts["spin"].answer["cpu_ns"]
    assert (acts["fork"].exit_code, acts["fork"].answer, acts["fork"].problem) == (137, {}, "")
    assert {acts[name].problem for name in ("bind-taken", "exec", "egress", "memory-over")} == {
        "the container had ended"
    }
    assert (acts["log"].facts["lines"], evidence.act("stop") is not None, evidence.problems) == (20, True, ())
    assert results(evidence)["memory-enforced"] is Outcome.UNKNOWN
    assert clean(node)


@BOTH
def test_a_limit_that_ends_the_whole_container_holds_too(via: Via) -> None:
    """Newer kubelets have all of a container killed for one process: no answer comes, and its exit code says why."""
    node = ProbedNode(via)
    node.runtime.on_execute = lambda container, command: (
        Executed(137, node.execute(container, command[:-3]).stdout, b"")
        if command[-2:-1] == ("memory",)
        else node.execute(container, command)
    )

    evidence = run(node)

    over = evidence.act("memory-over")
    assert over
    assert (over.exit_code, over.answer, over.problem) == (137, {}, "")
    assert results(evidence)["memory-enforced"] is Outcome.PASSED


def test_a_probe_that_says_too_little_accuses_nobody() -> None:
    """With exit code 0 and no answer nothing is known."""
    node = ProbedNode(Via.CRI)
    node.runtime.on_execute = cut(node, "spin", 0)

    act = run(node).act("spin")

    assert act
    assert act.problem == "it ended before"


def test_a_container_that_the_runtime_refuses() -> None:
    """Its problem is what is seen of it, in the runtime's words; the others are asked all the same."""
    node = ProbedNode(Via.CRI)
    node.runtime.fail("create_container two", "seccomp is not supported")

    evidence = run(node)

    problems = {entry.asked.name: entry.problem for entry in evidence.containers}
    assert problems == {"one": "", "two": "seccomp is not supported", "peer": "", "mounter": ""}
    assert {act.container for act in evidence.acts} == {"", "one", "peer", "mounter"}
    assert [entry.id for entry in judge(evidence).failed] == ["container-runs[a/two]"]
    assert clean(node)


def test_a_sandbox_that_the_runtime_refuses() -> None:
    """All of the pod's containers have its problem, and nobody calls them."""
    node = ProbedNode(Via.CRI)
    node.runtime.fail("run_sandbox migrator-probe-b", "no IP addresses available")

    evidence = run(node)

    assert [entry.asked.name for entry in evidence.containers if entry.problem] == ["peer"]
    assert evidence.act("pod-to-pod") is None
    assert evidence.act("exec")
    assert clean(node)


@BOTH
@pytest.mark.parametrize("call", ["containers", "execute", "execute peer", "image", "stop_container"])
@pytest.mark.parametrize("fault", [Fault.LOST, Fault.HUNG])
def test_a_runtime_that_dies_or_hangs(via: Via, call: str, fault: Fault) -> None:
    """It is asked nothing more of the interview, what was seen stays seen, and everything is removed."""
    node = ProbedNode(via)

    def execute(container: Container, command: tuple[str, ...]) -> Executed:
        if call == "execute peer" and container.name == "peer":
            raise CriError("containerd does not answer", fault)
        return node.execute(container, command)

    node.runtime.on_execute = execute
    node.runtime.fail(call, "containerd does not answer", fault)

    evidence = run(node)

    assert evidence.problems[0] == "the session broke off: containerd does not answer"
    assert len(evidence.containers) == 4
    assert not judge(evidence).good
    assert judge(evidence).failed == ()
    assert clean(node)


@BOTH
def test_a_runtime_that_stays_dead_hides_nothing(via: Via) -> None:
    """Neither containers nor image can be removed then: that is told beside what broke, and the instance ends."""
    node = ProbedNode(via)
    for call in ("execute", "sandboxes"):
        node.runtime.fail(call, "containerd is gone", Fault.LOST)
    node.line.answers["remove_image"] = HostProblemError("`ctr images remove` failed: connection refused")

    evidence = run(node)

    broke, probes, image = evidence.problems
    assert broke == "the session broke off: containerd is gone"
    assert "could not be removed: containerd is gone" in probes
    assert image == "the probe's image could not be removed: `ctr images remove` failed: connection refused"
    assert (len(node.asked("stop_runtime")), node.runtime.closed) == (int(via is Via.CRI), True)


@BOTH
def test_what_is_refused_in_the_middle_is_not_known(via: Via) -> None:
    """Asking goes on; what was refused has the runtime's words as its problem; only that it answers has failed."""
    node = ProbedNode(via)
    for call in ("execute", "image", "stop_container", "status"):
        node.runtime.fail(call, "not today")

    evidence = run(node)

    refused = {act.name for act in evidence.acts if act.problem == "not today"}
    assert {"mount", "port", "memory-over", "exec", "image", "stop"} <= refused
    assert (evidence.runtime.problem, evidence.problems) == ("not today", ())
    assert [name for name, outcome in results(evidence).items() if outcome is Outcome.FAILED] == ["runtime-answers"]
    assert clean(node)


@BOTH
def test_what_a_host_cannot_do_is_not_known(via: Via) -> None:
    """A host without a question's answer leaves that unknown and the rest as it is."""
    node = ProbedNode(via)
    for question in ("shared_memory", "mounted", "counters", "connect"):
        node.line.answers[question] = HostProblemError("not here")

    found = results(run(node))

    assert [name for name, outcome in found.items() if outcome is Outcome.FAILED] == []
    assert found["memory-enforced"] is Outcome.PASSED
    assert clean(node)


@BOTH
def test_a_process_that_ends_while_it_is_looked_at(via: Via) -> None:
    """The host cannot show it any more; the other containers are seen from there."""
    node = ProbedNode(via)
    looked: list[int] = []

    def view(pid: int) -> Any:
        looked.append(pid)
        if pid != 1 and len(looked) == 2:
            raise HostProblemError(f"there is no process {pid}")
        return node.view(pid)

    node.line.answers["view"] = view

    evidence = run(node)

    assert [entry.asked.name for entry in evidence.containers if entry.outside is None] == ["one"]
    assert evidence.problems == ()


@BOTH
def test_an_interrupt_removes_everything(via: Via) -> None:
    """Ctrl-C in the middle of the interview ends it, and nothing stays."""
    node = ProbedNode(via)
    node.line.answers["mounted"] = KeyboardInterrupt()

    with pytest.raises(KeyboardInterrupt):
        run(node)

    assert clean(node)


# --- what a removal leaves


def test_what_is_left_is_waited_for() -> None:
    """A kubelet collects once a minute: only what is still there after three counts."""
    node = ProbedNode(Via.KUBELET)
    rest = [{"kind": "log", "what": "/var/log/pods/x"}]
    node.line.answers["left"] = lambda **_: rest if node.clock.now() < 60 else []

    assert run(node).left == ()
    assert 60 <= node.clock.now() < 64

    node.line.answers["left"] = rest
    assert run(node).left == (Leftover(kind="log", what="/var/log/pods/x"),)
    assert 240 <= node.clock.now() < 252


def test_logs_need_not_be_waited_for() -> None:
    """Whoever has no time for the kubelet's minute waits for everything else only, and the evidence says so."""
    node = ProbedNode(Via.KUBELET)
    log, process = {"kind": "log", "what": "/var/log/pods/x"}, {"kind": "process", "what": "1 probe"}
    node.line.answers["left"] = lambda **_: [log, process] if node.clock.now() < 10 else [log]

    evidence = kubelet_session.prove(node.bench, node.cluster, node.good.circumstances, logs=False)

    assert (evidence.left, evidence.waited) == ((), False)
    assert 10 <= node.clock.now() < 14


def test_a_node_that_does_not_get_ready_is_not_waited_for_once_more() -> None:
    """Its kubelet has had its time; it removes no pods either, and whoever puts the node back need not wait for that."""
    node = ProbedNode(Via.KUBELET)
    node.cluster.polls = 1_000_000

    def wait(_: Callable[[], bool]) -> None:
        raise StepFailedError("it is not Ready")

    with pytest.raises(StepFailedError, match="it is not Ready"):
        kubelet_session.begin(node.bench, node.cluster, node.good.circumstances, wait)

    assert node.clock.now() < 10
    assert [call for call in node.cluster.calls if call.startswith("delete pod")]


def test_a_session_may_go_on() -> None:
    """Its pods stay until it is ended, and nobody has looked for what they leave until then."""
    node = ProbedNode(Via.KUBELET)

    session = kubelet_session.begin(node.bench, node.cluster, node.good.circumstances, kubelet_session.at_once)

    assert session.evidence.left is None
    assert len(session.evidence.containers) == len(node.good.containers)
    assert node.runtime.pods
    assert node.cluster.probes
    assert not node.asked("left")

    evidence = session.end(logs=False)

    assert (evidence.left, evidence.problems) == ((), ())
    assert evidence.acts == session.evidence.acts
    assert clean(node)


@BOTH
def test_what_could_be_left_is_named(via: Via) -> None:
    """Ids of containers and sandboxes, pods, addresses, network namespaces and the host's ends of their links."""
    node = ProbedNode(via)

    evidence = run(node)

    (named,) = node.asked("left")
    assert set(named["ids"]) == {name for entry in evidence.containers for name in (entry.id, entry.sandbox)}
    assert set(named["uids"]) == {entry.pod_uid for entry in evidence.containers}
    assert set(named["addresses"]) == {entry.pod_address for entry in evidence.containers}
    assert len(named["netns"]) == 3
    assert named["interfaces"] == ["veth21", "veth22", "veth23"]
    assert named["words"] == ([f"migrator-probe-{node.session}"] if via is Via.KUBELET else [])


def test_a_pod_that_does_not_go_is_a_problem() -> None:
    """It is named; the evidence is whole otherwise."""
    node = ProbedNode(Via.KUBELET)
    node.line.answers["hello"] = lambda: (
        node.cluster.stuck.add(f"migrator-probe-{node.session}/probe-c") or {"machine": "x86_64", "now": CREATED}
    )

    evidence = run(node)

    (problem,) = evidence.problems
    assert f"pod migrator-probe-{node.session}/probe-c is still there" in problem
    assert node.runtime.pods == {}


def test_what_ended_is_removed_while_the_rest_is_waited_for() -> None:
    """A kubelet keeps a pod until its containers are removed: those of pods that ended are, and no running one is."""
    node = ProbedNode(Via.KUBELET)
    delete = node.cluster.delete_pod

    def deleted(namespace: str, name: str, grace: int) -> None:
        delete(namespace, name, grace)
        node.cluster.stuck.add(f"{namespace}/{name}")
        for container in list(node.runtime.running.values()):
            if node.runtime.pods[container.sandbox].name == name != "probe-c":
                node.runtime.stop_container(container.id, grace)

    remove = node.runtime.remove_sandbox

    def removed(identity: str) -> None:
        node.cluster.stuck.discard(f"migrator-probe-{node.session}/{node.runtime.pods[identity].name}")
        remove(identity)

    node.cluster.delete_pod = deleted  # type: ignore[method-assign]
    node.runtime.remove_sandbox = removed  # type: ignore[method-assign]

    evidence = run(node)

    assert [problem.split()[1].rpartition("/")[2] for problem in evidence.problems] == ["probe-c"]
    assert node.runtime.pods == {}


# --- pods


def test_pods_that_never_start_are_problems() -> None:
    """A kubelet that sleeps accuses no runtime, and the pods go again."""
    node = ProbedNode(Via.KUBELET)
    node.cluster.fates = dict.fromkeys(node.cluster.fates, lambda pod: pod)

    evidence = run(node)

    assert len(evidence.problems) == 3
    assert all("has not taken it up" in problem for problem in evidence.problems)
    assert judge(evidence).failed == ()
    assert clean(node)


def test_what_the_api_server_refuses_is_not_begun() -> None:
    """Its words reach the caller; no pod was made and no namespace stays."""
    node = ProbedNode(Via.KUBELET)
    node.cluster.refused = "violates PodSecurity"

    with pytest.raises(RefusedError, match="violates PodSecurity"):
        run(node)

    assert (node.cluster.manifests, node.runtime.sandbox_specs) == ({}, {})
    assert clean(node)


def test_an_api_server_that_does_not_answer_begins_nothing() -> None:
    """The node is asked for first, before anything is made."""
    node = ProbedNode(Via.KUBELET)
    node.cluster.failures = ["the API server does not answer"]

    with pytest.raises(ClusterError, match="does not answer"):
        run(node)

    assert not [call for call in node.cluster.calls if call.startswith("create")]
    assert clean(node)


def test_a_log_that_nobody_gives_is_empty() -> None:
    """The kubelet's refusal is no more than that."""
    node = ProbedNode(Via.KUBELET)

    def refused(*_: str) -> str:
        raise ClusterError("the kubelet does not answer")

    node.cluster.log = refused  # type: ignore[method-assign]

    act = run(node).act("log")

    assert act
    assert (act.facts["lines"], act.facts["expected"]) == (0, 20)


def test_the_way_of_the_first_pod_is_told() -> None:
    """From the API server to the first process, whose start the host's clock ticks tell."""
    node = ProbedNode(Via.KUBELET)
    ticks = " ".join(["1000", "(probe)", "S", *["0"] * 18, "250", "0"])
    node.good = proof.spoilt(node.good, outside={"files": {"stat": ticks}})
    node.good = proof.on_host(node.good, raw={"files": {"/proc/stat": f"cpu 0\nbtime {CREATED:.0f}\n"}})

    legs = {leg.step: leg for leg in run(node).trace}

    assert set(legs) == {"api", "kubelet", "cri", "low-level", "kernel"}
    assert legs["kernel"].seconds == 2.0  # asked for half a second before the host said that it is one after CREATED


def test_what_lies_around_is_what_the_api_server_tells() -> None:
    """The Service, what is behind it, and a name; only the name where it does not tell."""
    node = ProbedNode(Via.KUBELET)
    name = "kubernetes.default.svc"

    assert kubelet_session.around(node.cluster) == Around(Address("10.96.0.1", 443), Address("10.77.0.1", 6443), name)

    def silent() -> None:
        raise ClusterError("no answer")

    node.cluster.kubernetes_service = silent  # type: ignore[method-assign]
    assert kubelet_session.around(node.cluster) == Around(name=name)
    assert kubelet_session.around(node.cluster, cluster_dns=False) == Around()


# --- rehearsals


def test_older_rehearsals_go_first() -> None:
    """What a crash left is removed before anything is started; what of it would not go is told."""
    node = ProbedNode(Via.CRI)
    node.line.answers["sessions"] = [{"session": "deadbeef", "unit": "", "since": 0.0, "active": False}]
    node.line.answers["stop_runtime"] = lambda session, **_: {"left": ["cgroup /x"] if session == "deadbeef" else []}

    evidence = run(node)

    assert node.line.questions[:4] == ["lock", "sessions", "stop_runtime", "start_runtime"]
    assert [words["session"] for words in node.asked("stop_runtime")] == ["deadbeef", node.session]
    assert node.said[:2] == ["removes what the rehearsal deadbeef left", "cgroup /x would not go"]
    assert evidence.problems == ()


def test_a_rehearsal_says_which_containers_were_its_own() -> None:
    """Its database need not show them any more when what they left is looked for."""
    node = ProbedNode(Via.CRI)

    evidence = run(node)

    (asked,) = node.asked("stop_runtime")
    names = {name for entry in evidence.containers for name in (entry.id, entry.sandbox)}
    assert set(asked["ids"]) == names - {""} != set()


FAILS: dict[str, tuple[str, type[MigratorError]]] = {
    "the instance does not start": ("start_runtime", HostUnreachableError),
    "no image for sandboxes": ("carry_image", HostUnreachableError),
    "the host shows nothing": ("host", HostUnreachableError),
    "its socket does not answer": ("connect", CriError),
    "it dies at the first sandbox": ("run_sandbox", CriError),
}


@pytest.mark.parametrize(("what", "error"), FAILS.values(), ids=FAILS)
def test_a_rehearsal_that_fails_is_removed(what: str, error: type[MigratorError]) -> None:
    """The reason reaches the caller, the instance ends, and what would not go is told."""
    node = ProbedNode(Via.CRI)
    if error is CriError:
        node.runtime.fail(what, "it said why", Fault.LOST)
    else:
        node.line.answers[what] = HostProblemError("it said why")
    node.line.answers["stop_runtime"] = {"left": ["mount /run/migrator/x"]}

    with pytest.raises(error, match="it said why"):
        run(node)

    assert node.said[-1] == "the rehearsal left behind: mount /run/migrator/x"
    assert clean(node)


def test_what_of_a_rehearsal_would_not_go_is_a_problem() -> None:
    """Each thing is named, and so is a sandbox that its runtime keeps; the evidence stays."""
    node = ProbedNode(Via.CRI)
    node.line.answers["stop_runtime"] = {"left": ["process 4711", "cgroup /migrator.slice"]}
    node.runtime.fail("remove_sandbox migrator-probe-b", "device or resource busy")

    evidence = run(node)

    assert evidence.problems == (
        "device or resource busy",
        "the rehearsal left behind: process 4711",
        "the rehearsal left behind: cgroup /migrator.slice",
    )
    assert len(node.runtime.pods) == 1


def test_a_rehearsal_that_cannot_be_removed_says_so() -> None:
    """The host's words are a problem of evidence that is whole otherwise."""
    node = ProbedNode(Via.CRI)
    node.line.answers["stop_runtime"] = HostProblemError("systemd does not answer")

    assert run(node).problems == ("the rehearsal could not be removed: systemd does not answer",)


def test_processes_of_a_rehearsal_are_limited() -> None:
    """As a kubelet's podPidsLimit would, so that the fork shows whether limits hold; unknown where that is not to be."""
    node = ProbedNode(Via.CRI)
    evidence = run(node)
    one = evidence.container("one")
    assert one
    assert (node.asked("limit_processes"), evidence.circumstances.pods_limit) == (
        [{"pid": one.pid, "most": LIMIT}],
        LIMIT,
    )

    node = ProbedNode(Via.CRI)
    node.line.answers["limit_processes"] = HostProblemError("there is no pids controller")
    evidence = run(node)
    assert evidence.circumstances.pods_limit == 0


def test_an_instance_has_the_plans_configuration() -> None:
    """Private where it must be, with the plan's own files; those that are copied from elsewhere keep their place."""
    spec, key = "/etc/containerd/migrator-spec.json", "/etc/containerd/certs.d/x/client.key"
    config = f'version = 2\nroot = "/srv/c"\nx = "{spec}"\ny = "{key}"\n[plugins."io.containerd.grpc.v1.cri"]\nsandbox_image = "p:1"\n'
    before = FileFact(path="x")
    files = (
        FileChange(path="/etc/containerd/config.toml", content=config, before=before),
        FileChange(path=spec, content="{}", before=before),
        FileChange(path=key, copies=FileFact(path="/etc/docker/certs.d/x/client.key", exists=True), before=before),
    )
    node = ProbedNode(Via.CRI)

    run(node, NODE_PLAN.model_copy(update={"files": files, "root": "/srv/c"}))

    (words,) = node.asked("start_runtime")
    text = base64.b64decode(words["config"]).decode()
    assert 'root = "@ROOT@"' in text
    assert 'x = "@FILES@/etc_containerd_migrator-spec.json"' in text
    assert f'y = "{key}"' in text
    contents = {name: base64.b64decode(content).decode() for name, content in words["files"].items()}
    assert contents == {"etc_containerd_config.toml": config, "etc_containerd_migrator-spec.json": "{}"}
    assert words["root"] == "/srv"
    assert node.asked("carry_image") == [{"reference": "p:1", "socket": PRIVATE}]


def test_nothing_to_rehearse_starts_nothing() -> None:
    """A plan without a configuration is refused with its node."""
    node = ProbedNode(Via.CRI)

    with pytest.raises(StepFailedError, match="worker-1: the plan has no /etc/containerd/config.toml"):
        run(node, NODE_PLAN.model_copy(update={"files": ()}))

    assert node.asked("start_runtime") == []


@pytest.mark.parametrize(
    ("driver", "root", "pod"),
    [
        ("systemd", "migrator.slice/migrator-0123abcd.slice", "migrator-0123abcd-a.slice"),
        ("cgroupfs", "migrator-0123abcd", "/migrator-0123abcd/a"),
    ],
)
def test_a_rehearsals_cgroups_are_below_one_of_ours(driver: str, root: str, pod: str) -> None:
    """In the form that the driver wants, where nothing that serves is."""
    parents = cri_containers.Parents("0123abcd", driver)

    assert (parents.root, parents.of("a")) == (root, pod)


def test_containers_are_asked_for_as_a_kubelet_would() -> None:
    """Shares, quota and score are those of the QoS class; paths are protected except in the privileged one."""
    node = ProbedNode(Via.CRI)

    run(node)

    specs = {spec.name: spec for spec in node.runtime.container_specs.values()}
    assert {name: (spec.cpu_shares, spec.cpu_quota, spec.oom_score_adj) for name, spec in specs.items()} == {
        "one": (51, 20000, 999), "two": (20, 10000, 999), "peer": (51, 5000, -997), "mounter": (2, 0, 1000),
    }  # fmt: skip
    assert {name: bool(spec.masked_paths) for name, spec in specs.items()} == {
        "one": True, "two": True, "peer": True, "mounter": False,
    }  # fmt: skip
    assert {spec.image for spec in specs.values()} == {REFERENCE}
    assert specs["one"].args == ("wait", "--lines", "20", "--port", "8080")
    (asked,) = node.asked("log")
    one = next(entry for entry in node.runtime.sandbox_specs.values() if entry.name == "migrator-probe-a")
    assert (
        asked["path"]
        == f"{one.log_directory}/{specs['one'].log_path}"
        == f"/run/migrator/private/logs/{one.uid}/one/0.log"
    )


@BOTH
def test_evidence_can_be_kept(via: Via) -> None:
    """What a session saw survives being written as JSON, and means the same."""
    evidence = run(ProbedNode(via))

    again = Evidence.model_validate(json.loads(evidence.model_dump_json()))

    assert judge(again) == judge(evidence)


@BOTH
def test_a_way_to_the_runtime_that_is_lost_says_nothing_about_the_runtime(via: Via) -> None:
    """The relay to it is a program of its own: the witness may answer, and the runtime could not be asked all the same."""
    node = ProbedNode(via)
    for call in ("execute", "sandboxes"):
        node.runtime.fail(call, "the connection was closed", Fault.LOST)
    node.line.unreached = lambda _: True  # type: ignore[method-assign]
    node.line.lost = lambda _: "the connection to worker-1 was lost"  # type: ignore[method-assign]

    evidence = run(node)

    assert evidence.problems == ()
    assert "the session broke off: the connection to worker-1 was lost" in evidence.unasked
