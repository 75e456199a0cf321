"""Nodes worked on side by side: what fails, what is interrupted, and what is said in the end."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from migrator.app import rollout_job
from migrator.app.connections import Connections
from migrator.cluster import Eviction
from migrator.engine import eviction
from migrator.engine.migration import STEPS
from migrator.engine.steps import settle
from migrator.errors import ClusterError, LockedError, PlanRefusedError, StepFailedError, StoppedError
from migrator.hosts import HostResult
from migrator.inventory import Host
from migrator.model.event import Event
from migrator.model.host_settings import HostSettings
from migrator.model.kubernetes import ClusterFacts, Pod
from migrator.model.lease import Lease
from migrator.model.node_requests import Request, Switch
from migrator.model.observation import Observation
from migrator.model.plan import MigrationPlan, Phase, Plan
from migrator.planning import plan
from migrator.report import rollout
from migrator.rollout import lock
from migrator.rollout.batches import with_batches
from migrator.rollout.results import Ending, RolloutResult
from migrator.runtimes.registry import targets
from migrator.store import fact_store
from tests.fakes.cluster import FakeCluster
from tests.fakes.hosts import FakeHosts, switched
from tests.fakes.values import facts, node, pod, situation

NODES = ("w1", "w2", "w3")
SECONDS = 30.0


class World:
    """Three nodes without pods; a test says what their stages and switches do."""

    def __init__(self, folder: Path, **policy: Any) -> None:
        """Start on Docker."""
        self.target = HostSettings.model_validate({"proof": "none", "settle_timeout": 0} | policy)
        self.cluster = FakeCluster([node(name=name) for name in NODES])
        self.hosts = FakeHosts(
            {
                "stage": self.stage,
                "switch new": self.switch,
                "switch old": self.back,
                "retire": lambda _: HostResult(host=""),
            }
        )
        self.staging: list[Callable[[], None]] = []
        """What the stages do, in turn."""
        self.does: dict[str, Callable[[], None]] = {}
        """What a node's switch does."""
        self.switches: list[str] = []
        self.events: list[Event] = []
        self.plans = [self.plan(name) for name in NODES]
        chosen = tuple(Host(name=name, target=self.target) for name in NODES)
        self.work = rollout_job.RolloutJob(
            Connections(chosen, self.hosts, self.cluster, frozenset()),
            Plan(),
            folder,
            STEPS,
            lambda shown: {entry.node: entry for entry in shown},
            lambda shown: f"{shown.node} is done",
            self.events.append,
            planned=time.monotonic(),
        )

    def plan(self, name: str) -> MigrationPlan:
        """Plan one."""
        return plan.make(replace(situation(), host=name, target=self.target, node=node(name=name), pods=()), STEPS)

    def stage(self, _: Request) -> HostResult:
        """Do what the test says."""
        if self.staging:
            self.staging.pop(0)()
        return HostResult(host="")

    def switch(self, variables: Switch) -> HostResult:
        """Do what the test says, then report containerd."""
        name = variables.transaction.rpartition("-")[2]
        self.switches.append(name)
        self.does.get(name, lambda: None)()
        self.cluster.change(name, runtime="containerd://1.6.20", heartbeat="2026-01-01T01:00:00Z")
        return switched("switched")

    def back(self, variables: Switch) -> HostResult:
        """Report Docker."""
        name = variables.transaction.rpartition("-")[2]
        self.cluster.change(name, runtime="docker://20.10.24", heartbeat="2026-01-01T02:00:00Z")
        return switched("restored")

    def do(self, **update: Any) -> RolloutResult:
        """Work on all."""
        return rollout_job.do(replace(self.work, **update), self.plans)

    @property
    def runtimes(self) -> list[str]:
        """Tell where each node ended, "+" for one that takes pods."""
        found = [self.cluster.by_name[name] for name in NODES]
        return [entry.runtime.partition(":")[0] + ("" if entry.unschedulable else "+") for entry in found]


def fails() -> None:
    """Stand in for a switch that fails."""
    raise StepFailedError("containerd does not start")


def ends(rolled: RolloutResult) -> dict[str, Ending]:
    """Tell how each node ended."""
    return {entry.node: entry.end for entry in rolled.results}


def test_a_canary_then_the_others_together(tmp_path: Path) -> None:
    """Two of them are in work at once, which neither could end without the other."""
    together = threading.Barrier(2, timeout=SECONDS)
    world = World(tmp_path, batch="2")
    world.does = {"w2": lambda: meet(together), "w3": lambda: meet(together)}

    rolled = world.do()
    rolled.check()

    assert world.runtimes == ["containerd+"] * 3
    assert world.switches[0] == "w1"
    assert world.cluster.held is None
    assert sorted(rollout.text(rolled).splitlines()) == ["✓ w1 is done", "✓ w2 is done", "✓ w3 is done"]


def test_the_clusters_state_between_nodes_comes_from_the_cache(tmp_path: Path) -> None:
    """It is asked for again and again; the API server itself is asked once for all, to begin with."""
    world = World(tmp_path)

    world.do().check()

    assert world.cluster.calls.count("facts") == 1
    assert not {"nodes", "budgets"} & set(world.cluster.calls)
    assert world.cluster.calls.count("cached nodes") == world.cluster.calls.count("cached budgets") >= 3


def test_facts_are_kept_in_the_runs_folder_when_nodes_are_begun_and_held_no_longer(tmp_path: Path) -> None:
    """A rollout may take days: this process holds those alone that are yet to come. Of one there may be none."""
    world = World(tmp_path, batch="1")
    seen, held = world.work.doors.seen.hosts, []
    for name in ("w1", "w2"):
        seen[name] = Observation(host=name, target=world.target, facts=facts(hostname=name))
    world.does = dict.fromkeys(NODES, lambda: held.append(sorted(seen)))

    world.do().check()

    [run] = tmp_path.iterdir()
    kept = fact_store.observations(run / "facts", runtimes=targets())
    assert [(entry.host, entry.facts and entry.facts.hostname) for entry in kept] == [("w1", "w1"), ("w2", "w2")]
    assert held == [["w2"], [], []]


def meet(barrier: threading.Barrier) -> None:
    """Wait for the other."""
    barrier.wait()


def test_the_batches_that_a_plan_shows_are_done(tmp_path: Path) -> None:
    """Two nodes hold a workload by themselves, so the third one goes with the first."""
    world = World(tmp_path, batch="2", canaries=0)
    world.cluster.pods = {f"uid-{name}": pod(name, node=name, uid=f"uid-{name}") for name in ("w1", "w2")}

    shown = with_batches(Plan(), world.work.doors.batches(world.plans)).batches
    world.do().check()

    assert [batch.nodes for batch in shown] == [("w1", "w3"), ("w2",)]
    assert ({*world.switches[:2]}, world.switches[2:]) == ({"w1", "w3"}, ["w2"])


def test_pods_that_have_moved_into_one_batch_do_not_leave_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan saw them elsewhere: the second drain waits until the pod of the first one is ready again."""
    monkeypatch.setattr(eviction, "_RETRY_SECONDS", 0.01)
    monkeypatch.setattr(eviction, "pace", lambda _: 0.01)
    monkeypatch.setattr(settle, "_EVERY", 0.05)
    world = World(tmp_path, batch="2", canaries=0, drain_timeout=30, settle_timeout=30)
    cluster, ready = world.cluster, []
    world.work.doors.seen.cluster = ClusterFacts(nodes=cluster.nodes())
    cluster.pods = {f"uid-{name}": pod(name, node=name, uid=f"uid-{name}") for name in ("w1", "w2")}
    cluster.wanted = {"ReplicaSet/web": 2}
    together, evict = threading.Barrier(2, timeout=SECONDS), cluster.evict
    world.staging = [lambda: meet(together), lambda: meet(together)]

    def evicting(leaving: Pod) -> Eviction:
        ready.append(sum(entry.ready for entry in cluster.pods.values()))
        answer = evict(leaving)
        comes = pod(f"{leaving.name}-new", node="w3")
        threading.Timer(0.2, lambda: cluster.pods.update({comes.uid: comes})).start()
        return answer

    cluster.evict = evicting  # type: ignore[method-assign]
    world.plans = world.plans[:2]
    world.do().check()

    assert ready == [2, 2]


def test_a_canary_that_fails_keeps_the_others_from_beginning(tmp_path: Path) -> None:
    """It is put back; what it failed with is raised, and those that were not begun are named."""
    world = World(tmp_path, failures=2)
    world.does = {"w1": fails}

    rolled = world.do()

    assert world.runtimes == ["docker+"] * 3
    assert rollout.text(rolled).splitlines() == [
        "✗ w1: step 'switch' failed: containerd does not start; The node was put back. w1 is Ready on docker://20.10.24, schedulable.",
        "- not begun (the canary w1 failed): w2, w3",
    ]
    with pytest.raises(StepFailedError, match="containerd does not start"):
        rolled.check()


def test_a_failure_that_is_allowed_for_is_told_in_the_end(tmp_path: Path) -> None:
    """The others are done."""
    world = World(tmp_path, canaries=0, failures=1)
    world.does = {"w1": fails}

    rolled = world.do()

    assert world.runtimes == ["docker+", "containerd+", "containerd+"]
    assert rollout.document(rolled)["nodes"][0]["outcome"] == "failed"
    with pytest.raises(StepFailedError, match="containerd does not start"):
        rolled.check()


def test_several_failures_are_counted(tmp_path: Path) -> None:
    """One message names them; what became of each was said before."""
    world = World(tmp_path, canaries=0, batch="3")
    world.does = {"w1": fails, "w3": fails}

    with pytest.raises(StepFailedError, match=r"2 of 3 nodes failed: w\d, w\d"):
        world.do().check()


def test_a_bug_is_raised_as_it_is(tmp_path: Path) -> None:
    """With its traceback; it is no verdict about the node, which is held where the switch had begun."""
    world = World(tmp_path)

    def bug() -> None:
        raise KeyError("a bug")

    world.does = {"w1": bug}

    rolled = world.do()

    assert world.runtimes == ["docker", "docker+", "docker+"]
    with pytest.raises(KeyError):
        rolled.check()


def test_nodes_are_looked_at_again_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each batch in one go; one that may not be begun any more fails alone."""
    monkeypatch.setattr(rollout_job, "_FRESH", 0.0)
    asked: list[list[str]] = []
    world = World(tmp_path, batch="2", failures=1)

    def look(shown: Any) -> Any:
        asked.append([entry.node for entry in shown])
        return {
            entry.node: PlanRefusedError("w2: disk-space: too full") if entry.node == "w2" else entry for entry in shown
        }

    rolled = world.do(look_again=look)

    assert asked == [["w1"], ["w2", "w3"]]
    assert ends(rolled) == {"w1": Ending.DONE, "w2": Ending.FAILED, "w3": Ending.DONE}
    with pytest.raises(PlanRefusedError):
        rolled.check()


def test_what_cannot_be_looked_at_again_fails_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is changed."""
    monkeypatch.setattr(rollout_job, "_FRESH", 0.0)
    world = World(tmp_path)

    def look(_: Any) -> Any:
        raise StepFailedError("no host answers")

    assert ends(world.do(look_again=look)) == {"w1": Ending.FAILED}
    assert world.hosts.calls == []


class Terminal:
    """Sends this process signals, as whoever sits before it does, while nodes are in work."""

    def send(self, *numbers: int) -> None:
        """Send them, and wait until each was noticed."""
        for number in numbers:
            signal.pthread_kill(threading.main_thread().ident or 0, number)
            time.sleep(1.0)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    """Give one; the handlers of before must be there again afterwards."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield Terminal()
    assert [signal.getsignal(number) for number in numbers] == before


def test_ctrl_c_once_lets_a_node_in_its_window_be_finished(tmp_path: Path, terminal: Terminal) -> None:
    """No other is begun; they are named, and what a second one would do."""
    world = World(tmp_path)
    world.does = {"w1": lambda: terminal.send(signal.SIGINT)}

    rolled = world.do()

    assert world.runtimes == ["containerd+", "docker+", "docker+"]
    assert rolled.left == ("w2", "w3")
    (folder,) = tmp_path.iterdir()
    assert [event.message for event in world.events if event.step == "rollout"] == [
        f"run {folder.name}: plan, events and logs are in {folder}",
        "finishes w1, or stops before its window; Ctrl-C once more puts back what is in work",
    ]
    with pytest.raises(StoppedError):
        rolled.check()


def test_ctrl_c_once_stops_a_node_that_serves_after_its_step(tmp_path: Path, terminal: Terminal) -> None:
    """Nothing has to be put back."""
    world = World(tmp_path)
    world.staging = [lambda: terminal.send(signal.SIGINT)]

    rolled = world.do()

    assert ends(rolled) == {"w1": Ending.STOPPED}
    assert rolled.results[0].message == (
        "w1: stopped before step 'cordon'. w1 is Ready on docker://20.10.24, schedulable."
    )
    assert world.hosts.names == ["stage"]
    assert "cordon" not in world.cluster.calls


@pytest.mark.parametrize("signals", [(signal.SIGINT, signal.SIGINT), (signal.SIGTERM,)], ids=["Ctrl-C twice", "ended"])
def test_whoever_cannot_wait_has_nodes_in_work_put_back(
    tmp_path: Path, terminal: Terminal, signals: tuple[int, ...]
) -> None:
    """The state of each is told; putting it back is not interrupted again."""
    world = World(tmp_path)
    world.does = {"w1": lambda: terminal.send(*signals)}

    rolled = world.do()

    assert world.runtimes == ["docker+"] * 3
    assert ends(rolled) == {"w1": Ending.STOPPED}
    assert rolled.results[0].message == "The node was put back. w1 is Ready on docker://20.10.24, schedulable."
    with pytest.raises(StoppedError):
        rolled.check()


def test_a_lock_that_was_taken_over_begins_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The node in work is finished."""
    monkeypatch.setattr(lock, "EVERY", 0.01)
    world = World(tmp_path)

    def taken() -> None:
        world.cluster.held = Lease(holder="ann", acquired=0, renewed=2e9, seconds=60, version="99")
        time.sleep(1.0)

    world.does = {"w1": taken}

    rolled = world.do()

    assert world.runtimes == ["containerd+", "docker+", "docker+"]
    with pytest.raises(LockedError, match=r"2 nodes were not begun: the lock was taken over by ann"):
        rolled.check()


def test_a_lock_that_was_taken_over_takes_no_other_node_out_of_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that still serves is left between two steps: two operators would go on with each other's nodes."""
    monkeypatch.setattr(lock, "EVERY", 0.01)
    world = World(tmp_path)

    def taken() -> None:
        world.cluster.held = Lease(holder="ann", acquired=0, renewed=2e9, seconds=60, version="99")
        time.sleep(1.0)

    world.staging = [taken]

    rolled = world.do()

    assert ends(rolled) == {"w1": Ending.STOPPED}
    assert "cordon" not in world.cluster.calls
    with pytest.raises(LockedError):
        rolled.check()


def test_an_api_server_that_stumbles_while_nodes_are_looked_at_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No node fails by that."""
    monkeypatch.setattr(rollout_job, "_FRESH", 0.0)
    monkeypatch.setattr(rollout_job, "_AGAIN", 0.0)
    world, answers = World(tmp_path), [ClusterError("429"), ClusterError("timeout")]

    def look(shown: Any) -> Any:
        if answers:
            raise answers.pop()
        return {entry.node: entry for entry in shown}

    world.do(look_again=look).check()

    assert world.runtimes == ["containerd+"] * 3


def test_a_node_whose_undoing_fails_in_any_way_is_told(tmp_path: Path) -> None:
    """The control host may have no memory left for another process; the line says that it was NOT put back."""
    world = World(tmp_path)

    def full(_: Request) -> HostResult:
        raise OSError(12, "Cannot allocate memory")

    world.does = {"w1": fails}
    world.hosts.answers["switch old"] = full

    rolled = world.do()

    (line, _) = rollout.text(rolled).splitlines()
    assert line.endswith(
        "It could NOT be put back: undoing 'switch' failed too: [Errno 12] Cannot allocate memory. "
        "w1 is Ready on docker://20.10.24, cordoned."
    )


def test_what_goes_wrong_with_the_rollout_itself_loses_no_result(tmp_path: Path) -> None:
    """It is raised when each node's end was told."""
    world = World(tmp_path)
    nodes = world.cluster.nodes

    def strange(**cached: bool) -> Any:
        if world.switches:
            raise KeyError("items")
        return nodes(**cached)

    world.cluster.nodes = strange  # type: ignore[method-assign]

    rolled = world.do()

    assert ends(rolled) == {"w1": Ending.DONE}
    assert rolled.left == ("w2", "w3")
    with pytest.raises(KeyError):
        rolled.check()


def test_nobody_begins_while_somebody_else_is_at_work(tmp_path: Path) -> None:
    """Nothing is changed."""
    world = World(tmp_path)
    world.cluster.held = Lease(holder="ann", acquired=time.time(), renewed=time.time(), seconds=60, version="1")

    with pytest.raises(LockedError, match="ann changes nodes of this cluster"):
        world.do()

    assert world.hosts.calls == []
    assert list(tmp_path.iterdir()) == []


def test_a_fleet_is_staged_without_a_limit(tmp_path: Path) -> None:
    """Its nodes serve meanwhile, so a neighbour that is unavailable holds nobody up."""
    world = World(tmp_path, batch="3")
    world.cluster.change("w3", ready=False)

    rolled = world.do(serving=True, steps=[step for step in STEPS if step.phase is Phase.STAGE])

    assert ends(rolled) == dict.fromkeys(NODES, Ending.DONE)
    assert set(world.hosts.names) == {"stage"}


def test_what_two_nodes_tell_at_once_is_kept(tmp_path: Path) -> None:
    """Each line whole, and the metrics of all of them."""
    world = World(tmp_path, canaries=0, batch="3")

    world.do()

    (folder,) = tmp_path.iterdir()
    lines = (folder / "events.jsonl").read_text().splitlines()
    assert len(lines) == len([event for event in world.events if event.node])
    assert all(f'node="{name}",step="switch"' in (folder / "metrics.prom").read_text() for name in NODES)
