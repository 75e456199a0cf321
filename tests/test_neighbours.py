"""Nodes that are drained side by side leave each workload its last ready pod, and do not wait for each other in a circle."""

from __future__ import annotations

import random
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrator.cluster import Eviction
from migrator.engine.context import StepContext
from migrator.engine.last_ready_pod import LastReadyPods
from migrator.engine.migration import STEPS
from migrator.engine.steps import drain, settle
from migrator.errors import ClusterError, RefusedError, StepFailedError
from migrator.model.event import Event
from migrator.model.host_settings import HostSettings
from migrator.model.kubernetes import Pod
from migrator.planning import plan
from tests.fakes.clock import FakeClock
from tests.fakes.cluster import FakeCluster
from tests.fakes.hosts import FakeHosts
from tests.fakes.values import node, pod, situation


def on(place: str, name: str = "web", **update: Any) -> Pod:
    """Give a pod of a ReplicaSet on a node."""
    return pod(f"{name}-{place}", **({"node": place, "owner": f"ReplicaSet/{name}"} | update))


def a_cluster(*pods: Pod, wanted: int | None = 2) -> FakeCluster:
    """Give four nodes with these pods, whose owners shall have so many."""
    cluster = FakeCluster([node(name=f"w{number}") for number in range(1, 5)], list(pods))
    cluster.wanted = {entry.owner: wanted for entry in pods}
    return cluster


def a_run(
    cluster: FakeCluster,
    neighbours: LastReadyPods,
    *,
    name: str = "w1",
    clock: FakeClock | None = None,
    allow: frozenset[str] = frozenset(),
) -> tuple[StepContext, list[Event]]:
    """Give a node that is to be drained."""
    events: list[Event] = []
    run = StepContext(
        id="t1", plan=plan.make(situation(host=name, node=node(name=name)), STEPS), target=HostSettings(drain_timeout=60),
        hosts=FakeHosts({}), cluster=cluster, clock=clock or FakeClock(), allow=allow, tell=events.append,
        neighbours=neighbours,
    )  # fmt: skip
    return run, events


def evicted(cluster: FakeCluster) -> list[str]:
    """Name the pods whose eviction was asked for, in order."""
    return [call.removeprefix("evict shop/") for call in cluster.calls if call.startswith("evict")]


def taken(neighbours: LastReadyPods, cluster: FakeCluster, *pods: Pod) -> None:
    """Have these leave, as another drain does."""
    for entry in pods:
        assert neighbours.held(cluster, entry) == ""
        cluster.evict(entry)


def test_the_last_ready_pod_waits_for_one_elsewhere() -> None:
    """The other one has left a node that is drained too; what comes for it is not ready before some seconds."""
    first, last, fresh = on("w1"), on("w2"), on("w3", ready=False)
    cluster, neighbours = a_cluster(first, last), LastReadyPods()

    def later(now: float) -> None:
        if now >= 20:
            cluster.pods[fresh.uid] = replace(fresh, ready=True)

    run, events = a_run(cluster, neighbours, name="w2", clock=FakeClock(later))
    with neighbours.draining("w1"):
        taken(neighbours, cluster, first)
        cluster.pods[fresh.uid] = fresh

        assert drain.act(run) == "1 pods left"

    assert 20 <= run.clock.now() < 30
    assert [event.message for event in events] == [
        "shop/web-w2 waits: it is the last ready pod of ReplicaSet/web until those of w1 are back",
        "shop/web-w2 leaves",
    ]


def test_a_pod_that_comes_nowhere_fails_the_drain_and_says_why() -> None:
    """At the drain's own deadline."""
    first, last = on("w1"), on("w2")
    cluster, neighbours = a_cluster(first, last), LastReadyPods()
    run, events = a_run(cluster, neighbours, name="w2")
    with neighbours.draining("w1"):
        taken(neighbours, cluster, first)

        with pytest.raises(
            StepFailedError,
            match=r"not empty after 60 s: shop/web-w2 \(it is the last ready pod of ReplicaSet/web until",
        ):
            drain.act(run)

    assert evicted(cluster) == ["web-w1"]
    assert len(events) == 1


def test_whoever_began_first_goes_first() -> None:
    """Otherwise each of two nodes could keep what the other one waits for."""
    cluster, neighbours = a_cluster(on("w1"), on("w2"), on("w1", "db"), on("w2", "db")), LastReadyPods()

    with neighbours.draining("w1"), neighbours.draining("w2"):
        for name in ("web", "db"):
            assert neighbours.held(cluster, on("w2", name)) == (
                f"w1, drained before, has the other ready pods of ReplicaSet/{name}"
            )
        assert [neighbours.held(cluster, on("w1", name)) for name in ("web", "db")] == ["", ""]


def test_of_three_nodes_only_the_last_one_waits() -> None:
    """The others need not wait for each other: it keeps the workload for them."""
    cluster, neighbours = a_cluster(on("w1"), on("w2"), on("w3"), wanted=3), LastReadyPods()

    with neighbours.draining("w1"), neighbours.draining("w2"), neighbours.draining("w3"):
        assert "w1, w2, drained before" in neighbours.held(cluster, on("w3"))
        assert neighbours.held(cluster, on("w2")) == ""
        assert neighbours.held(cluster, on("w3")).startswith("w1, drained before")
        assert neighbours.held(cluster, on("w1")) == ""
        assert neighbours.held(cluster, on("w3")).endswith("until those of w1, w2 are back")


def test_of_several_on_the_last_node_one_stays() -> None:
    """The others leave."""
    one, two = on("w2"), replace(on("w2"), name="web-2", uid="two")
    cluster, neighbours = a_cluster(on("w1"), one, two, wanted=3), LastReadyPods()

    with neighbours.draining("w1"), neighbours.draining("w2"):
        taken(neighbours, cluster, on("w1"), one)
        assert "last ready pod" in neighbours.held(cluster, two)


def test_what_left_earlier_and_is_not_back_counts_too() -> None:
    """That node has served again for long; when its workloads were seen to be available, it counts no more."""
    first, last = on("w1"), on("w2")
    cluster, neighbours = a_cluster(first, last), LastReadyPods()
    with neighbours.draining("w1"):
        taken(neighbours, cluster, first)

    with neighbours.draining("w2"):
        assert "until those of w1 are back" in neighbours.held(cluster, last)
        settle.act(replace(a_run(cluster, neighbours)[0], left={}))
        assert neighbours.held(cluster, last) == ""


def test_a_drain_that_fails_gives_its_pods_back() -> None:
    """They serve, so that those of another node may leave."""
    first, last = on("w1"), on("w2")
    cluster, neighbours = a_cluster(first, last), LastReadyPods()

    with ExitStack() as running:
        failing = ExitStack()
        failing.enter_context(neighbours.draining("w1"))
        running.enter_context(neighbours.draining("w2"))
        assert neighbours.held(cluster, first) == ""
        assert neighbours.held(cluster, last) != ""
        with pytest.raises(StepFailedError), failing:
            raise StepFailedError("it does not end")
        assert neighbours.held(cluster, last) == ""


@pytest.mark.parametrize("regardless", [False, True])
def test_a_pod_that_was_told_to_end_is_not_given_back(*, regardless: bool) -> None:
    """Its drain fails; a cache that still shows it as ready is no reason to take the workload's last one."""
    first, last = replace(on("w1"), grace=3600), on("w2")
    cluster, neighbours = a_cluster(first, last), LastReadyPods()
    cluster.stuck, cluster.cache = {first.full_name}, [first, last]
    allow = frozenset({"batch-replicas"}) if regardless else frozenset()
    run, _ = a_run(cluster, neighbours, allow=allow)

    with pytest.raises(StepFailedError, match="does not end"):
        drain.act(run)

    with neighbours.draining("w2"):
        assert neighbours.held(cluster, last).endswith("until those of w1 are back")
    assert "pods in shop" not in cluster.calls  # it is known without asking


def test_the_one_other_place_is_believed_only_past_the_cache() -> None:
    """The pod there was ready some seconds ago; with two such places nobody is asked."""
    first, last, third = on("w1"), on("w2"), on("w3")
    cluster, neighbours = a_cluster(first, last, third, wanted=3), LastReadyPods()
    with neighbours.draining("w1"):
        taken(neighbours, cluster, first)
    cluster.cache = [last, third]
    cluster.pods[third.uid] = replace(third, ready=False)

    with neighbours.draining("w2"):
        assert neighbours.held(cluster, last).endswith("until those of w1 are back")
        assert "pods in shop" in cluster.calls

        cluster.calls.clear()
        cluster.cache.append(on("w4"))
        assert neighbours.held(cluster, last) == ""
    assert cluster.calls == ["cached pods in shop"]


def test_what_was_taken_from_a_node_that_was_put_back_counts_until_it_is_ready_again() -> None:
    """Nobody waits for it any more when the workload has all of its pods."""
    neighbours = LastReadyPods()
    one, two = on("w3"), replace(on("w3"), name="web-2", uid="two")
    cluster = a_cluster(on("w1"), one)
    failing = ExitStack()
    failing.enter_context(neighbours.draining("w1"))
    taken(neighbours, cluster, on("w1"))
    with pytest.raises(StepFailedError), failing:
        raise StepFailedError("it does not end")

    with neighbours.draining("w3"):
        assert neighbours.held(cluster, one).endswith("until those of w1 are back")
        cluster.pods[two.uid] = two
        taken(neighbours, cluster, one, two)


UNKNOWN = {"of a kind without": None, "none, and there it is": 0}


@pytest.mark.parametrize("wanted", UNKNOWN.values(), ids=UNKNOWN)
def test_a_workload_whose_replicas_nobody_knows_keeps_its_last_pod(wanted: int | None) -> None:
    """Nothing says that it was scaled down."""
    owner = "StatefulSet.apps.kruise.io/web"
    first, last = on("w1", owner=owner), on("w2", owner=owner)
    cluster, neighbours = a_cluster(first, last, wanted=wanted), LastReadyPods()

    with neighbours.draining("w1"), neighbours.draining("w2"):
        taken(neighbours, cluster, first)
        assert "last ready pod" in neighbours.held(cluster, last)


def test_that_it_was_scaled_down_is_believed_only_past_the_cache() -> None:
    """It may have been scaled up again since."""
    first, last = on("w1"), on("w2")
    cluster, neighbours = a_cluster(first, last, wanted=2), LastReadyPods()
    cluster.replicas = lambda *_, cached=False: 1 if cached else 2  # type: ignore[method-assign]

    with neighbours.draining("w1"), neighbours.draining("w2"):
        taken(neighbours, cluster, first)
        assert "last ready pod" in neighbours.held(cluster, last)


ALONE: dict[str, tuple[FakeCluster, Pod]] = {
    "the only one": (a_cluster(on("w2"), wanted=1), on("w2")),
    "one that is not ready": (a_cluster(on("w2", ready=False)), on("w2", ready=False)),
    "one that ends": (a_cluster(on("w2", terminating=True)), on("w2", terminating=True)),
    "of a Job": (a_cluster(on("w2", owner="Job/web")), on("w2", owner="Job/web")),
    "of nobody": (a_cluster(on("w2", owner="")), on("w2", owner="")),
    "ready elsewhere": (a_cluster(on("w2"), on("w3")), on("w2")),
    "ready on a node that comes later": (a_cluster(on("w2"), on("w4")), on("w2")),
    "scaled down": (a_cluster(on("w2"), wanted=0), on("w2")),
    "the other one is ill, and not by us": (a_cluster(on("w2"), on("w3", ready=False)), on("w2")),
    "both are here": (a_cluster(on("w2"), replace(on("w2"), uid="2")), on("w2")),
    "another ReplicaSet of its Deployment": (
        a_cluster(on("w3", owner="ReplicaSet/web-7c", labels={"pod-template-hash": "7c"})),
        on("w2", owner="ReplicaSet/web-5f", labels={"pod-template-hash": "5f"}),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("cluster", "leaving"), ALONE.values(), ids=ALONE)
def test_what_harms_nobody_leaves_at_once(cluster: FakeCluster, leaving: Pod) -> None:
    """Other nodes are drained meanwhile, of other workloads."""
    neighbours = LastReadyPods()

    with neighbours.draining("w1"), neighbours.draining("w2"), neighbours.draining("w4"):
        taken(neighbours, a_cluster(on("w1", "other")), on("w1", "other"))

        assert neighbours.held(cluster, leaving) == ""


def test_a_workload_that_was_scaled_to_one_waits_for_nobody() -> None:
    """Whoever left will not come back."""
    first, last = on("w1"), on("w2")
    cluster, neighbours = a_cluster(first, last, wanted=1), LastReadyPods()

    with neighbours.draining("w1"), neighbours.draining("w2"):
        taken(neighbours, cluster, first, last)


def test_pods_of_two_replicasets_count_together() -> None:
    """A Deployment is being rolled out: one of the old pods and one of the new ones."""
    old = on("w1", owner="ReplicaSet/web-5f", labels={"pod-template-hash": "5f"})
    new = on("w2", owner="ReplicaSet/web-7c", labels={"pod-template-hash": "7c"})
    cluster, neighbours = a_cluster(old, new, wanted=1), LastReadyPods()

    with neighbours.draining("w1"), neighbours.draining("w2"):
        taken(neighbours, cluster, old)
        assert "the last ready pod of Deployment/web" in neighbours.held(cluster, new)


def test_a_node_alone_asks_nobody() -> None:
    """Nothing is read of the API server for it; and otherwise what the API server's cache has, shared by all."""
    cluster, neighbours = a_cluster(on("w1"), on("w2")), LastReadyPods()
    with neighbours.draining("w1"):
        assert neighbours.held(cluster, on("w1")) == ""
    assert cluster.calls == []

    neighbours = LastReadyPods()
    with neighbours.draining("w2"), neighbours.draining("w3"):
        assert neighbours.held(cluster, on("w2")) == ""
    assert cluster.calls == ["cached pods in shop"]


REFUSED = {
    "by a webhook": (RefusedError("a webhook"), "w1, drained before, has"),
    "by a budget": (None, "w1, drained before, has"),
    "nobody knows": (ClusterError("timeout"), "last ready pod"),
}


@pytest.mark.parametrize(("trouble", "says"), REFUSED.values(), ids=REFUSED)
def test_an_eviction_that_is_refused_took_nothing(trouble: ClusterError | None, says: str) -> None:
    """The pod still serves; one whose eviction nobody answered may be gone, and counts as gone."""
    first, last = on("w1"), on("w2")
    cluster, neighbours = a_cluster(first, last), LastReadyPods()
    cluster.refuse = {first.full_name}
    evict, seen = cluster.evict, []

    def troubled(leaving: Pod) -> Eviction:
        if trouble:
            raise trouble
        return evict(leaving)

    def beside(_: float) -> None:
        with neighbours.draining("w2"):
            seen.append(neighbours.held(cluster, last))

    cluster.evict = troubled  # type: ignore[method-assign]
    run, _ = a_run(cluster, neighbours, clock=FakeClock(beside))
    with pytest.raises(StepFailedError):
        drain.act(run)

    assert len(seen) == 60
    assert all(says in why for why in seen)


def test_whoever_allows_it_waits_for_nobody() -> None:
    """Two nodes that shall be drained together, and nowhere else to go."""
    first, last = on("w1"), on("w2")
    cluster, neighbours = a_cluster(first, last), LastReadyPods()
    run, _ = a_run(cluster, neighbours, name="w2", allow=frozenset({"batch-replicas"}))

    with neighbours.draining("w1"):
        taken(neighbours, cluster, first)
        drain.act_back(run)

    assert evicted(cluster) == ["web-w1", "web-w2"]


def test_others_know_of_what_leaves_because_it_is_allowed() -> None:
    """It is allowed on one node only, and the workload's last pod is on another one."""
    first, last = on("w1"), on("w2")
    cluster, neighbours = a_cluster(first, last), LastReadyPods()
    run, _ = a_run(cluster, neighbours, allow=frozenset({"batch-replicas"}))

    drain.act(run)

    with neighbours.draining("w2"):
        assert neighbours.held(cluster, last).endswith("until those of w1 are back")


def test_nobody_is_evicted_when_time_is_up() -> None:
    """A neighbour fails at the same moment, and its pod would let this one go."""
    first, last = on("w1"), on("w2")
    cluster, neighbours = a_cluster(first, last), LastReadyPods()
    before = ExitStack()
    before.enter_context(neighbours.draining("w1"))

    def at_the_end(now: float) -> None:
        if now >= 60:
            before.close()

    run, _ = a_run(cluster, neighbours, name="w2", clock=FakeClock(at_the_end))
    with pytest.raises(
        StepFailedError, match=r"after 60 s: shop/web-w2 \(w1, drained before, has the other ready pods"
    ):
        drain.act(run)

    assert evicted(cluster) == []


def test_a_pod_that_waits_for_something_else_says_so() -> None:
    """First for a neighbour, then for its budget; each once."""
    first, last = on("w1"), on("w2")
    cluster, neighbours = a_cluster(first, last), LastReadyPods()
    cluster.refuse = {last.full_name}
    before = ExitStack()
    before.enter_context(neighbours.draining("w1"))
    run, events = a_run(
        cluster, neighbours, name="w2", clock=FakeClock(lambda now: before.close() if now >= 20 else None)
    )

    with pytest.raises(StepFailedError, match="a PodDisruptionBudget"):
        drain.act(run)

    assert [event.message for event in events] == [
        "shop/web-w2 waits: w1, drained before, has the other ready pods of ReplicaSet/web",
        "shop/web-w2 waits for a PodDisruptionBudget",
    ]


class World:
    """A cluster with controllers and a scheduler, some of whose nodes are drained, go away for a while and come back."""

    def __init__(self, seed: int, workers: int, others: int, apps: int) -> None:
        """Begin with every pod ready."""
        self.random = random.Random(seed)  # noqa: S311 - to be repeated
        self.workers = [f"w{number}" for number in range(workers)]
        self.nodes = [*self.workers, *(f"o{number}" for number in range(others))]
        self.apps = {f"ReplicaSet/a{number}": self.random.randint(1, 4) for number in range(apps)}
        self.cluster = FakeCluster([node(name=name) for name in self.nodes])
        self.cluster.wanted = dict(self.apps)
        self.count = 0
        for app, replicas in self.apps.items():
            priority = self.random.choice((0, 0, 2_000_000_000))
            for place in self.random.choices(self.nodes, k=replicas):
                self.make(app, place, priority, ready=True)
        self.neighbours = LastReadyPods()
        self.time = 0.0
        self.starts = {name: self.random.choice((0, 0, 1, 5)) for name in self.workers}
        self.returns: dict[str, float] = {}
        self.drains: dict[str, ExitStack] = {}
        self.done: set[str] = set()
        self.cordoned: set[str] = set()
        self.since: dict[str, set[str]] = {app: set() for app in self.apps}
        """Nodes that took ready pods of each workload, since it had all of them."""

    @property
    def pods(self) -> list[Pod]:
        """Give all of them."""
        return list(self.cluster.pods.values())

    def make(self, app: str, place: str, priority: int, *, ready: bool) -> None:
        """Make a pod."""
        self.count += 1
        made = pod(f"p{self.count}", node=place, owner=app, ready=ready, priority=priority)
        self.cluster.pods[made.uid] = made

    def step(self) -> None:
        """Let some seconds pass: nodes are drained, in any order, and the cluster goes on."""
        self.time += 1
        for name in self.random.sample(self.workers, len(self.workers)):
            if name in self.drains:
                self.drain(name)
            elif name not in self.cordoned | self.done and self.time > self.starts[name]:
                self.cordoned.add(name)
                self.drains[name] = ExitStack()
                self.drains[name].enter_context(self.neighbours.draining(name))
        for name in [name for name, when in self.returns.items() if when <= self.time]:
            del self.returns[name]
            self.cordoned.remove(name)
            self.done.add(name)
        self.replace()

    def drain(self, name: str) -> None:
        """Evict what may leave, what is critical last; whoever is empty goes away for a while."""
        here = [entry for entry in self.pods if entry.node == name]
        ordinary = [entry for entry in here if not entry.priority]
        for entry in self.random.sample(leaving := ordinary or here, self.random.randint(0, len(leaving))):
            if not self.neighbours.held(self.cluster, entry):
                self.check(entry)
                del self.cluster.pods[entry.uid]
        if not here:
            self.drains.pop(name).close()
            self.returns[name] = self.time + self.random.randint(1, 9)

    def check(self, leaving: Pod) -> None:
        """See that a workload of which other nodes took something keeps a ready pod."""
        if not leaving.ready:
            return
        ready = [entry for entry in self.of(leaving.owner) if entry.ready and entry.uid != leaving.uid]
        assert ready or self.apps[leaving.owner] == 1 or self.since[leaving.owner] <= {leaving.node}, (
            f"{leaving.owner} is away at {self.time}"
        )
        self.since[leaving.owner].add(leaving.node)

    def of(self, app: str) -> list[Pod]:
        """Give the pods of a workload."""
        return [entry for entry in self.pods if entry.owner == app]

    def replace(self) -> None:
        """Make what is missing, on any node that takes pods; what was made before is ready now, or a little later."""
        for uid, entry in list(self.cluster.pods.items()):
            if not entry.ready and self.random.random() < 0.5:
                self.cluster.pods[uid] = replace(entry, ready=True)
        free = [name for name in self.nodes if name not in self.cordoned]
        for app, replicas in self.apps.items():
            for _ in range(replicas - len(self.of(app))):
                if free:
                    self.make(app, self.random.choice(free), 0, ready=False)
            if sum(entry.ready for entry in self.of(app)) == replicas:
                self.since[app].clear()
        if not any(self.since.values()):
            for name in self.done:
                self.neighbours.settled(name)


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32), workers=st.integers(1, 7), others=st.integers(0, 2), apps=st.integers(0, 14))
def test_drains_side_by_side_take_no_workload_and_all_end(seed: int, workers: int, others: int, apps: int) -> None:
    """Wherever pods are, in whatever order nodes get their turn, also where there is room only on what comes back."""
    world = World(seed, workers, others, apps)

    for _ in range(400):
        if len(world.done) == workers:
            return
        world.step()

    pytest.fail(f"still drained: {sorted(world.drains)}")
