"""The way back: what is planned from the host's own journal, and what is done."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.engine.context import StepContext
from migrator.engine.executor import apply
from migrator.engine.migration import ROLLBACK
from migrator.engine.steps import annotate
from migrator.errors import StepFailedError
from migrator.hosts import HostResult
from migrator.model.event import Event
from migrator.model.facts import Transaction
from migrator.model.kubernetes import CORDONED, CRI_SOCKET, Pod
from migrator.model.node_requests import Request, Switch
from migrator.model.plan import RollbackPlan, Severity
from migrator.planning import rollback
from migrator.planning.inputs import NodeInputs
from tests.fakes import values
from tests.fakes.clock import FakeClock
from tests.fakes.cluster import FakeCluster
from tests.fakes.hosts import FakeHosts, switched
from tests.fakes.values import facts, node, pod, situation

NEW, OLD = "containerd://1.6.20", "docker://20.10.24"
ENDPOINT = "unix:///run/containerd/containerd.sock"
AGENT = pod("agent", owner="DaemonSet/agent", container_ids=("containerd://a",))
DONE = Transaction(last="done", source=OLD, annotation="/var/run/dockershim.sock")


def migrated(*pods: Pod, **more: object) -> NodeInputs:
    """Give a node that was migrated by the switch t1."""
    told = {
        "transactions": {"t0": Transaction(last="undone"), "t1": DONE},
        "docker": values.docker(containers=()),
        **more,
    }
    at = node(runtime=NEW, annotations={CRI_SOCKET: ENDPOINT})
    return situation(facts=facts(**told), node=at, pods=pods)


def plan_of(now: NodeInputs) -> RollbackPlan:
    """Plan its way back."""
    return rollback.make(now, ROLLBACK)


class World:
    """A migrated node that can go back."""

    def __init__(self, now: NodeInputs) -> None:
        """Start on containerd."""
        self.cluster = FakeCluster([now.node], list(now.pods))
        self.hosts = FakeHosts({"switch old": self.back})
        self.events: list[Event] = []
        self.run = StepContext(
            id="r1", plan=plan_of(now), target=now.target, hosts=self.hosts, cluster=self.cluster, clock=FakeClock(),
            allow=frozenset(), tell=self.events.append,
        )  # fmt: skip

    def back(self, _: Request) -> HostResult:
        """Go back: the kubelet reports Docker."""
        self.cluster.change("worker-1", runtime=OLD, heartbeat="2026-01-01T02:00:00Z", ready=True)
        self.cluster.pods["uid-agent"] = replace(AGENT, container_ids=("docker://x",))
        return switched("restored")

    @property
    def node(self) -> Any:
        """Give the node as it is now."""
        return self.cluster.by_name["worker-1"]


def test_the_host_itself_says_what_is_undone() -> None:
    """The newest switch, with what it left; nobody's memory but the node's."""
    plan = plan_of(migrated(pod("web"), AGENT))

    assert (plan.transaction, plan.source, plan.target) == ("t1", NEW, OLD)
    assert (plan.annotation, plan.annotation_before) == (ENDPOINT, "/var/run/dockershim.sock")
    assert plan.staying == ("shop/DaemonSet/agent",)
    assert plan.blockers == ()
    assert [step.id for step in plan.steps if step.needed] == [
        "cordon",
        "drain",
        "restore",
        "annotate",
        "uncordon",
        "settle",
    ]


BLOCKED = {
    "never switched": (migrated(transactions={}), "no switch is recorded"),
    "put back already": (migrated(transactions={"t1": Transaction(last="undone")}), "that is not undone"),
    "unreadable": (
        migrated(transactions={"t1": Transaction(last="damaged")}),
        "the journal of the switch t1 is damaged",
    ),
    "two that are not over": (
        migrated(transactions={"t1": Transaction(last="undo", number=1), "t2": Transaction(last="broken", number=2)}),
        "several switches are not over: t1, t2",
    ),
    "number and time disagree": (
        migrated(
            transactions={"a": Transaction(last="done", number=2, at=1), "b": Transaction(last="done", number=1, at=2)}
        ),
        "the node counts a as its last switch, and its clock says b",
    ),
    "changed since": (replace(migrated(), node=node(runtime=OLD)), "somebody has changed the runtime since"),
    "dockershim is gone": (migrated(kubelet=values.kubelet(version="1.24.0")), "has no dockershim any more"),
    "Docker is gone": (migrated(docker=None), "Docker is not installed any more"),
}


@pytest.mark.parametrize(("now", "said"), BLOCKED.values(), ids=BLOCKED)
def test_what_cannot_go_back_is_told(now: NodeInputs, said: str) -> None:
    """It blocks, and nothing waives it."""
    (finding,) = [entry for entry in plan_of(now).findings if entry.id == "no-way-back"]

    assert (finding.severity, finding.waivable) == (Severity.BLOCKS, False)
    assert said in finding.evidence


@pytest.mark.parametrize("last", ["begin", "write files", "undo", "broken"])
def test_a_switch_that_stopped_in_its_middle_is_taken_back(last: str) -> None:
    """A node that is neither old nor new, and not Ready: it is not drained, because nothing would end there."""
    now = migrated(pod("web"), transactions={"t1": Transaction(last=last, source=OLD)})
    now = replace(now, node=node(ready=False, unschedulable=True, annotations={CORDONED: "migrator"}))

    plan = plan_of(now)

    assert (plan.blockers, plan.transaction, plan.cordoned_before) == ((), "t1", False)
    assert [step.id for step in plan.steps if step.needed] == ["cordon", "restore", "uncordon"]


def test_a_run_that_was_killed_before_its_switch_leaves_only_a_cordon() -> None:
    """Which is taken back; nothing is drained for that."""
    now = migrated(pod("web"), transactions={})
    now = replace(now, node=node(unschedulable=True, annotations={CORDONED: "migrator"}))

    plan = plan_of(now)

    assert plan.blockers == ()
    assert [step.id for step in plan.steps if step.needed] == ["cordon", "uncordon"]


def test_a_stopped_docker_is_enough() -> None:
    """It was retired: it is started again."""
    assert plan_of(migrated(docker=None, docker_problem="docker.service does not run")).blockers == ()


def test_images_that_came_since_are_named() -> None:
    """Docker does not have them."""
    now = migrated(pod("new", images=("registry.example/new:1",)))

    (finding,) = [entry for entry in plan_of(now).findings if entry.id == "images-only-new"]

    assert (finding.severity, "registry.example/new:1" in finding.evidence) == (Severity.WARNS, True)


def test_a_node_goes_back_in_its_order() -> None:
    """Drained first, then the transaction of that name, then kubeadm's annotation and the uncordon."""
    world = World(migrated(pod("web"), AGENT))

    apply(world.run, ROLLBACK)

    (asked,) = world.hosts.calls
    assert isinstance(asked, Switch)
    assert (asked.state, asked.transaction) == ("old", "t1")
    changes = [call for call in world.cluster.calls if call.split()[0] in {"cordon", "uncordon", "evict", "annotate"}]
    assert changes == ["cordon", "evict shop/web", "annotate /var/run/dockershim.sock", "uncordon"]
    assert (world.node.runtime, world.node.unschedulable) == (OLD, False)


@pytest.mark.parametrize(
    ("there", "left", "said"), [("", None, "removed"), ("unix:///run/x", "unix:///run/x", "unix:///run/x")]
)
def test_the_annotation_stays_as_a_rollback_found_it(there: str, left: str | None, said: str) -> None:
    """None is none: an empty one would tell kubeadm of a socket without a name."""
    world = World(migrated(AGENT))
    run = replace(world.run, plan=world.run.rollback.model_copy(update={"annotation": there}))

    assert annotate.undo_back(run) == said
    assert world.node.annotations.get(CRI_SOCKET) == left


def test_a_node_that_is_neither_stays_cordoned() -> None:
    """A way back that failed leaves no node to pods that it cannot run."""
    world = World(migrated(AGENT))

    def breaks(_: Request) -> HostResult:
        world.cluster.change("worker-1", ready=False)
        return switched("broken", "Docker does not start")

    world.hosts.answers["switch old"] = breaks

    with pytest.raises(StepFailedError, match="Docker does not start"):
        apply(world.run, ROLLBACK)

    assert world.node.unschedulable


def test_a_node_that_still_serves_takes_pods_again() -> None:
    """The way back failed before it changed anything."""
    world = World(migrated(AGENT))
    world.hosts.answers["switch old"] = HostResult(host="worker-1", problem="no sudo")

    with pytest.raises(StepFailedError, match="worker-1 is Ready on containerd://1.6.20, schedulable"):
        apply(world.run, ROLLBACK)

    assert not world.node.unschedulable


ORDERS = {
    "by number": ({"z": DONE, "a": DONE.model_copy(update={"number": 1, "at": 5.0})}, "a"),
    "the open one, whatever its name": ({"z": DONE, "a": Transaction(last="undo", source=OLD)}, "a"),
    "by time where nothing was counted": (
        {"20261201": DONE.model_copy(update={"at": 1.0}), "20261130": DONE.model_copy(update={"at": 2.0})},
        "20261130",
    ),
    "by name where no time is known": ({"20261130": DONE, "20261201": DONE}, "20261201"),
}


@pytest.mark.parametrize(("transactions", "name"), ORDERS.values(), ids=ORDERS)
def test_the_switch_that_is_undone_is_the_nodes_last(transactions: dict[str, Transaction], name: str) -> None:
    """By the node's own order: names have the times of control hosts, whose clocks may be anywhere."""
    assert plan_of(migrated(transactions=transactions)).transaction == name


@given(st.permutations(range(1, 7)), st.sampled_from(["done", "undone"]))
def test_names_never_decide(order: list[int], last: str) -> None:
    """Whatever names the same switches have, the newest is the one with the highest number; an open one comes first."""
    switches = {
        f"2026{name:04}": Transaction(last=last, number=number, at=float(number)) for name, number in enumerate(order)
    }
    known = values.facts(transactions=switches)

    assert known.newest_switch[1].number == len(order)
    assert known.disputed_switches == ()
    (first, *_) = switches
    opened = values.facts(transactions={**switches, first: Transaction(last="write files", number=1)})
    assert opened.newest_switch[0] == first
