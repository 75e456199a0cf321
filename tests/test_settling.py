"""A node is done when what left it is available again, and when it has stayed well for as long as somebody wants."""

from __future__ import annotations

from dataclasses import replace

import pytest

from migrator.engine.context import StepContext
from migrator.engine.migration import STEPS
from migrator.engine.steps import settle
from migrator.errors import StepFailedError
from migrator.model.host_settings import HostSettings
from migrator.model.kubernetes import Pod
from migrator.planning import plan
from tests.fakes.clock import FakeClock
from tests.fakes.cluster import FakeCluster
from tests.fakes.hosts import FakeHosts
from tests.fakes.values import node, pod, situation

ELSEWHERE = pod("web-2", node="worker-2")


def world(*pods: Pod, **target: object) -> tuple[StepContext, FakeCluster]:
    """Give a node that was left by one of the two pods of a Deployment; these are what there is now."""
    cluster = FakeCluster([node()], [pod("web-1"), ELSEWHERE])
    run = StepContext(
        id="t1", plan=plan.make(situation(), STEPS), target=HostSettings.model_validate({"settle_timeout": 60, **target}),
        hosts=FakeHosts({}), cluster=cluster, clock=FakeClock(), allow=frozenset(), tell=lambda _: None,
    )  # fmt: skip
    settle.remember(run, [pod("web-1")])
    cluster.pods = {entry.uid: entry for entry in pods}
    return run, cluster


def test_what_left_must_be_ready_again() -> None:
    """As many pods as before, wherever they are; one that is there and not ready is waited for."""
    late = pod("web-3", node="worker-2", ready=False)
    run, cluster = world(ELSEWHERE, late)
    cluster.wanted = {"ReplicaSet/web": 2}
    clock = FakeClock(lambda now: cluster.pods.update({late.uid: replace(late, ready=True)}) if now > 20 else None)

    assert settle.act(replace(run, clock=clock)) == "1 workloads that left are available again"
    assert 20 < clock.now() <= 25


def test_what_stays_away_is_named() -> None:
    """With how many of how many."""
    run, cluster = world(ELSEWHERE)
    cluster.wanted = {"ReplicaSet/web": 2}

    with pytest.raises(StepFailedError, match=r"in vain .* available again: shop/ReplicaSet/web has 1 of 2 pods ready"):
        settle.act(run)


SMALLER = {
    "scaled down": ((ELSEWHERE,), 1),
    "rolled out anew, under another name": ((), 0),
    "of a kind that we do not know": ((ELSEWHERE,), None),
}


@pytest.mark.parametrize(("pods", "wanted"), SMALLER.values(), ids=SMALLER)
def test_a_workload_may_have_become_smaller(pods: tuple[Pod, ...], wanted: int | None) -> None:
    """Then no more is waited for than is wanted now."""
    run, cluster = world(*pods)
    cluster.wanted = {"ReplicaSet/web": wanted}

    settle.act(run)
    assert run.clock.now() == 0


def test_a_pod_that_nobody_would_create_again_is_not_waited_for() -> None:
    """It left with consent."""
    run, _ = world(ELSEWHERE, pod("web-3"))
    settle.remember(run, [pod("alone", owner="")])

    settle.act(run)

    assert run.clock.now() == 0
    assert list(run.left) == [("shop", "ReplicaSet/web")]


def test_what_was_not_ready_before_is_not_waited_for() -> None:
    """A workload of which one pod crashes anyway."""
    run, cluster = world(ELSEWHERE)
    run.left[("shop", "ReplicaSet/web")] = 1
    cluster.wanted = {"ReplicaSet/web": 2}

    settle.act(run)
    assert run.clock.now() == 0


def test_a_node_is_watched() -> None:
    """For as long as was asked for, through a moment of weakness; test_steps has the API server that stumbles."""
    run, cluster = world(ELSEWHERE, pod("web-3"), soak=600)
    clock = FakeClock(lambda now: cluster.change("worker-1", ready=not 100 < now < 130))

    assert settle.act(replace(run, clock=clock)).endswith("; Ready for 600 s")
    assert clock.now() >= 600


def test_a_node_that_does_not_stay_well_fails() -> None:
    """A minute after it was last seen so."""
    run, cluster = world(ELSEWHERE, pod("web-3"), soak=600)
    clock = FakeClock(lambda now: cluster.change("worker-1", ready=now < 100))

    with pytest.raises(StepFailedError, match="worker-1 did not stay well after 16. s: it is not Ready"):
        settle.act(replace(run, clock=clock))


def test_a_node_that_is_not_well_at_the_end_is_not_done() -> None:
    """However short it was to be watched."""
    run, cluster = world(ELSEWHERE, pod("web-3"), soak=20)
    cluster.change("worker-1", ready=False)

    with pytest.raises(StepFailedError, match="worker-1 did not stay well"):
        settle.act(run)


def test_whoever_wants_an_end_need_not_wait_for_the_watch() -> None:
    """The node is done in any case."""
    run, _ = world(ELSEWHERE, pod("web-3"), soak=600)
    clock = FakeClock()

    found = settle.act(replace(run, clock=clock, stopping=lambda: clock.now() > 30))

    assert found.endswith("watched for 35 of 600 s, as somebody wants an end")


def test_a_cache_that_still_shows_what_has_left_is_not_believed() -> None:
    """The pods were ready when they were asked to leave; nobody is done because of that."""
    run, cluster = world(ELSEWHERE)
    cluster.wanted = {"ReplicaSet/web": 2}
    cluster.cache = [pod("web-1"), ELSEWHERE]
    new = pod("web-3", node="worker-2")
    clock = FakeClock(lambda now: cluster.pods.update({new.uid: new}) if now > 12 else None)

    settle.act(replace(run, clock=clock))

    assert clock.now() == 15


def test_only_namespaces_with_something_away_are_read_again() -> None:
    """And all of them once more when nothing seems to be away, past the cache: each may have got worse meanwhile."""
    run, cluster = world()
    run.left.clear()
    cluster.calls.clear()
    names = [f"space-{number}" for number in range(9)]
    run.left.update({(name, "ReplicaSet/web"): 1 for name in names})
    cluster.wanted = {"ReplicaSet/web": 1}
    cluster.pods = {name: pod("b", namespace=name) for name in names[1:]}
    late = pod("b", namespace=names[0])
    clock = FakeClock(lambda now: cluster.pods.update({names[0]: late}) if now > 42 else None)

    settle.act(replace(run, clock=clock))

    looks = [call.removeprefix("cached pods in ") for call in cluster.calls if call.startswith("cached pods")]
    assert (sorted(looks[:9]), looks[9:]) == (names, [names[0]] * 9)
    assert sorted(call for call in cluster.calls if call.startswith("pods in")) == [f"pods in {name}" for name in names]
