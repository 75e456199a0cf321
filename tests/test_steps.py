"""What single steps ask for, and how they wait: each request as a whole, each blip as what it is."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import replace
from typing import Any

import pytest

from migrator.engine import transaction
from migrator.engine.context import ProbeSessions
from migrator.engine.executor import apply
from migrator.engine.migration import CLEANUP, REBOOT, ROLLBACK, STEPS, Step
from migrator.engine.steps import reboot, remove, settle, stage
from migrator.engine.wall_clock import WallClock
from migrator.errors import StepFailedError
from migrator.hosts import HostResult
from migrator.model import node_requests
from migrator.model.docker_removal import Removal
from migrator.model.evidence import Evidence, NodeProfile
from migrator.model.facts import FileFact, Reservation
from migrator.model.fate import Fate, KeyFate
from migrator.model.host_settings import HostSettings
from migrator.model.node_requests import Request, Stage
from migrator.model.plan import CleanupPlan, FileChange, Finding, Phase, Severity
from migrator.probe_session.api_pods import Wait
from migrator.runtimes import containerd
from tests.fakes.clock import FakeClock
from tests.fakes.hosts import switched
from tests.fakes.values import pod
from tests.test_apply import World
from tests.test_settling import ELSEWHERE, world

GONE = FileFact(path="/etc/containerd/config.toml")


@pytest.mark.parametrize(
    "steps", [STEPS, ROLLBACK, REBOOT, CLEANUP], ids=["migration", "rollback", "reboot", "cleanup"]
)
def test_what_a_step_decides_and_does_stands_under_its_name(steps: tuple[Step, ...]) -> None:
    """Who looks for a step finds its modules by its id, in planning and in the engine."""
    for step in steps:
        name = step.id.removesuffix("-again")
        assert step.decide.__module__ == f"migrator.planning.steps.{name}"
        assert step.act.__module__ == f"migrator.engine.steps.{name}"


class Hurried(FakeClock):
    """Cuts waits short as soon as somebody cannot wait any more."""

    hurried = False

    def sleep(self, seconds: float) -> None:
        """Wait, or do not."""
        if self.hurried:
            raise KeyboardInterrupt
        super().sleep(seconds)


def test_a_node_is_put_back_without_haste() -> None:
    """Whoever cannot wait has the node put back; that itself is waited for, or it would be left cordoned."""
    world, clock = World(), Hurried()

    def begun(_: Request) -> HostResult:
        world.cluster.change("worker-1", ready=False)
        clock.hurried = True
        raise KeyboardInterrupt

    def later(now: float) -> None:
        if now > 20:
            world.cluster.change("worker-1", ready=True)

    steady = FakeClock(later)
    world.hosts.answers |= {"switch new": begun, "switch old": switched("restored")}
    world.run = replace(world.run, clock=clock, steady=steady)

    with pytest.raises(KeyboardInterrupt) as caught:
        apply(world.run)

    (told,) = caught.value.__notes__
    assert told == "The node was put back. worker-1 is Ready on docker://20.10.24, schedulable."
    assert steady.now() > 20


def stumbling(world: World, answer: Any) -> Any:
    """Answer a switch; the API server gives no answer to the questions after it."""

    def switch(request: Request) -> HostResult:
        result = answer(request)
        world.cluster.failures = ["no answer", "no answer"]
        return result

    return switch


def test_a_node_that_comes_back_is_waited_for_through_blips() -> None:
    """It may be the control plane's own node: an answer that is missing says nothing about the runtime."""
    world = World()
    world.hosts.answers["switch new"] = stumbling(world, world.switch)

    apply(world.run)

    assert world.hosts.names == ["stage", "switch new"]
    assert world.node.runtime == "containerd://1.6.20"
    assert [entry.message for entry in world.events if "asks again" in entry.message] == ["no answer; asks again"]


def test_a_node_that_goes_back_is_waited_for_through_blips() -> None:
    """A rollback that went well is not called failed."""
    world = World()
    world.hosts.answers["switch new"] = switched("rolled-back", "containerd does not start")
    world.hosts.answers["switch old"] = stumbling(world, world.switch_back)

    with pytest.raises(StepFailedError, match="The node was put back. worker-1 is Ready on docker"):
        apply(world.run)


def test_a_watch_goes_on_through_blips() -> None:
    """An API server that stumbles is no failure of the node; one that stays away for a minute is."""
    run, cluster = world(ELSEWHERE, pod("web-3"), soak=600)
    clock = FakeClock(lambda now: cluster.failures.append("no answer") if 100 < now < 140 else None)

    assert settle.act(replace(run, clock=clock)).endswith("; Ready for 600 s")

    clock = FakeClock(lambda now: cluster.failures.append("no answer") if now > 100 else None)
    with pytest.raises(StepFailedError, match="did not stay well after 16. s: no answer"):
        settle.act(replace(run, clock=clock))


def test_a_transaction_is_all_that_the_node_must_know() -> None:
    """The socket as a path, the files with the hashes before and after, and the addresses to release."""
    content = "version = 2\n"
    file = FileChange(
        path=GONE.path,
        content=content,
        mode="0640",
        owner="root",
        group="adm",
        before=GONE.model_copy(update={"exists": True, "sha256": "9" * 64}),
    )
    plan = World().run.plan.model_copy(
        update={
            "files": (file,),
            "cni_plugins": ("/opt/cni/bin",),
            "stale_addresses": (
                Reservation(
                    network="lab", address="10.0.0.9", path="/var/lib/cni/networks/lab/10.0.0.9", container="c" * 64
                ),
            ),
            "kubelet_arguments": ("--config=/var/lib/kubelet/config.yaml",),
            "socket_annotation": "/var/run/dockershim.sock",
        }
    )

    asked = transaction.switch_request(plan, "t1", "new")

    assert (asked.state, asked.transaction, asked.socket) == ("new", "t1", "/run/containerd/containerd.sock")
    assert asked.plugins == ("/opt/cni/bin",)
    assert asked.stale_addresses == (
        node_requests.StaleAddress(path="/var/lib/cni/networks/lab/10.0.0.9", container="c" * 64),
    )
    assert asked.arguments == ("--config=/var/lib/kubelet/config.yaml",)
    assert dict(asked.about) == {"source": "docker://20.10.24", "annotation": "/var/run/dockershim.sock"}
    assert asked.files == (
        node_requests.PlannedFile(
            path=GONE.path, content=b64encode(content.encode()).decode(), mode="0640", owner="root", group="adm",
            sha256=file.sha256, replaces="9" * 64,
        ),
    )  # fmt: skip


def given_up(*fates: KeyFate, findings: tuple[Finding, ...] = ()) -> tuple[str, ...]:
    """Migrate with a plan of these; give the settings whose loss the proof after the switch took for announced."""
    world, known = World(), []

    def prove(bench: object, cluster: object, circumstances: NodeProfile, wait: Wait) -> Evidence:
        known.append(circumstances)
        return world.prove(bench, cluster, circumstances, wait)

    sessions = ProbeSessions(rehearsal=world.rehearse, live=prove)
    plan = world.run.plan.model_copy(update={"fates": fates, "findings": findings})
    apply(replace(world.run, plan=plan, sessions=sessions))
    baseline, after = known
    assert baseline.given_up == ()
    assert (after.runtime, after.runtime_version) == ("containerd", "1.6.20")
    assert after.socket == "/run/containerd/containerd.sock"
    return after.given_up


def test_only_what_is_lost_excuses_a_difference() -> None:
    """What is carried must be as before; a loss that was announced is expected, by its key."""
    fates = [KeyFate(key=f"key-{fate.name.lower()}.entry", fate=fate) for fate in Fate]

    assert given_up(*fates) == ("key-lost",)


@pytest.mark.parametrize(("found", "expected"), [("ulimits-change", ("default-ulimits",)), ("other", ())])
def test_a_change_of_limits_is_announced_by_a_finding(found: str, expected: tuple[str, ...]) -> None:
    """It is no key of daemon.json that is lost."""
    finding = Finding(id=found, severity=Severity.WARNS, evidence="e", remedy="r")

    assert given_up(findings=(finding,)) == expected


CERTS = 'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\nconfig_path = "{}"\n'


@pytest.mark.parametrize("planned", [True, False], ids=["a configuration that is written", "one that stays"])
@pytest.mark.parametrize("source", ["docker", "registry"])
def test_what_is_staged(source: str, *, planned: bool) -> None:
    """The configuration of the plan, the images, and where images are pulled the files that say how."""
    world = World()
    config = CERTS.format("/etc/certs")
    files = [FileChange(path="/etc/certs/docker.io/hosts.toml", content="a", before=GONE)]
    files += [FileChange(path="/etc/other", content="b", before=GONE)]
    files += [FileChange(path=containerd.CONFIG, content=config, before=GONE)] if planned else []
    update = {
        "files": tuple(files),
        "config": "" if planned else config,
        "images": ("a:1",),
        "root": "/data/containerd",
        "starts": True,
    }
    target = HostSettings(image_source=source)
    run = replace(world.run, plan=world.run.plan.model_copy(update=update), target=target)

    stage.act(run)

    (asked,) = world.hosts.calls
    assert isinstance(asked, Stage)
    assert (asked.images, asked.root, asked.start) == (("a:1",), "/data/containerd", True)
    if source == "docker":
        assert asked.registries is None
    else:
        assert asked.registries is not None
        assert asked.registries.folder == "/etc/certs"
        assert [file.path for file in asked.registries.files] == ["/etc/certs/docker.io/hosts.toml"]


def test_what_leaves_is_remembered_before_it_does() -> None:
    """Or nobody would wait for it to be available again, wherever it runs."""
    world = World()

    apply(world.run)

    assert world.run.left == {("shop", "ReplicaSet/web"): 1}


def test_a_bug_before_the_switch_puts_the_node_back() -> None:
    """Its runtime cannot have changed yet, so nothing is held: the node serves again."""
    world = World()

    def strange(_: str, **__: bool) -> Any:
        raise KeyError("items")

    world.cluster.pods_on = strange  # type: ignore[method-assign]
    world.run = replace(world.run, target=HostSettings(proof="none"))

    with pytest.raises(KeyError) as caught:
        apply(world.run, [step for step in STEPS if step.id not in {"baseline", "rehearse"}])

    assert world.hosts.names == ["stage"]
    assert caught.value.__notes__ == ["The node was put back. worker-1 is Ready on docker://20.10.24, schedulable."]


@pytest.mark.parametrize(("started", "back"), [(1767232799.9, True), (1767232800.0, True), (1767232801.0, False)])
def test_a_status_counts_when_the_kubelet_gave_it_since(started: float, *, back: bool) -> None:
    """By the node's own clock; a heartbeat has whole seconds, so one of the same second counts."""
    world = World()
    world.hosts.answers["switch new"] = switched("rolled-back", "containerd does not start")

    def restored(request: Request) -> HostResult:
        world.switch_back(request)
        return switched("restored", kubelet_started=started)

    world.hosts.answers["switch old"] = restored

    with pytest.raises(StepFailedError) as caught:
        apply(world.run)

    assert ("The node was put back." in str(caught.value)) is back


def test_what_stays_of_docker_is_told() -> None:
    """Each thing, while the step is at work."""
    world = World()
    gone = HostResult(host="worker-1", results={remove.TASK: {"problems": ["docker0 stays", "/x stays"]}})
    world.hosts.answers["cleanup"] = gone
    plan = CleanupPlan(host="worker-1", node="worker-1", machine_id="m", source="s", target="s", removal=Removal())

    remove.act(replace(world.run, plan=plan).at("remove"))

    assert [(entry.step, entry.kind, entry.message) for entry in world.events] == [
        ("remove", "progress", "docker0 stays"),
        ("remove", "progress", "/x stays"),
    ]


def test_a_step_is_not_done_by_the_plan_of_another_command() -> None:
    """A step of a cleanup has nothing to do in a migration: that is a bug, and nothing is removed."""
    world = World()

    with pytest.raises(TypeError, match="a step of a CleanupPlan was given a MigrationPlan"):
        remove.act(world.run.at("remove"))

    assert world.hosts.calls == []


def test_a_hurried_clock_wakes_up_once() -> None:
    """What cleans up after that waits as long as it must."""
    clock = WallClock(lambda: True)

    with pytest.raises(KeyboardInterrupt):
        clock.sleep(60)
    began = clock.now()
    clock.sleep(0.2)

    assert 0.2 <= clock.now() - began < 30


FLAGS = {
    "a migration": (STEPS, "cordon switch annotate", "uncordon leavings retire settle", "switch", "verify"),
    "a way back": (ROLLBACK, "cordon restore annotate", "uncordon settle", "restore", ""),
    "a reboot": (REBOOT, "cordon", "reboot uncordon", "", ""),
    "the end of Docker": (CLEANUP, "", "remove prove-again", "", ""),
}


@pytest.mark.parametrize(("steps", "undone", "settled", "commits", "holds"), FLAGS.values(), ids=FLAGS)
def test_what_a_failure_of_a_step_means(
    steps: tuple[Step, ...], undone: str, settled: str, commits: str, holds: str
) -> None:
    """Which are undone, after which nothing is, from which on only a verdict takes the node back, and which may hold it."""
    assert [step.id for step in steps if step.undo] == undone.split()
    assert [step.id for step in steps if step.settled] == settled.split()
    assert [step.id for step in steps if step.commits] == commits.split()
    assert [step.id for step in steps if step.holds] == holds.split()
    assert all(re.fullmatch(r"[a-z-]+", step.id) and step.title[:1].isupper() for step in steps)
    order = [list(Phase).index(step.phase) for step in steps]
    assert order == sorted(order)


STAT = "cpu  1 2 3\nbtime 1767225600\nprocesses 9\n"
NO_BOOT = {
    "no such line": b64encode(b"cpu  1 2 3\n").decode(), "no number": b64encode(b"btime soon\n").decode(),
    "no base64": "x", "nothing": "",
}  # fmt: skip


def test_the_moment_of_a_boot_is_the_hosts_own() -> None:
    """As its kernel says it."""
    assert reboot._booted(b64encode(STAT.encode()).decode()) == 1767225600.0  # noqa: SLF001


@pytest.mark.parametrize("encoded", NO_BOOT.values(), ids=NO_BOOT)
def test_a_host_that_does_not_say_when_it_booted_is_no_bug(encoded: str) -> None:
    """Whatever it answers: the node stays out of service, and it is said why."""
    with pytest.raises(StepFailedError, match="does not say when it booted"):
        reboot._booted(encoded)  # noqa: SLF001
