"""Nodes worked on side by side: what fails, what is interrupted, and what is said in the end."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from migrator.cli import work
from migrator.cli.records import Records
from migrator.cli.wiring import Doors
from migrator.engine.run import Event
from migrator.engine.steps import STEPS
from migrator.errors import LockedError, StepFailedError, TerminatedError
from migrator.hosts import HostResult
from migrator.inventory import Host
from migrator.model.lease import Lease
from migrator.model.plan import NodePlan, Plan
from migrator.model.target import Target
from migrator.planning import plan
from migrator.rollout import Policy
from tests.fakes.cluster import FakeCluster
from tests.fakes.hosts import FakeHosts, switched
from tests.fakes.values import node, situation

NODES = ("w1", "w2", "w3")
TARGET = Target(proof="none")
SECONDS = 20.0


class World:
    """Three nodes without pods; a test says what their switches do."""

    def __init__(self, folder: Path) -> None:
        """Start on Docker."""
        self.cluster = FakeCluster([node(name=name) for name in NODES])
        self.hosts = FakeHosts(
            {
                "stage": lambda _: HostResult(host=""),
                "switch new": self.switch,
                "switch old": self.back,
                "retire": lambda _: HostResult(host=""),
            }
        )
        self.does: dict[str, Callable[[], None]] = {}
        self.switches: list[str] = []
        self.events: list[Event] = []
        self.plans = [self.plan(name) for name in NODES]
        chosen = tuple(Host(name=name, target=TARGET) for name in NODES)
        self.work = work.Work(
            Doors(chosen, self.hosts, self.cluster, frozenset()), STEPS, lambda shown: shown, lambda shown: shown.node,
            Records(folder, Plan()), self.events.append,
        )  # fmt: skip

    def plan(self, name: str) -> NodePlan:
        """Plan one."""
        return plan.make(replace(situation(), host=name, target=TARGET, node=node(name=name), pods=()), STEPS)

    def switch(self, variables: Mapping[str, Any]) -> HostResult:
        """Do what the test says, then report containerd."""
        name = variables["switch_transaction"].rpartition("-")[2]
        self.switches.append(name)
        self.does.get(name, lambda: None)()
        self.cluster.change(name, runtime="containerd://1.6.20", heartbeat="2026-01-01T01:00:00Z")
        return switched("switched")

    def back(self, variables: Mapping[str, Any]) -> HostResult:
        """Report Docker."""
        name = variables["switch_transaction"].rpartition("-")[2]
        self.cluster.change(name, runtime="docker://20.10.24", heartbeat="2026-01-01T02:00:00Z")
        return switched("restored")

    def do(self, **policy: Any) -> None:
        """Work on all."""
        work.do(self.work, self.plans, Policy(**policy))

    @property
    def runtimes(self) -> list[str]:
        """Tell where each node ended, "+" for one that takes pods."""
        found = [self.cluster.by_name[name] for name in NODES]
        return [entry.runtime.partition(":")[0] + ("" if entry.unschedulable else "+") for entry in found]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Give it."""
    return World(tmp_path)


def fails() -> None:
    """Stand in for a switch that fails."""
    raise StepFailedError("containerd does not start")


def test_a_canary_then_the_others_together(world: World) -> None:
    """Two of them are in work at once, which neither could end without the other."""
    together = threading.Barrier(2, timeout=SECONDS)
    world.does = {"w2": lambda: wait(together), "w3": lambda: wait(together)}

    world.do(batch="2")

    assert world.runtimes == ["containerd+"] * 3
    assert world.switches[0] == "w1"
    assert world.cluster.held is None


def wait(barrier: threading.Barrier) -> None:
    """Wait for the other."""
    barrier.wait()


def test_one_failure_keeps_the_others_from_beginning(world: World) -> None:
    """It is put back; what it failed with is raised, with the names of those that were not begun."""
    world.does = {"w1": fails}

    with pytest.raises(StepFailedError, match=r"(?s)containerd does not start.*not begun: w2, w3"):
        world.do()

    assert world.runtimes == ["docker+"] * 3


def test_a_failure_that_is_allowed_for_is_told_in_the_end(world: World) -> None:
    """The others are done."""
    world.does = {"w1": fails}

    with pytest.raises(StepFailedError, match="containerd does not start"):
        world.do(failures=1)

    assert world.runtimes == ["docker+", "containerd+", "containerd+"]


def test_a_bug_is_raised_as_it_is(world: World) -> None:
    """With its traceback, after the node was put back."""

    def bug() -> None:
        raise KeyError("a bug")

    world.does = {"w1": bug}

    with pytest.raises(KeyError):
        world.do()
    assert world.runtimes == ["docker+"] * 3


class Terminal:
    """Sends the main thread signals, and waits until it has heard them."""

    def __init__(self) -> None:
        """Hear nothing yet."""
        self._heard = threading.Event()

    def hear(self, number: int, _: object) -> None:
        """Raise what the command line's handlers raise."""
        self._heard.set()
        raise TerminatedError if number == signal.SIGTERM else KeyboardInterrupt

    def send(self, number: int) -> None:
        """Interrupt; give the main thread time to act upon it."""
        self._heard.clear()
        signal.pthread_kill(threading.main_thread().ident or 0, number)
        assert self._heard.wait(SECONDS)
        time.sleep(0.3)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    """Give one."""
    found = Terminal()
    before = {number: signal.signal(number, found.hear) for number in (signal.SIGINT, signal.SIGTERM)}
    yield found
    for number, handler in before.items():
        signal.signal(number, handler)


def test_ctrl_c_once_lets_nodes_in_work_be_finished(
    world: World, terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    """No other is begun; they are named."""
    world.does = {"w1": lambda: terminal.send(signal.SIGINT)}

    with pytest.raises(KeyboardInterrupt) as caught:
        world.do()

    assert world.runtimes == ["containerd+", "docker+", "docker+"]
    assert caught.value.__notes__ == ["not begun: w2, w3"]
    assert "finishes w1; Ctrl-C once more puts back what is in work" in capsys.readouterr().err


@pytest.mark.parametrize("signals", [(signal.SIGINT, signal.SIGINT), (signal.SIGTERM,)], ids=["Ctrl-C twice", "ended"])
def test_whoever_cannot_wait_has_nodes_in_work_put_back(
    world: World, terminal: Terminal, signals: tuple[int, ...]
) -> None:
    """The state of each is told; putting it back is not interrupted again."""
    world.does = {"w1": lambda: [terminal.send(number) for number in signals] and None}

    with pytest.raises(KeyboardInterrupt) as caught:
        world.do()

    assert world.runtimes == ["docker+"] * 3
    assert caught.value.__notes__ == [
        "The node was put back. w1 is Ready on docker://20.10.24, schedulable.",
        "not begun: w2, w3",
    ]


def test_a_lock_that_was_taken_over_begins_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The node in work is finished."""
    from migrator.engine import lock

    monkeypatch.setattr(lock, "EVERY", 0.01)

    def taken() -> None:
        held = world.cluster.held
        assert held is not None
        world.cluster.held = Lease(holder="ann", acquired=0, renewed=2e9, seconds=60, version="99")
        time.sleep(0.3)

    world.does = {"w1": taken}

    with pytest.raises(LockedError, match=r"taken over by ann.*; not begun: w2, w3"):
        work.do(world.work, world.plans, Policy())

    assert world.runtimes == ["containerd+", "docker+", "docker+"]


def test_nobody_begins_while_somebody_else_is_at_work(world: World) -> None:
    """Nothing is changed."""
    world.cluster.held = Lease(holder="ann", acquired=time.time(), renewed=time.time(), seconds=60, version="1")

    with pytest.raises(LockedError, match="ann changes nodes of this cluster"):
        world.do()

    assert world.hosts.calls == []
