"""`migrator verify`: which nodes are proved, rebooted and reported, and with what exit code."""

from __future__ import annotations

import base64
import io
import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from migrator.app import observe
from migrator.app import reboot as rebooting
from migrator.app.connections import Connections
from migrator.app.verify_nodes import VerifyJob
from migrator.app.verify_nodes import verify as verify_nodes
from migrator.cli import verify
from migrator.engine.steps.reboot import READY_SECONDS, reboot
from migrator.errors import (
    ClusterError,
    CriError,
    HostUnreachableError,
    LockedError,
    MigratorError,
    StepFailedError,
    UnprovenError,
    UsageError,
)
from migrator.hosts import HostResult
from migrator.inventory import Host
from migrator.model.evidence import Checked, Difference, Evidence, HostView, NodeProfile, Outcome, Verdict, Via
from migrator.model.host_settings import HostSettings
from migrator.model.kubernetes import PROGRESS
from migrator.model.lease import Lease
from migrator.model.plan import Plan
from migrator.model.verification import NodeProof, Verification
from migrator.probe_session.prove_node import Proof
from migrator.store import evidence_file
from tests.fakes.clock import FakeClock
from tests.fakes.cluster import FakeCluster
from tests.fakes.hosts import FakeHosts
from tests.fakes.values import MACHINE, facts, node, pod, situation

ONE, TWO, THREE = (Host(name=f"w{number}", target=HostSettings(node_name=f"worker-{number}")) for number in (1, 2, 3))


def seen(inventoried: Host = ONE, **update: object) -> Evidence:
    """Give what was seen on a host."""
    known = NodeProfile(node=inventoried.node, via=Via.KUBELET, runtime="containerd")
    services = {"containerd": "active/enabled"}
    return Evidence(circumstances=known, host=HostView(services=services)).model_copy(update=update)


def proof(inventoried: Host, outcome: Outcome = Outcome.PASSED, **update: object) -> Proof:
    """Give a session with one check of this outcome."""
    found = seen(inventoried, **update)
    check = Checked(id="pids-limit[a/one]", job="cgroup", outcome=outcome, expected="1", found="2", source="x")
    return Proof(found, Verdict(circumstances=found.circumstances, checks=(check,)))


READ = HostResult(host="w1", results={"Read the node": {"node": facts().model_dump(mode="json")}})


class World:
    """Sessions and reboots as a test prepares them, and what was done."""

    def __init__(self, answers: Mapping[str, list[Proof | MigratorError]], *, reboots: bool = False) -> None:
        """Take what each node's sessions give, in turn."""
        self.answers = {name: list(found) for name, found in answers.items()}
        self.done: list[str] = []
        self.baselines: list[Evidence | None] = []
        self.kept: list[Evidence] = []
        self.shown: list[NodeProof] = []
        self.reboot_problem: MigratorError | None = None
        self.work = VerifyJob(
            prove=self.prove, reboot=self.reboot if reboots else None, keep=self.kept.append, show=self.shown.append
        )

    def prove(self, host: Host, baseline: Evidence | None) -> Proof:
        """Give the next answer."""
        self.done.append(f"prove {host.node}")
        self.baselines.append(baseline)
        answer = self.answers[host.node].pop(0)
        if isinstance(answer, MigratorError):
            raise answer
        return answer

    def reboot(self, host: Host) -> None:
        """Record it."""
        self.done.append(f"reboot {host.node}")
        if self.reboot_problem:
            raise self.reboot_problem

    def verify(self, *hosts: Host, baseline: Evidence | None = None) -> Verification:
        """Verify."""
        return verify_nodes(hosts, self.work, baseline=baseline)


PROBLEMS = (
    CriError("containerd does not answer"), HostUnreachableError("the connection to w1 was lost"),
    ClusterError("the API server refuses our pods"), StepFailedError("not Ready"),
)  # fmt: skip


KINDS = tuple(map(type, PROBLEMS))


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: type(problem).__name__)
def test_a_node_that_cannot_be_proved_does_not_stop_the_others(problem: MigratorError) -> None:
    """It is reported with its problem, and each node is shown as soon as it is done."""
    world = World({"worker-1": [problem], "worker-2": [proof(TWO)]})

    found = world.verify(ONE, TWO)

    assert [(entry.host, entry.node, entry.problem, entry.good) for entry in found.nodes] == [
        ("w1", "worker-1", str(problem), False),
        ("w2", "worker-2", "", True),
    ]
    assert tuple(world.shown) == found.nodes


def test_a_mistake_of_the_user_ends_it() -> None:
    """Only what concerns one node is kept from the others."""
    with pytest.raises(UsageError):
        World({"worker-1": [UsageError("no")]}).verify(ONE, TWO)


def test_the_baseline_is_given_to_the_session_and_what_was_seen_is_kept() -> None:
    """Without a reboot there is one session for each node."""
    world, before = World({"worker-1": [proof(ONE)]}), seen()

    world.verify(ONE, baseline=before)

    assert world.baselines == [before]
    assert world.kept == [seen()]
    assert world.done == ["prove worker-1"]


def test_a_reboot_is_between_two_sessions() -> None:
    """The second one has the first as its baseline, and what the reboot changed on the host is shown."""
    after = HostView(services={"containerd": "inactive/disabled"})
    world = World({"worker-1": [proof(ONE), proof(ONE, host=after)]}, reboots=True)

    (found,) = world.verify(ONE).nodes

    assert world.done == ["prove worker-1", "reboot worker-1", "prove worker-1"]
    assert world.baselines == [None, seen()]
    assert [entry.what for entry in found.reboot or ()] == ["service containerd"]
    assert not found.good


def test_a_node_that_comes_back_as_it_was_is_good() -> None:
    """Then the next one is rebooted."""
    world = World(
        {name: [proof(host), proof(host)] for name, host in (("worker-1", ONE), ("worker-2", TWO))}, reboots=True
    )

    found = world.verify(ONE, TWO)

    assert [entry.good for entry in found.nodes] == [True, True]
    assert world.done.count("reboot worker-2") == 1


def test_a_node_that_is_not_good_is_not_rebooted() -> None:
    """It is shown as it is, and the next one has its turn."""
    world = World({"worker-1": [proof(ONE, Outcome.FAILED)], "worker-2": [proof(TWO), proof(TWO)]}, reboots=True)

    first, second = world.verify(ONE, TWO).nodes

    assert "reboot worker-1" not in world.done
    assert "not rebooted" in first.problem
    assert first.verdicts
    assert second.good


# case: what the second session gives, or the reboot
LOST: dict[str, tuple[list[Proof | MigratorError], MigratorError | None]] = {
    "does not come back": ([proof(ONE)], StepFailedError("w1 did not come back")),
    "cannot be proved": ([proof(ONE), HostUnreachableError("no line")], None),
    "is not good any more": ([proof(ONE), proof(ONE, Outcome.FAILED)], None),
    "lost a service": ([proof(ONE), proof(ONE, host=HostView(services={"containerd": "failed/enabled"}))], None),
}


@pytest.mark.parametrize(("answers", "problem"), LOST.values(), ids=LOST)
def test_no_other_node_is_touched_after_a_reboot_that_went_wrong(
    answers: list[Proof | MigratorError], problem: MigratorError | None
) -> None:
    """The others may be alike; they are reported as left alone, because of which node."""
    world = World({"worker-1": answers}, reboots=True)
    world.reboot_problem = problem

    found = world.verify(ONE, TWO, THREE)

    assert [entry.good for entry in found.nodes] == [False, False, False]
    assert not any("worker-2" in what for what in world.done)
    assert "worker-1 did not come through its reboot" in found.nodes[2].problem


BOOTED = 1_767_225_600
STAT = {
    "Read when it booted": {"content": base64.b64encode(f"cpu 1 2\nbtime {BOOTED}\nprocesses 3\n".encode()).decode()}
}


def hosts(result: HostResult) -> FakeHosts:
    """Give hosts that answer a reboot in this way."""
    return FakeHosts({"reboot": result})


def test_a_reboot_waits_for_the_kubelet_to_report_anew() -> None:
    """A Ready from before the boot does not count, nor does an API server that stumbles or a node that is not Ready."""
    cluster = FakeCluster([node(heartbeat="2025-12-31T23:59:59Z")])
    moves: dict[float, dict[str, Any]] = {
        6.0: {"ready": False, "heartbeat": "2026-01-01T00:00:20Z"},
        10.0: {"ready": True, "heartbeat": "2026-01-01T00:00:30Z"},
    }
    cluster.failures = ["the API server does not answer"]
    clock = FakeClock(lambda now: cluster.change("worker-1", **moves.get(now, {})))

    reboot(hosts(HostResult(host="w1", results=STAT)), cluster, clock, host="w1", node="worker-1")

    assert clock.now() == 10.0


# case: what the playbook gives, what the Node says afterwards, and the message
FAILED: dict[str, tuple[HostResult, dict[str, Any], str]] = {
    "the host": (HostResult(host="w1", problem="Timed out waiting"), {}, "w1 could not be rebooted.*Timed out waiting"),
    "the clock": (HostResult(host="w1", results={}), {}, "does not say when it booted"),
    "the kubelet": (HostResult(host="w1", results=STAT), {"heartbeat": ""}, "has not reported since the boot.*kubectl"),
    "the node": (
        HostResult(host="w1", results=STAT), {"ready": False, "heartbeat": "2026-01-02T00:00:00Z"}, "says that it is not",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("result", "update", "said"), FAILED.values(), ids=FAILED)
def test_a_reboot_that_fails_says_where(result: HostResult, update: dict[str, Any], said: str) -> None:
    """The host did not come back, or its kubelet did not."""
    clock = FakeClock()

    with pytest.raises(StepFailedError, match=said):
        reboot(hosts(result), FakeCluster([node(**update)]), clock, host="w1", node="worker-1")

    assert clock.now() <= READY_SECONDS + 5


# case: what the inspection gives, what the Node says, and the message
UNFIT: dict[str, tuple[HostResult, dict[str, Any], str]] = {
    "an unreachable host": (HostResult(host="w1", problem="no route"), {}, "w1 cannot be read: no route"),
    "another machine": (READ, {"machine_id": "f" * 32}, f"host w1 has machine-id {MACHINE}, Node worker-1 has fff.*correct"),
    "a clone": (READ, {"addresses": ("10.9.9.9",)}, "although their machine-ids are the same: correct ansible_host"),
    "no such Node": (READ, {"name": "other"}, "no node worker-1"),
    "no line": (READ, {}, "w1: the test has no line to it"),
}  # fmt: skip


@pytest.mark.parametrize(("result", "update", "said"), UNFIT.values(), ids=UNFIT)
def test_no_pod_is_made_for_a_host_that_is_not_its_node(result: HostResult, update: dict[str, Any], said: str) -> None:
    """What would be judged, and perhaps rebooted, has to be the Node that the pods are on."""
    cluster = FakeCluster([node(**update)])
    doors = Connections((ONE,), FakeHosts({"inspect": result}), cluster, frozenset())

    with pytest.raises(KINDS, match=said):
        verify.prove(doors, ONE, None)

    assert set(cluster.calls) <= {"node worker-1"}


def verification(*nodes: NodeProof) -> Verification:
    """Give what was found of nodes."""
    return Verification(nodes=nodes)


GOOD = NodeProof(host="w1", node="worker-1", verdicts=(proof(ONE).verdict,))
BAD = NodeProof(host="w2", node="worker-2", verdicts=(proof(TWO, Outcome.FAILED).verdict,))
UNKNOWN = NodeProof(host="w3", node="worker-3", problem="no\nanswer")
CHANGED = GOOD.model_copy(update={"reboot": (Difference(what="hostname", before="a", after="b"),)})


def test_all_good_is_zero(capsys: pytest.CaptureFixture[str]) -> None:
    """Text was printed before, so that one node needs no more."""
    assert verify.finish(verification(GOOD), verify.VerifyOutput.TEXT) == 0
    assert capsys.readouterr().out == ""


# case: the nodes, and what the message says
UNPROVEN = {
    "a check failed": ((GOOD, BAD), "worker-2: pids-limit[a/one] failed"),
    "a node could not be proved": ((UNKNOWN,), "worker-3: no answer"),
    "a reboot changed it": ((CHANGED,), "worker-1: hostname did not survive the reboot"),
    "several": ((BAD, UNKNOWN), "worker-2: pids-limit[a/one] failed. worker-3: no answer"),
}


@pytest.mark.parametrize(("nodes", "said"), UNPROVEN.values(), ids=UNPROVEN)
def test_a_node_that_is_not_good_is_sixteen(nodes: tuple[NodeProof, ...], said: str) -> None:
    """One paragraph names the nodes and the ids."""
    with pytest.raises(UnprovenError) as raised:
        verify.finish(verification(*nodes), verify.VerifyOutput.TEXT)

    assert (raised.value.exit_code, str(raised.value)) == (16, said)


def test_each_form_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON and JUnit are printed whole before the exit code says that a node is not good."""
    for form, start in ((verify.VerifyOutput.JSON, "{"), (verify.VerifyOutput.JUNIT, "<?xml")):
        with pytest.raises(UnprovenError):
            verify.finish(verification(GOOD, BAD), form)
        printed = capsys.readouterr().out
        assert printed.startswith(start)
        assert "worker-1" in printed
        assert "worker-2" in printed


def test_text_is_shown_node_by_node(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing of it is printed in the other forms."""
    verify.shower(verify.VerifyOutput.TEXT, verbose=True)(BAD)
    text = capsys.readouterr().out
    verify.shower(verify.VerifyOutput.JSON, verbose=True)(BAD)

    assert text.startswith("worker-2: NOT proved, 1 checks: 0 passed, 1 failed, 0 unknown")
    assert capsys.readouterr().out == ""


# case: what is typed, and whether that is a yes
ANSWERS = {"yes\n": True, " yes \n": True, "y\n": False, "YES\n": False, "\n": False, "": False}


@pytest.mark.parametrize(("typed", "goes_on"), ANSWERS.items(), ids=map(repr, ANSWERS))
def test_a_reboot_is_asked_for(
    typed: str,
    goes_on: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What leaves and what stops meanwhile is said, finished pods not counted, and only "yes" is one."""
    pods = (pod("web"), pod("db"), pod("job", phase="Succeeded"), pod("agent", owner="DaemonSet/agent"))
    shown = Plan(nodes=(observe.reboot(situation(pods=pods)),))
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))

    if goes_on:
        verify.ask(rebooting.question(shown))
    else:
        with pytest.raises(UsageError, match="nothing was done"):
            verify.ask(rebooting.question(shown))

    assert capsys.readouterr().err == (
        "worker-1 will be drained and rebooted: 2 pods leave by eviction; 2 stay and stop for that time. "
        "Only 'yes' will do: "
    )


RUN = "20260101-000000-42"
AT_DRAIN = {PROGRESS: "at drain (2026-01-01T00:00:00Z)"}
LIVE = Lease(holder="anna on desk", acquired=time.time(), renewed=time.time() + 3600, seconds=60)


@pytest.mark.parametrize(
    ("noted", "lease", "left_alone"),
    [
        (AT_DRAIN, LIVE, True),
        (AT_DRAIN, None, False),  # that run was killed
        (AT_DRAIN, LIVE.model_copy(update={"renewed": 1.0}), False),  # likewise
        ({PROGRESS: "failed at verify (2026-01-01T00:00:00Z)"}, LIVE, False),  # one looks at what has failed
        ({}, LIVE, False),  # another node is worked on
    ],
    ids=["in work", "killed", "dead holder", "failed", "another node"],
)
def test_a_node_that_somebody_is_at_work_on_is_left_alone(
    noted: dict[str, str], lease: Lease | None, *, left_alone: bool
) -> None:
    """Its probes would be in the way of a switch; who is at work is said."""
    cluster = FakeCluster([node(annotations=noted)])
    cluster.held = lease
    doors = Connections((ONE,), FakeHosts({"inspect": READ}), cluster, frozenset())

    with pytest.raises(
        (StepFailedError, HostUnreachableError)
    ) as caught:  # without a line there is nothing more to try here
        verify.prove(doors, ONE, None)

    assert ("left alone: anna on desk is at work on it (at drain" in str(caught.value)) == left_alone


def test_a_node_is_out_of_service_while_it_is_rebooted() -> None:
    """Cordoned and drained before, uncordoned when it has proved itself again, by the holder of the lease alone."""
    cluster = FakeCluster([node(heartbeat="2026-01-01T00:00:30Z"), node(name="worker-2")], [pod("web")])
    doors = Connections(
        (ONE,), FakeHosts({"reboot": HostResult(host="w1", results=STAT), "inspect": READ}), cluster, frozenset()
    )
    now = replace(situation(pods=(pod("web"),)), host=ONE.name, target=ONE.target)
    told: list[str] = []

    with rebooting.alone(doors, Plan(nodes=(observe.reboot(now),)), lambda _, said: told.append(said), RUN) as reboots:
        assert cluster.held is not None
        assert cluster.held.holder.endswith(f", run {RUN})")
        reboots.take_out(ONE)
        assert (cluster.by_name["worker-1"].cordoned_by_us, cluster.pods) == (True, {})
        reboots.reboot(ONE)
        assert cluster.by_name["worker-1"].unschedulable
        reboots.give_back(ONE)

    assert not cluster.by_name["worker-1"].unschedulable
    assert cluster.held is None
    assert told[-1] == "uncordon: takes pods again"


def test_a_node_that_cannot_be_drained_is_given_back_and_not_rebooted() -> None:
    """A budget that holds its pods holds the reboot up, as it does for everybody."""
    cluster = FakeCluster([node(), node(name="worker-2")], [pod("web")])
    cluster.refuse = {"shop/web"}
    hurried = ONE.model_copy(update={"target": HostSettings(node_name="worker-1", drain_timeout=1)})
    doors = Connections((hurried,), FakeHosts({"inspect": READ}), cluster, frozenset())
    now = replace(situation(pods=(pod("web"),)), host=hurried.name, target=hurried.target)

    with rebooting.alone(doors, Plan(nodes=(observe.reboot(now),)), lambda *_: None, RUN) as reboots:
        work = VerifyJob(
            prove=lambda *_: proof(ONE), take_out=reboots.take_out, reboot=reboots.reboot, give_back=reboots.give_back
        )
        (found,) = verify_nodes((hurried,), work).nodes

    assert "not rebooted: worker-1: step 'drain' failed" in found.problem
    assert "reboot" not in doors.hosts.names  # type: ignore[attr-defined]
    assert not cluster.by_name["worker-1"].unschedulable


def test_a_node_that_is_not_what_it_was_stays_out_of_service() -> None:
    """Somebody has to look at it; the next ones are not touched."""
    done: list[str] = []
    work = VerifyJob(
        prove=World({"worker-1": [proof(ONE), proof(ONE, Outcome.FAILED)]}).prove,
        take_out=lambda host: done.append(f"out {host.node}"),
        reboot=lambda host: done.append(f"reboot {host.node}"),
        give_back=lambda host: done.append(f"back {host.node}"),
    )

    assert not verify_nodes((ONE,), work).nodes[0].good
    assert done == ["out worker-1", "reboot worker-1"]


def test_nobody_else_is_at_work_while_nodes_are_rebooted() -> None:
    """A second operator ends at once, and nothing was touched."""
    cluster = FakeCluster([node()])
    cluster.held = LIVE

    with (
        pytest.raises(LockedError, match="anna on desk"),
        rebooting.alone(Connections((ONE,), FakeHosts({}), cluster, frozenset()), Plan(), lambda *_: None, RUN),
    ):
        pass


def test_progress_cannot_write_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """What a session tells stands on one line of stderr, with the node."""
    verify.tell(ONE, "pulls\n\x1b[2J")

    assert capsys.readouterr().err == "worker-1: pulls \\x1b[2J\n"


def test_evidence_comes_back_as_it_was(tmp_path: Path) -> None:
    """What --save writes, --baseline reads; only the owner may."""
    folder = tmp_path / "a" / "b"
    evidence_file.prepare(folder)
    for name in ("old", "new \ud800\x1b"):
        evidence_file.write(folder, seen(problems=(name,)))

    (path,) = folder.iterdir()
    assert (path.name, stat.S_IMODE(path.stat().st_mode)) == ("worker-1.json", 0o600)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert evidence_file.read(path, ["worker-1"]) == seen(problems=("new \ud800\x1b",))


def test_a_nodes_name_leads_nowhere(tmp_path: Path) -> None:
    """Whatever a node is called, its file is in the folder."""
    known = seen().circumstances.model_copy(update={"node": "../../x"})

    evidence_file.write(tmp_path, seen(circumstances=known))

    assert [path.name for path in tmp_path.iterdir()] == ["..%2F..%2Fx.json"]


@pytest.mark.parametrize("act", ["prepare", "write"])
def test_a_folder_that_cannot_be_written_is_told(act: str, tmp_path: Path) -> None:
    """Before a session where that can be known."""
    (tmp_path / "file").write_text("")

    with pytest.raises(UsageError, match="--save"):
        evidence_file.prepare(tmp_path / "file") if act == "prepare" else evidence_file.write(tmp_path / "none", seen())


SAVED = seen().model_dump_json()
# case: what the file says, which nodes are asked for, and the message
BASELINES: dict[str, tuple[str, list[str], str]] = {
    "not JSON": ("worker-1", ["worker-1"], "is not whole JSON"),
    "cut off": (SAVED[:40], ["worker-1"], "is not whole JSON"),
    "too deep": ("[" * 200_000, ["worker-1"], "is not whole JSON"),
    "not text": ("\udcff", ["worker-1"], "is not whole JSON"),
    "a list": ("[]", ["worker-1"], "is not evidence; it takes a file"),
    "something else": ("{}", ["worker-1"], "is not evidence; it takes a file"),
    "a plan": ('{"schema_version": 2, "nodes": []}', ["worker-1"], "is evidence of schema 2"),
    "another field": (SAVED[:-1] + ', "x": 1}', ["worker-1"], "is not evidence: x: "),
    "another node": (SAVED, ["worker-2"], "is of worker-1, and worker-2 is asked for"),
    "several nodes": (SAVED, ["worker-1", "worker-2"], "2 nodes are asked for; add --node worker-1"),
}


@pytest.mark.parametrize(("text", "nodes", "said"), BASELINES.values(), ids=BASELINES)
def test_a_bad_baseline_is_refused(text: str, nodes: list[str], said: str, tmp_path: Path) -> None:
    """One message names the file and what is the matter."""
    path = tmp_path / "baseline.json"
    path.write_bytes(os.fsencode(text))

    with pytest.raises(UsageError, match=said) as raised:
        evidence_file.read(path, nodes)

    assert str(path) in str(raised.value)


def test_a_baseline_that_is_not_there_is_told(tmp_path: Path) -> None:
    """With the system's own reason."""
    with pytest.raises(UsageError, match=r"--baseline .*none.json: No such file"):
        evidence_file.read(tmp_path / "none.json", ["worker-1"])


# case: the words, the exit code, and what is said
MISTAKES = {
    "no terminal": (["--reboot"], 64, "nothing was done: without a terminal to ask on, --reboot needs --yes"),
    "a form": (["-o", "yaml"], 64, "yaml"),
}


@pytest.mark.parametrize(("words", "code", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_before_anything_is_done(words: list[str], code: int, said: str, tmp_path: Path) -> None:
    """The command line is checked before the cluster or a node is asked."""
    (tmp_path / "inventory.yml").write_text("all: {hosts: {worker-1: {ansible_connection: local}}}\n")
    done = subprocess.run(
        [sys.executable, "-m", "migrator", "verify", *words],
        cwd=tmp_path, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[1]), "HOME": str(tmp_path)},
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_json_holds_whatever_a_node_says(capsys: pytest.CaptureFixture[str]) -> None:
    """Half a sign in a message is escaped and no reason to fail."""
    with pytest.raises(UnprovenError):
        verify.finish(verification(UNKNOWN.model_copy(update={"problem": "\ud800"})), verify.VerifyOutput.JSON)

    assert json.loads(capsys.readouterr().out)["nodes"][0]["problem"] == "\ud800"


def test_json_is_read_by_other_programs(capsys: pytest.CaptureFixture[str]) -> None:
    """Each node says whether it is good, and every check its outcome."""
    assert verify.finish(verification(GOOD), verify.VerifyOutput.JSON) == 0

    (entry,) = json.loads(capsys.readouterr().out)["nodes"]
    assert (entry["node"], entry["good"], entry["verdicts"][0]["checks"][0]["outcome"]) == ("worker-1", True, "passed")
