"""Steps run in order; a failure undoes what was begun, and the message says where the node is."""

from __future__ import annotations

from base64 import b64decode
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import pytest

from migrator.engine.context import ProbeSessions, StepContext
from migrator.engine.executor import apply
from migrator.engine.migration import STEPS
from migrator.errors import ClusterError, RefusedError, StalePlanError, StepFailedError
from migrator.hosts import HostResult
from migrator.model.event import Event
from migrator.model.evidence import Evidence, Via
from migrator.model.host_settings import HostSettings
from migrator.model.kubernetes import CORDONED, CRI_SOCKET, Pod
from migrator.model.node_requests import Request, Stage, Switch
from migrator.planning import plan
from migrator.probe_session.api_pods import Wait
from tests.fakes import proof
from tests.fakes.clock import FakeClock
from tests.fakes.cluster import FakeCluster
from tests.fakes.hosts import FakeHosts, switched
from tests.fakes.line import FakeLine
from tests.fakes.session import FakeSession
from tests.fakes.values import node, pod, situation

ENDPOINT = "unix:///run/containerd/containerd.sock"
AGENT = pod("agent", owner="DaemonSet/agent")


class World:
    """A node whose kubelet moves when the switch is played, with everything that is told about it."""

    def __init__(self, more: tuple[Pod, ...] = (), **update: object) -> None:
        """Start on Docker with one pod that leaves and one that stays, and perhaps more."""
        now = situation(pods=(pod("web"), AGENT, *more), **update)
        self.cluster = FakeCluster([now.node], list(now.pods))
        self.hosts = FakeHosts(
            {
                "stage": HostResult(host="worker-1"),
                "switch new": self.switch,
                "switch old": self.switch_back,
                "retire": HostResult(host="worker-1"),
            },
            {"worker-1": FakeLine()},
        )
        self.sessions: list[str] = []
        self.kubelet_runs_pods = False
        self.events: list[Event] = []
        self.run = StepContext(
            id="t1",
            plan=plan.make(now, STEPS),
            target=now.target,
            hosts=self.hosts,
            cluster=self.cluster,
            clock=FakeClock(),
            allow=frozenset(),
            tell=self.events.append,
            sessions=ProbeSessions(rehearsal=self.rehearse, live=self.prove),
        )

    @cached_property
    def rehearsed(self) -> Evidence:
        """What a rehearsal sees, unless a test says otherwise."""
        return proof.good("containerd", "v2", "systemd", Via.CRI)

    @cached_property
    def proved(self) -> dict[str, Evidence]:
        """What probe pods see on each runtime, likewise."""
        return {name: proof.good(name, "v2", "systemd", Via.KUBELET) for name in ("docker", "containerd")}

    def rehearse(self, *_: object) -> Evidence:
        """Give what a rehearsal saw."""
        self.sessions.append("rehearsal")
        return self.rehearsed

    def prove(self, _bench: object, _cluster: object, _known: object, wait: Wait) -> FakeSession:
        """Give what probe pods saw on the runtime that the node has."""
        wait(lambda: self.kubelet_runs_pods)
        runtime = str(self.node.runtime).partition(":")[0]
        self.sessions.append(runtime)
        return FakeSession(self.proved[runtime], self.cluster.calls)

    def switch(self, _: Request) -> HostResult:
        """Succeed: the kubelet reports containerd."""
        self.report("containerd://1.6.20", "2026-01-01T01:00:00Z")
        return switched("switched")

    def switch_back(self, _: Request) -> HostResult:
        """Go back: the kubelet reports Docker."""
        self.report("docker://20.10.24", "2026-01-01T02:00:00Z")
        return switched("restored")

    def report(self, runtime: str, heartbeat: str) -> None:
        """Have the kubelet report a runtime and its new containers."""
        scheme = runtime.partition("://")[0]
        self.cluster.change("worker-1", runtime=runtime, heartbeat=heartbeat, ready=True)
        self.cluster.pods["uid-agent"] = replace(AGENT, container_ids=(f"{scheme}://x",))

    @property
    def changes(self) -> list[str]:
        """Name what was changed in the cluster."""
        return [call for call in self.cluster.calls if call.split()[0] in {"cordon", "uncordon", "evict", "annotate"}]

    @property
    def node(self) -> Any:
        """Give the node as it is now."""
        return self.cluster.by_name["worker-1"]


def test_a_migration_in_its_order() -> None:
    """Stage before the cordon; drain, switch, annotate, uncordon inside the window."""
    world = World()

    apply(world.run)

    assert world.hosts.names == ["stage", "switch new"]
    assert world.changes == ["cordon", "evict shop/web", f"annotate {ENDPOINT}", "uncordon"]
    assert (world.node.runtime, world.node.unschedulable) == ("containerd://1.6.20", False)
    assert {event.step for event in world.events if event.kind == "changed"} == {step.id for step in STEPS} - {
        "install",
        "retire",
    }


def test_images_on_their_way_are_told_in_bytes() -> None:
    """After each of them, how many there are and how much of all that is."""
    world = World()
    images = [{"image": "a:1", "bytes": 1_200_000_000}, {"image": "b:1", "bytes": 300_000_000}]
    world.hosts.answers["stage"] = HostResult(
        host="worker-1",
        results={
            "Find the images that containerd lacks": {"carried": images},
            "Carry images from Docker's store into containerd's": {"results": [{"carried": [one]} for one in images]},
        },
    )

    apply(world.run)

    assert [event.message for event in world.events if (event.step, event.kind) == ("stage", "progress")] == [
        "1 of 2 images carried over, 1,200 of about 1,500 MB",
        "2 of 2 images carried over, 1,500 of about 1,500 MB",
    ]


def test_images_are_pulled_where_that_is_wanted() -> None:
    """With the planned files of containerd's folder of registries; what came out of Docker all the same is told."""
    world = World(target=HostSettings(image_source="registry", proof="none"))
    images = [{"image": "a:1", "bytes": 2_000_000, "why": ""}, {"image": "b:1", "bytes": 1_000_000, "why": "401"}]
    world.hosts.answers["stage"] = HostResult(
        host="worker-1",
        results={
            "Find the images that containerd lacks": {"carried": images},
            "Carry images from Docker's store into containerd's": {"results": [{"carried": images}]},
        },
    )

    apply(world.run)

    told = [event.message for event in world.events if event.step == "stage" and event.kind in {"progress", "changed"}]
    assert told == [
        "b:1 comes out of Docker's store, not pulled: 401",
        "2 of 2 images carried over, 3 of about 3 MB",
        "configuration accepted by containerd; 2 images carried over, 1 of them pulled, 3 MB",
    ]
    asked = world.hosts.calls[0]
    assert isinstance(asked, Stage)
    assert asked.registries is not None
    assert asked.registries.folder == "/etc/containerd/certs.d"


def test_a_node_gets_the_files_and_images_of_the_plan() -> None:
    """Every byte of them."""
    world = World()

    apply(world.run)

    stage, switch = world.hosts.calls[:2]
    assert isinstance(stage, Stage)
    assert isinstance(switch, Switch)
    assert stage.images == world.run.plan.images
    assert {entry.path: b64decode(entry.content).decode() for entry in switch.files} == {
        file.path: file.content for file in world.run.plan.files
    }


@pytest.mark.parametrize("outcome", ["rolled-back", "broken"])
def test_a_switch_that_fails_gives_the_node_back(outcome: str) -> None:
    """The node is uncordoned on Docker, and the message says the cause and the state."""
    world = World()
    world.hosts.answers["switch new"] = switched(outcome, "containerd does not start")

    with pytest.raises(StepFailedError, match="containerd does not start") as caught:
        apply(world.run)

    assert "The node was put back. worker-1 is Ready on docker://20.10.24, schedulable." in str(caught.value)
    assert not world.node.unschedulable
    assert CRI_SOCKET in world.node.annotations


def test_a_node_that_never_gets_ready_goes_back() -> None:
    """When the new runtime's node stays NotReady, the switch is undone before the uncordon."""
    world = World()

    def sick(_: Request) -> HostResult:
        world.cluster.change("worker-1", runtime="containerd://1.6.20", ready=False, heartbeat="2026-01-01T01:00:00Z")
        return switched("switched")

    world.hosts.answers["switch new"] = sick

    with pytest.raises(StepFailedError, match="'verify' failed: waited 300 s in vain .* it is not Ready"):
        apply(world.run)

    assert world.hosts.names == ["stage", "switch new", "switch old"]
    assert world.changes[-1] == "uncordon"
    assert world.node.runtime == "docker://20.10.24"


@pytest.mark.parametrize("gets_ready", [True, False])
def test_pods_are_asked_before_the_node_says_that_it_is_ready(*, gets_ready: bool) -> None:
    """As soon as its kubelet runs them and what stays; the node takes no pods again before it says so."""
    world = World()
    good = world.prove

    def restarted(_: Request) -> HostResult:
        world.report("containerd://1.6.20", "2026-01-01T01:00:00Z")
        world.cluster.change("worker-1", ready=False)
        world.kubelet_runs_pods = True
        return switched("switched")

    def live(*words: Any) -> FakeSession:
        found = good(*words)
        assert world.node.ready == (world.sessions[-1] == "docker")
        world.cluster.change("worker-1", ready=gets_ready or world.sessions[-1] == "docker")
        return found

    world.hosts.answers["switch new"] = restarted
    object.__setattr__(world.run.sessions, "live", live)

    if gets_ready:
        apply(world.run)
        assert (world.node.runtime, world.node.unschedulable) == ("containerd://1.6.20", False)
        return
    with pytest.raises(StepFailedError, match="'verify' failed: waited 300 s in vain .* it is not Ready"):
        apply(world.run)
    assert world.node.runtime == "docker://20.10.24"


def test_a_node_may_be_held_as_it_is() -> None:
    """For somebody to look at: cordoned on its new runtime, with the next commands said."""
    world = World()
    world.run = replace(world.run, target=HostSettings(on_failure="hold"))

    def sick(_: Request) -> HostResult:
        world.cluster.change("worker-1", runtime="containerd://1.6.20", ready=False, heartbeat="2026-01-01T01:00:00Z")
        return switched("switched")

    world.hosts.answers["switch new"] = sick

    with pytest.raises(StepFailedError, match="What came before it stays done. worker-1 is NotReady") as caught:
        apply(world.run)

    assert "held, cordoned: `migrator apply --node worker-1` goes on, `migrator rollback --node worker-1`" in str(
        caught.value
    )
    assert world.hosts.names == ["stage", "switch new"]
    assert (world.node.unschedulable, world.node.runtime) == (True, "containerd://1.6.20")


def test_an_interruption_holds_nothing() -> None:
    """Whoever cannot wait will not look at it either."""
    world = World()
    world.run = replace(
        world.run, target=HostSettings(on_failure="hold"), hurried=lambda: "switch new" in world.hosts.names
    )

    with pytest.raises(KeyboardInterrupt):
        apply(world.run)

    assert world.node.runtime == "docker://20.10.24"


def test_a_pod_that_does_not_come_back_is_a_failure() -> None:
    """A DaemonSet's pod that still shows its Docker container is not running on the new runtime."""
    world = World()

    def half(_: Request) -> HostResult:
        world.cluster.change("worker-1", runtime="containerd://1.6.20", heartbeat="2026-01-01T01:00:00Z")
        return switched("switched")

    world.hosts.answers["switch new"] = half

    with pytest.raises(StepFailedError, match="not running there yet: shop/DaemonSet/agent"):
        apply(world.run)


def test_what_was_not_ready_before_is_not_waited_for() -> None:
    """A DaemonSet's pod that crashes anyway keeps no node on its old runtime; nor does one that another replaced."""
    broken = pod("broken", owner="DaemonSet/broken", ready=False)
    world = World(more=(broken,))
    report = world.report

    def replaced(runtime: str, heartbeat: str) -> None:
        report(runtime, heartbeat)
        world.cluster.pods["uid-agent"] = replace(world.cluster.pods["uid-agent"], name="agent-x7k2p")

    world.report = replaced  # type: ignore[method-assign]

    apply(world.run)

    assert world.run.plan.staying == ("shop/DaemonSet/agent",)
    assert world.node.runtime.startswith("containerd://")


def test_a_cache_that_lacks_a_pod_of_what_stays_is_not_believed() -> None:
    """A DaemonSet may have left the node, or its next pod may not have come to the cache yet."""
    world = World()
    report = world.report

    def behind(runtime: str, heartbeat: str) -> None:
        report(runtime, heartbeat)
        if runtime.startswith("containerd"):
            world.cluster.cache = [entry for entry in world.cluster.pods.values() if entry.name != "agent"]
            world.cluster.pods["uid-agent"] = replace(AGENT, ready=False, container_ids=("containerd://x",))

    world.report = behind  # type: ignore[method-assign]

    with pytest.raises(StepFailedError, match="not running there yet: shop/DaemonSet/agent"):
        apply(world.run)


def test_pods_that_come_before_the_cordon_are_drained() -> None:
    """A node that was empty when it was planned is drained too."""
    world = World()
    late = world.cluster.pods.pop("uid-web")
    empty = plan.make(situation(pods=(AGENT,)), STEPS)
    world.run = replace(world.run, plan=empty)
    cordon = world.cluster.set_unschedulable

    def cordoned(node: str, *, unschedulable: bool) -> None:
        if unschedulable:
            world.cluster.pods["uid-web"] = late
        cordon(node, unschedulable=unschedulable)

    world.cluster.set_unschedulable = cordoned  # type: ignore[method-assign]

    apply(world.run)

    assert "evict shop/web" in world.changes


@pytest.mark.parametrize(("away", "held"), [(100, False), (1000, True)])
def test_a_node_that_cannot_be_reached_for_its_proof_is_waited_for(away: float, *, held: bool) -> None:
    """For longer than a reboot, and its switch is not taken back then either; who waits is told why."""
    world = World()
    lines = world.hosts.lines

    def cut(words: Request) -> HostResult:
        world.hosts.lines = {}
        return world.switch(words)

    world.hosts.answers["switch new"] = cut
    world.run = replace(
        world.run, clock=FakeClock(lambda now: setattr(world.hosts, "lines", lines if now > away else {}))
    )

    with pytest.raises(StepFailedError, match="no line to it") if held else nullcontext():
        apply(world.run)

    assert world.node.runtime.startswith("containerd")
    assert world.node.unschedulable == held
    assert any(event.step == "verify" and "tries again" in event.message for event in world.events)


LATER = datetime(2026, 1, 1, 0, 30, tzinfo=UTC).timestamp()
OLD_STATUS = {
    "an old heartbeat": ({"kubelet_started": LATER}, "its kubelet has not reported yet"),
    "a container that is gone": ({"removed": ["a"]}, "not running there yet: shop/DaemonSet/agent"),
}


@pytest.mark.parametrize(("traces", "said"), OLD_STATUS.values(), ids=OLD_STATUS)
def test_an_old_status_does_not_count_as_put_back(traces: dict[str, object], said: str) -> None:
    """After undoing, Ready on Docker counts only when the kubelet has reported anew, and the pods' new containers."""
    world = World()
    world.hosts.answers["switch new"] = switched("rolled-back", "no")
    world.hosts.answers["switch old"] = switched("restored", **traces)  # and no report follows

    with pytest.raises(StepFailedError, match=f"could NOT be put back: .*{said}") as caught:
        apply(world.run)

    assert "/var/lib/migrator/transactions/t1" in str(caught.value)
    assert world.node.unschedulable, "a node that could not be put back must not take pods"


def test_a_stale_plan_changes_nothing_and_says_so() -> None:
    """A file that changed since the plan stops the switch; the node is given back; the exit code is its own."""
    world = World()
    world.hosts.answers["switch new"] = switched("stale", "changed since the plan: /etc/x", changed=False)
    world.hosts.answers["switch old"] = switched("unchanged", changed=False)

    with pytest.raises(StalePlanError, match="/etc/x"):
        apply(world.run)

    assert not world.node.unschedulable


def test_a_failure_while_staging_touches_no_pod() -> None:
    """Before the cordon nothing in the cluster changes."""
    world = World()
    world.hosts.answers["stage"] = HostResult(host="worker-1", problem="no such package")

    with pytest.raises(StepFailedError, match="no such package"):
        apply(world.run)

    assert world.changes == []


def test_a_node_that_is_deleted_in_the_drain_ends_it() -> None:
    """Its pods go with it. There is nothing to uncordon, and how it comes back is said."""
    world = World()
    world.cluster.stuck = {"shop/web"}
    clock = FakeClock(lambda now: deleted(world) if now > 5 else None)
    world.run = replace(world.run, target=HostSettings(drain_timeout=60), clock=clock)

    with pytest.raises(StepFailedError) as raised:
        apply(world.run)

    assert "step 'drain' failed: somebody has deleted the Node" in str(raised.value)
    assert "its kubelet registers it again when it is restarted" in str(raised.value)
    assert world.hosts.names == ["stage"]
    assert world.run.clock.now() < 60


def deleted(world: World) -> None:
    """Delete the Node, with all its pods."""
    world.cluster.by_name.pop("worker-1", None)
    world.cluster.pods.clear()


def test_somebody_elses_cordon_stays_after_a_failure() -> None:
    """Undoing does not uncordon a node that we had not cordoned."""
    world = World(node=node(unschedulable=True))
    world.hosts.answers["switch new"] = switched("rolled-back", "no")

    with pytest.raises(StepFailedError, match="Ready on docker://20.10.24, cordoned"):
        apply(world.run)

    assert world.node.unschedulable


OURS = {CRI_SOCKET: "/var/run/dockershim.sock", CORDONED: "migrator"}


def test_a_node_that_a_killed_run_left_cordoned_is_given_back() -> None:
    """The annotation tells our cordon from somebody else's, on whichever machine the next run is."""
    world = World(node=node(unschedulable=True, annotations=OURS))

    apply(world.run)

    assert (world.node.runtime, world.node.unschedulable) == ("containerd://1.6.20", False)
    assert CORDONED not in world.node.annotations


def test_a_run_that_was_killed_after_the_switch_is_gone_on_with() -> None:
    """What is left to do is done: the node is proved, annotated, and takes pods again."""
    world = World(node=node(runtime="containerd://1.6.20", unschedulable=True, annotations=OURS))
    world.report("containerd://1.6.20", "2026-01-01T01:00:00Z")

    apply(world.run)

    assert world.hosts.names == []
    assert world.sessions == ["containerd"]
    assert world.changes == [f"annotate {ENDPOINT}", "uncordon"]


def test_an_interruption_puts_the_node_back() -> None:
    """Ctrl-C in the window undoes what was begun and is passed on."""
    world = World()

    def interrupt(_: Request) -> HostResult:
        raise KeyboardInterrupt

    world.hosts.answers["switch new"] = interrupt

    with pytest.raises(KeyboardInterrupt):
        apply(world.run)

    assert (world.node.runtime, world.node.unschedulable) == ("docker://20.10.24", False)


def test_a_lost_connection_is_not_the_end() -> None:
    """What the node does goes on there: it is asked again, under the same name, until it says what came of it."""
    world = World()
    names: list[str] = []
    away = HostResult(host="worker-1", problem="the host does not answer", unreachable=True)

    def lost(variables: Switch) -> HostResult:
        names.append(variables.transaction)
        return away if len(names) < 3 else world.switch(variables)

    world.hosts.answers["switch new"] = lost

    apply(world.run)

    assert names == ["t1", "t1", "t1"]
    assert world.node.runtime == "containerd://1.6.20"
    assert [
        event.message for event in world.events if event.message.endswith("what the node does goes on, asks it again")
    ]


def test_an_api_server_that_stumbles_in_the_window_is_asked_again() -> None:
    """Cordon, annotation and uncordon are no reason to give up: an answer may be lost, and each may be done twice."""
    world = World()
    annotate, cordon, blips = world.cluster.annotate, world.cluster.set_unschedulable, [0]

    def stumbles(act: Any) -> Any:
        def once(*words: Any, **more: Any) -> None:
            act(*words, **more)
            blips[0] += 1
            if blips[0] % 2:
                raise ClusterError("no answer was heard")

        return once

    world.cluster.annotate = stumbles(annotate)  # type: ignore[method-assign]
    world.cluster.set_unschedulable = stumbles(cordon)  # type: ignore[method-assign]

    apply(world.run)

    assert (world.node.runtime, world.node.unschedulable) == ("containerd://1.6.20", False)
    assert blips[0] == 6


def test_a_proven_node_is_not_taken_back_because_it_cannot_be_uncordoned() -> None:
    """It may be serving already: the message says what stays."""
    world = World()
    cordon = world.cluster.set_unschedulable

    def refused(node: str, *, unschedulable: bool) -> None:
        if not unschedulable:
            raise RefusedError("no right")
        cordon(node, unschedulable=unschedulable)

    world.cluster.set_unschedulable = refused  # type: ignore[method-assign]

    with pytest.raises(StepFailedError, match="step 'uncordon' failed: no right\nWhat came before it stays done"):
        apply(world.run)

    assert world.hosts.names == ["stage", "switch new"]


def test_a_cordon_that_came_since_the_plan_is_left_to_whoever_made_it() -> None:
    """Before our own: nothing is done; after it: the node stays cordoned in the end."""
    world = World()
    world.cluster.change("worker-1", unschedulable=True)
    with pytest.raises(StalePlanError, match="somebody has cordoned it since the plan was made"):
        apply(world.run)
    assert (world.changes, world.node.unschedulable) == ([], True)

    later = World()
    switch = later.hosts.answers["switch new"]

    def meanwhile(variables: Request) -> HostResult:
        later.cluster.change("worker-1", annotations={})  # somebody uncordons and cordons it again
        return switch(variables)  # type: ignore[operator,no-any-return]

    later.hosts.answers["switch new"] = meanwhile
    apply(later.run)
    assert later.node.unschedulable


def test_docker_that_will_not_retire_does_not_undo_a_migration() -> None:
    """After the uncordon nothing is taken back; the message says what stays."""
    lonely = situation().facts
    world = World(facts=lonely.model_copy(update={"docker": lonely.docker.model_copy(update={"containers": ()})}))
    world.hosts.answers["retire"] = HostResult(host="worker-1", problem="busy")

    with pytest.raises(StepFailedError, match="step 'retire' failed: .*\nWhat came before it stays done"):
        apply(world.run)

    assert world.hosts.names == ["stage", "switch new", "retire"]


def test_what_proves_stands_on_both_sides_of_the_switch() -> None:
    """A baseline on Docker and a rehearsal before the cordon, pods on containerd before the uncordon."""
    world = World()

    apply(world.run)

    assert world.sessions == ["docker", "rehearsal", "containerd"]
    order = [event.step for event in world.events if event.kind == "changed"]
    assert order.index("rehearse") < order.index("cordon") < order.index("verify") < order.index("uncordon")
    assert set(world.run.seen) == {"baseline", "rehearse", "verify"}


def test_a_full_node_has_no_baseline() -> None:
    """A kubelet admits no pods beyond what it has: the migration goes on, and is proved on the drained node."""
    world = World()
    world.cluster.change("worker-1", cpu=150, memory=10**9, room=110)

    apply(world.run)

    assert world.sessions == ["rehearsal", "containerd"]
    (told,) = [event.message for event in world.events if event.step == "baseline" and event.kind == "changed"]
    assert told == "left out, the node has no room for three more pods: CPU"


def test_a_rehearsal_that_fails_leaves_the_node_alone() -> None:
    """The node is never cordoned, and the message names the check, what was expected and what was found."""
    world = World()
    world.rehearsed = proof.acting(world.rehearsed, "memory-over", exit_code=0, answer={"touched": 1})

    with pytest.raises(StepFailedError, match=r"step 'rehearse' failed.*\n.*memory-enforced: expected .*, found"):
        apply(world.run)

    assert world.changes == []
    assert world.hosts.names == ["stage"]


def test_a_rehearsal_is_not_held_to_what_was_wrong_before() -> None:
    """What failed on the old runtime too does not keep a node from its migration."""
    world = World()
    wrong = {"forward_policy": "DROP"}
    closed = {"answer": {"connected": False, "error": "ETIMEDOUT"}, "exit_code": 1}
    world.rehearsed = proof.acting(proof.on_host(world.rehearsed, **wrong), "pod-to-pod", **closed)
    for name, seen in world.proved.items():
        world.proved[name] = proof.acting(proof.on_host(seen, **wrong), "pod-to-pod", **closed)

    apply(world.run)

    assert world.node.runtime.startswith("containerd://")


def test_containers_that_are_not_what_they_must_be_send_the_node_back() -> None:
    """A check that fails on the new runtime, and did not on the old one, undoes the switch."""
    world = World()
    good = world.proved["containerd"]
    world.proved["containerd"] = proof.acting(good, "memory-over", exit_code=0, answer={"touched": 1})

    with pytest.raises(StepFailedError, match=r"step 'verify' failed: containers are not what they must be"):
        apply(world.run)

    assert world.hosts.names == ["stage", "switch new", "switch old"]
    assert (world.node.runtime, world.node.unschedulable) == ("docker://20.10.24", False)


def test_what_was_wrong_before_is_no_reason_to_go_back() -> None:
    """A check that failed on Docker already is told, and does not undo the switch."""
    world = World()
    world.proved = {
        name: proof.acting(evidence, "memory-over", exit_code=0, answer={"touched": 1})
        for name, evidence in world.proved.items()
    }

    apply(world.run)

    told = {event.step: event.message for event in world.events if event.kind == "changed"}
    assert "not right before the migration: memory-enforced" in told["baseline"]
    assert world.node.runtime == "containerd://1.6.20"


@pytest.mark.parametrize(("asked", "sessions"), [("full", 3), ("after", 1), ("none", 0)])
def test_how_much_is_proved_is_the_users_choice(asked: str, sessions: int) -> None:
    """All of it, only what comes after the switch, or nothing but a Ready node; the plan says so."""
    world = World(target=HostSettings(proof=asked))

    apply(world.run)

    assert len(world.sessions) == sessions
