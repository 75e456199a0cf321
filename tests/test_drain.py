"""A drain honours budgets, waits with patience, and says who held it up."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from migrator.cluster import Eviction
from migrator.engine import eviction
from migrator.engine.context import StepContext
from migrator.engine.migration import STEPS
from migrator.errors import ClusterError, RefusedError, StepFailedError
from migrator.model.clock import pace
from migrator.model.event import Event
from migrator.model.host_settings import HostSettings
from migrator.model.kubernetes import Budget, Pod
from migrator.planning import plan
from tests.fakes.clock import FakeClock
from tests.fakes.cluster import FakeCluster
from tests.fakes.hosts import FakeHosts
from tests.fakes.values import node, pod, situation


def world(
    *pods: Pod, allow: frozenset[str] = frozenset(), budgets: list[Budget] | None = None, drain_timeout: int = 60
) -> tuple[StepContext, FakeCluster, list[Event]]:
    """Give a node with these pods, ready to be drained."""
    cluster = FakeCluster([node()], list(pods), budgets)
    events: list[Event] = []
    run = StepContext(
        id="t1", plan=plan.make(situation(), STEPS), target=HostSettings(drain_timeout=drain_timeout), hosts=FakeHosts({}),
        cluster=cluster, clock=FakeClock(), allow=allow, tell=events.append,
    )  # fmt: skip
    return run, cluster, events


def evictions(cluster: FakeCluster) -> list[str]:
    """Name the pods whose eviction was asked for, in order."""
    return [call.removeprefix("evict ") for call in cluster.calls if call.startswith("evict")]


def test_what_stays_is_left_alone() -> None:
    """DaemonSets' pods, mirrors of static pods and finished pods are not evicted."""
    run, cluster, _ = world(
        pod("web"),
        pod("agent", owner="DaemonSet/agent"),
        pod("edge", owner="Node/w", mirror=True),
        pod("job", phase="Succeeded"),
    )

    eviction.drain(run)

    assert evictions(cluster) == ["shop/web"]


def test_one_pods_trouble_holds_up_no_other() -> None:
    """An eviction that fails is told by the pod's name, and the pods after it are asked to leave all the same."""
    run, cluster, _ = world(pod("first"), pod("second"))
    evict = cluster.evict

    def failing(leaving: Pod) -> Eviction:
        if leaving.name == "first":
            raise ClusterError("a webhook does not answer")
        return evict(leaving)

    cluster.evict = failing  # type: ignore[method-assign]

    with pytest.raises(StepFailedError, match=r"shop/first \(a webhook does not answer\)$"):
        eviction.drain(run)

    assert evictions(cluster) == ["shop/second"]


def test_an_eviction_that_is_forbidden_ends_the_drain() -> None:
    """Somebody may give the right meanwhile; after two minutes nobody waits for the deadline."""
    run, cluster, _ = world(pod("web"), drain_timeout=600)

    def forbidden(_: Pod) -> Eviction:
        raise RefusedError("no right to create pods/eviction")

    cluster.evict = forbidden  # type: ignore[method-assign]

    with pytest.raises(StepFailedError, match="shop/web may not be evicted: no right to create pods/eviction"):
        eviction.drain(run)

    assert 120 <= run.clock.now() <= 126


def test_a_refused_eviction_is_asked_for_again() -> None:
    """A budget that allows none now is looked at every five seconds, until it does."""
    budget = Budget(namespace="shop", name="web", match_labels={"app": "web"}, disruptions_allowed=0)
    run, cluster, events = world(pod("web"), budgets=[budget])
    cluster.refuse = {"shop/web"}

    def later(now: float) -> None:
        if now >= 11:
            cluster.refuse.clear()
            cluster.all_budgets = [budget.model_copy(update={"disruptions_allowed": 1})]

    run = replace(run, clock=FakeClock(later))

    eviction.drain(run)

    assert evictions(cluster) == ["shop/web"] * 2
    assert run.clock.now() == 16
    assert "waits for PodDisruptionBudget web (0 disruptions allowed)" in events[0].message


def test_a_budget_that_never_allows_ends_the_drain() -> None:
    """After the deadline the message names the pod and the budget."""
    run, cluster, _ = world(pod("web"))
    cluster.refuse = {"shop/web"}

    with pytest.raises(StepFailedError, match=r"not empty after 60 s: shop/web \(a PodDisruptionBudget\)"):
        eviction.drain(run)


def test_a_pod_that_never_ends_ends_the_drain() -> None:
    """A pod that accepted its eviction is not evicted again, and named when time is up."""
    run, cluster, _ = world(pod("web"))
    cluster.stuck = {"shop/web"}

    with pytest.raises(StepFailedError, match=r"shop/web \(does not end\)"):
        eviction.drain(run)

    assert evictions(cluster) == ["shop/web"]


def test_a_drain_that_fails_always_says_why() -> None:
    """The last pod is gone from the cache just when the API server does not say that nobody is left."""
    run, cluster, _ = world(pod("web"))
    cluster.stuck = {"shop/web"}
    read = cluster.pods_on

    def late(place: str, *, cached: bool = False) -> tuple[Pod, ...]:
        if run.clock.now() >= 60 and cached:
            cluster.cache = cluster.cache or list(cluster.pods.values())
            found, cluster.cache = read(place, cached=True), []
            cluster.pods_on = lambda *_, **__: ()  # type: ignore[method-assign]
            return found
        return read(place, cached=cached)

    cluster.pods_on = late  # type: ignore[method-assign]

    with pytest.raises(StepFailedError, match=r"after 60 s: shop/web \(does not end\)$"):
        eviction.drain(run)


@pytest.mark.parametrize(("grace", "goes"), [(30, True), (3600, False)])
def test_a_runtime_that_does_not_end_pods_can_be_left(grace: int, *, goes: bool) -> None:
    """On the way back a pod whose grace period is over holds nothing up; one that still may take its time does."""
    run, cluster, _ = world(replace(pod("web"), grace=grace), pod("db"))
    cluster.stuck = {"shop/web"}

    if goes:
        assert eviction.drain(run, overdue_may_stay=True).startswith("shop/web did not end in time")
        assert run.clock.now() == 60
    else:
        with pytest.raises(StepFailedError, match=r"shop/web \(does not end\)"):
            eviction.drain(run, overdue_may_stay=True)


def test_a_budget_holds_up_the_way_back_too() -> None:
    """Somebody else's pod that does not end is no reason to break a budget."""
    run, cluster, _ = world(pod("web"), pod("db"))
    cluster.stuck, cluster.refuse = {"shop/web"}, {"shop/db"}

    with pytest.raises(StepFailedError, match=r"shop/db \(a PodDisruptionBudget\)"):
        eviction.drain(run, overdue_may_stay=True)


def test_an_api_server_that_stumbles_does_not_fail_the_drain() -> None:
    """Errors are waited out."""
    run, cluster, _ = world(pod("web"))
    cluster.failures = ["down", "down", "down"]

    eviction.drain(run)

    assert cluster.pods == {}


@pytest.mark.parametrize(
    ("late", "check"), [(pod("late", empty_dirs=("d",)), "local-storage"), (pod("late", owner=""), "unmanaged-pods")]
)
def test_a_pod_that_came_since_the_plan_needs_consent_too(late: Pod, check: str) -> None:
    """Nothing is evicted when one of the pods needs a consent that was not given; with it, all leave."""
    run, cluster, _ = world(pod("web"), late)

    with pytest.raises(StepFailedError, match="shop/late came after the plan"):
        eviction.drain(run)
    assert evictions(cluster) == []

    allowed, cluster, _ = world(pod("web"), late, allow=frozenset({check}))
    eviction.drain(allowed)
    assert cluster.pods == {}


DNS = pod("dns", priority=2_000_000_000)


def test_the_least_important_leave_first() -> None:
    """What the cluster itself needs is asked last, and at once when all others end: each has its own grace period."""
    run, cluster, _ = world(DNS, pod("web", priority=10), pod("batch", priority=-5), pod("slow", priority=0))
    cluster.stuck = {"shop/slow", "shop/dns"}
    asked: list[float] = []
    evict = cluster.evict

    def ending(leaving: Pod) -> Eviction:
        asked.append(run.clock.now())
        return evict(leaving)

    cluster.evict = ending  # type: ignore[method-assign]
    run = replace(run, clock=FakeClock(lambda now: cluster.pods.clear() if now >= 11 else None))

    eviction.drain(run)

    assert evictions(cluster) == ["shop/batch", "shop/slow", "shop/web", "shop/dns"]
    assert asked == [0.0] * 4
    assert run.clock.now() == 11


def test_what_the_cluster_needs_stays_while_a_budget_holds_others() -> None:
    """That may last for minutes, in which they need it."""
    run, cluster, _ = world(DNS, pod("web"), pod("batch"))
    cluster.refuse = {"shop/web"}
    clock = FakeClock(lambda now: cluster.refuse.clear() if now >= 31 else None)
    there: list[bool] = []
    evict = cluster.evict

    def seen(leaving: Pod) -> Eviction:
        there.append("uid-dns" in cluster.pods)
        return evict(leaving)

    cluster.evict = seen  # type: ignore[method-assign]

    eviction.drain(replace(run, clock=clock))

    assert evictions(cluster) == ["shop/web", "shop/batch", *["shop/web"] * 7, "shop/dns"]
    assert all(there)


def test_a_pod_is_asked_at_once_when_it_is_seen() -> None:
    """One that came late does not wait for the next try of those that were refused."""
    run, cluster, _ = world(pod("held"))
    cluster.refuse = {"shop/held"}

    def later(now: float) -> None:
        if now == 2:
            cluster.pods["uid-late"] = pod("late")
        if now == 3:
            assert evictions(cluster) == ["shop/held", "shop/late"]
        if now == 7:
            cluster.refuse.clear()

    eviction.drain(replace(run, clock=FakeClock(later)))

    assert evictions(cluster) == ["shop/held", "shop/late", "shop/held", "shop/held"]


def asked(cluster: FakeCluster, what: str) -> int:
    """Count the requests that begin like that."""
    return sum(call.startswith(what) for call in cluster.calls)


def test_a_drain_looks_into_the_cache_and_ends_by_the_truth() -> None:
    """One read past the cache, however long it takes."""
    run, cluster, _ = world(pod("web"), drain_timeout=600)
    cluster.stuck = {"shop/web"}

    eviction.drain(replace(run, clock=FakeClock(lambda now: cluster.pods.clear() if now >= 50 else None)))

    assert asked(cluster, "cached pods on worker-1") == 51
    assert asked(cluster, "pods on worker-1") == 1


def test_a_pod_that_the_cache_lacks_is_evicted_too() -> None:
    """One that was bound to the node a moment before nobody seemed to be left."""
    run, cluster, _ = world(pod("web"))
    cluster.cache = []

    eviction.drain(run)

    assert evictions(cluster) == ["shop/web"]
    assert cluster.pods == {}


def test_nobody_is_gone_before_the_api_server_has_said_so() -> None:
    """The cache's word alone is not taken when the API server stumbles just then."""
    run, cluster, _ = world(pod("web"))
    cluster.cache = []
    read = cluster.pods_on
    tries: list[float] = []

    def stumbling(node: str, *, cached: bool = False) -> tuple[Pod, ...]:
        if not cached:
            tries.append(run.clock.now())
            if len(tries) < 4:
                raise ClusterError("down")
        return read(node, cached=cached)

    cluster.pods_on = stumbling  # type: ignore[method-assign]

    eviction.drain(run)

    assert evictions(cluster) == ["shop/web"]
    assert tries == [0, 1, 2, 3, 8]


def test_a_cache_that_is_far_behind_is_not_doubted_at_every_look() -> None:
    """The API server is asked itself every five seconds at most."""
    run, cluster, _ = world(pod("web"), drain_timeout=60)
    cluster.cache = []
    cluster.refuse = {"shop/web"}

    with pytest.raises(StepFailedError, match="not empty after 60 s"):
        eviction.drain(run)

    assert asked(cluster, "pods on worker-1") == 13


def test_a_cache_that_shows_an_older_pod_needs_no_consent() -> None:
    """It ended already when the plan was made, so nobody was asked about its data."""
    ending = pod("web", terminating=True, grace=30, empty_dirs=("cache",))
    run, cluster, _ = world(ending)
    cluster.cache = [replace(ending, terminating=False)]
    clock = FakeClock(lambda now: (cluster.pods.clear(), setattr(cluster, "cache", None)) if now >= 20 else None)

    assert "left" in eviction.drain(replace(run, clock=clock))
    assert evictions(cluster) == []


@pytest.mark.parametrize("seed", range(60))
def test_no_drain_ends_while_pods_are_left(seed: int) -> None:
    """However far the cache is behind, whoever ends when, and whoever comes late or is held by a budget."""
    chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
    pods = [pod(f"p{number}", priority=chance.choice((0, 5, 2_000_000_000))) for number in range(8)]
    run, cluster, _ = world(*pods, drain_timeout=900)
    cluster.stuck = {entry.full_name for entry in pods}
    cluster.refuse = {entry.full_name for entry in pods if chance.random() < 0.3}
    late = [pod(f"late{number}") for number in range(chance.randrange(4))]
    history = [list(cluster.pods.values())]
    lag = chance.randrange(8)

    def move(now: float) -> None:
        if now > 40:
            cluster.refuse.clear()
        if late and chance.random() < 0.05:
            arrived = late.pop()
            cluster.pods[arrived.uid] = arrived
        for uid, entry in list(cluster.pods.items()):
            if entry.terminating and chance.random() < 0.1:
                del cluster.pods[uid]
        history.append(list(cluster.pods.values()))
        cluster.cache = history[max(0, len(history) - 1 - lag)]

    eviction.drain(replace(run, clock=FakeClock(move)))

    assert cluster.pods == {}
    assert len(set(evictions(cluster))) >= len(pods)


def test_only_budgets_of_the_pods_namespace_are_read() -> None:
    """Once at a look for all of its pods, which are tried themselves once a minute."""
    held = [pod(f"web-{number}", labels={"app": "web"}) for number in range(30)]
    budgets = [Budget(namespace="shop", name="web", match_labels={"app": "web"}, disruptions_allowed=0)]
    run, cluster, events = world(*held, budgets=budgets, drain_timeout=59)
    cluster.refuse = {entry.full_name for entry in held}

    with pytest.raises(StepFailedError, match=r"shop/web-0 \(PodDisruptionBudget web \(0 disruptions allowed\)\)"):
        eviction.drain(run)

    assert [call for call in cluster.calls if "budgets" in call] == ["cached budgets shop"] * 12
    assert asked(cluster, "evict") == 30
    assert sum("waits for PodDisruptionBudget web (0 disruptions allowed)" in event.message for event in events) == 30


TRIED = {
    "that its budget allows": ({}, [Budget(namespace="shop", name="b", match_labels={}, disruptions_allowed=1)], 12),
    "that no budget covers": ({}, [Budget(namespace="other", name="b", match_labels={}, disruptions_allowed=0)], 12),
    "that is not ready": (
        {"ready": False}, [Budget(namespace="shop", name="b", match_labels={}, disruptions_allowed=0)], 12,
    ),
    "that its budget forbids": ({}, [Budget(namespace="shop", name="b", match_labels={}, disruptions_allowed=0)], 1),
}  # fmt: skip


@pytest.mark.parametrize(("what", "budgets", "tries"), TRIED.values(), ids=TRIED)
def test_a_pod_is_tried_again(what: dict[str, Any], budgets: list[Budget], tries: int) -> None:
    """Every five seconds, but for one whose budget says what would come of it."""
    run, cluster, _ = world(pod("web", **what), budgets=budgets, drain_timeout=59)
    cluster.refuse = {"shop/web"}

    with pytest.raises(StepFailedError, match="not empty after 59 s"):
        eviction.drain(run)

    assert asked(cluster, "evict") == tries


def test_a_budget_that_says_nothing_true_holds_no_pod_for_ever() -> None:
    """Its status may be wrong, or not what the API server goes by: each pod is tried once a minute all the same."""
    run, cluster, _ = world(
        pod("web"),
        budgets=[Budget(namespace="shop", name="b", match_labels={}, disruptions_allowed=0)],
        drain_timeout=600,
    )
    cluster.refuse = {"shop/web"}

    eviction.drain(replace(run, clock=FakeClock(lambda now: cluster.refuse.clear() if now >= 70 else None)))

    assert 2 <= asked(cluster, "evict") <= 3


def test_budgets_that_cannot_be_read_hold_up_nobody() -> None:
    """Each pod is asked as if there were none to know of."""
    run, cluster, _ = world(pod("web"), pod("free"))
    cluster.refuse = {"shop/web"}

    def unreadable(*_: object, **__: object) -> tuple[Budget, ...]:
        raise RefusedError("no right to list budgets")

    cluster.budgets = unreadable  # type: ignore[method-assign]

    with pytest.raises(StepFailedError, match=r"shop/web \(a PodDisruptionBudget\)$"):
        eviction.drain(run)
    assert "shop/free" in evictions(cluster)


@pytest.mark.parametrize("quiet", [0, 0.5, 1, 30, 59.9, 60, 61, 90, 150, 300, 599, 6000])
def test_looks_become_rarer(quiet: float) -> None:
    """Every second in the first minute; later what ends is seen by a thirtieth later at most, and within five."""
    pause = pace(quiet)

    assert pause == 1 if quiet <= 60 else 1 < pause <= min(5, quiet / 30)
    assert pace(quiet, 0.5) == (0.5 if quiet <= 60 else pause)
    assert pace(quiet, 5) == 5


def test_volumes_are_waited_for() -> None:
    """Whoever needs them elsewhere would wait for minutes once the kubelet is stopped."""
    run, cluster, events = world(pod("web", claims=("data",)))
    cluster.change("worker-1", volumes=("kubernetes.io/csi/x^1",))
    clock = FakeClock(lambda now: cluster.change("worker-1", volumes=()) if now > 7 else None)

    assert eviction.drain(replace(run, clock=clock)) == "1 pods left, their volumes too"
    assert [event.message for event in events][-1] == "waits for 1 volumes to be unmounted"


def test_volumes_that_stay_in_use_fail_the_drain() -> None:
    """They are named."""
    run, cluster, _ = world(pod("web"))
    cluster.change("worker-1", volumes=("kubernetes.io/csi/x^1",))

    with pytest.raises(StepFailedError, match=r"volumes are still in use: kubernetes.io/csi/x\^1"):
        eviction.drain(run)


def test_volumes_of_what_stays_are_not_waited_for() -> None:
    """They stay in use."""
    run, cluster, _ = world(pod("web"), pod("agent", owner="DaemonSet/agent", claims=("cache",)))
    cluster.change("worker-1", volumes=("kubernetes.io/csi/x^1",))

    assert eviction.drain(run) == "1 pods left"


@pytest.mark.parametrize("what", [{"empty_dirs": ("cache",)}, {"owner": ""}], ids=["an emptyDir", "no owner"])
def test_a_pod_that_ends_already_needs_no_consent(what: dict[str, Any]) -> None:
    """Somebody else has ended it, before the plan or since: it is waited for like the others."""
    ending = pod("web", terminating=True, grace=30, **what)
    run, cluster, _ = world(ending)
    clock = FakeClock(lambda now: cluster.pods.clear() if now >= 20 else None)

    assert "left" in eviction.drain(replace(run, clock=clock))
    assert evictions(cluster) == []


@pytest.mark.parametrize("what", [{"empty_dirs": ("cache",)}, {"owner": ""}], ids=["an emptyDir", "no owner"])
def test_one_that_came_after_the_plan_still_does(what: dict[str, Any]) -> None:
    """Nobody was asked about it."""
    run, cluster, _ = world(pod("web", **what))

    with pytest.raises(StepFailedError, match="shop/web came after the plan"):
        eviction.drain(run)

    assert evictions(cluster) == []


def test_probes_of_ours_need_no_consent() -> None:
    """A session that was killed has left them, or somebody's `verify` runs: neither is a workload."""
    run, cluster, _ = world(pod("probe-a", namespace="migrator-probe-5e551011", owner="", empty_dirs=("x",)))

    eviction.drain(run)

    assert evictions(cluster) == ["migrator-probe-5e551011/probe-a"]
