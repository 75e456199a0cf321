"""Only a verdict about the node undoes its switch; that somebody could not be asked is waited for, then the node is held."""

from __future__ import annotations

import errno
from dataclasses import replace
from typing import Any

import pytest

from migrator.engine import timeouts
from migrator.engine.executor import apply
from migrator.engine.migration import ROLLBACK
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
    UnaskedError,
    UnknownUserError,
)
from migrator.hosts import HostResult
from migrator.model.node_requests import Request
from tests.fakes.clock import FakeClock
from tests.fakes.hosts import switched
from tests.fakes.session import FakeSession
from tests.fakes.values import node
from tests.test_apply import ENDPOINT, OURS, World
from tests.test_going_back import AGENT, migrated
from tests.test_going_back import World as Back

UNASKED: dict[str, Exception] = {
    "an expired token": UnknownUserError("the API server does not know the user (401)"),
    "no right": RefusedError("the user may not (403)"),
    "the API away": ClusterError("the API server does not answer"),
    "the line lost": HostUnreachableError("the connection to worker-1 was lost"),
    "somebody else's probes": BusyError("anna has been probing this node for 900 s"),
    "the host cannot": HostProblemError("no space left on device"),
    "no room for probes": UnaskedError("OutOfcpu"),
    "no file descriptors": OSError(errno.EMFILE, "Too many open files"),
    "a bug": KeyError("a bug"),
}
"""What says nothing about the node."""


def fails_after_the_switch(world: World, error: Exception, where: str) -> None:
    """Have a part of the world fail for good, from the end of the switch on."""

    def always(*_: Any, **__: Any) -> Any:
        raise error

    def then(_: Request) -> HostResult:
        result = world.switch(_)
        if where == "the API":
            world.cluster._call = always  # type: ignore[method-assign]  # noqa: SLF001
        elif where == "the proof":
            world.run = world.run
            object.__setattr__(world.run.sessions, "live", always)
        elif where == "the annotation":
            world.cluster.annotate = always  # type: ignore[method-assign]
        return result

    world.hosts.answers["switch new"] = then


@pytest.mark.parametrize("where", ["the API", "the proof", "the annotation"])
@pytest.mark.parametrize("error", UNASKED.values(), ids=UNASKED)
def test_a_good_switch_is_never_taken_back_because_somebody_could_not_be_asked(error: Exception, where: str) -> None:
    """Whatever it was and wherever: the node keeps its runtime, stays cordoned, and that is said with what to do."""
    world = World()
    fails_after_the_switch(world, error, where)

    with pytest.raises(StepFailedError if isinstance(error, MigratorError) else type(error)) as caught:
        apply(world.run)

    assert world.hosts.names == ["stage", "switch new"]
    node_now = world.cluster.by_name["worker-1"]
    assert (node_now.runtime, node_now.unschedulable) == ("containerd://1.6.20", True)
    said = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", ())])
    assert "nothing is taken back" in said
    assert "`migrator apply --node worker-1` goes on" in said
    assert not any(event.kind == "undone" for event in world.events)


@pytest.mark.parametrize("name", ["an expired token", "no right", "the API away"])
@pytest.mark.parametrize("seconds", [60, 300, timeouts.API - 60])
def test_an_api_server_that_knows_us_again_is_gone_on_with(name: str, seconds: float) -> None:
    """A token that was renewed meanwhile, a right that was given, a server that is back: the migration is completed."""
    world = World()
    real = world.cluster._call  # noqa: SLF001
    over: list[float] = []

    def call(what: str) -> None:
        if "switch new" in world.hosts.names:
            over.append(world.run.clock.now())
            if world.run.clock.now() - over[0] < seconds:
                raise UNASKED[name]
        real(what)

    world.cluster._call = call  # type: ignore[method-assign]  # noqa: SLF001

    apply(world.run)

    assert world.changes[-2:] == [f"annotate {ENDPOINT}", "uncordon"]
    assert (world.node.runtime, world.node.unschedulable) == ("containerd://1.6.20", False)


def test_time_in_which_nobody_could_be_asked_is_not_held_against_the_node() -> None:
    """It had its 300 seconds to get Ready, and the API server was away for most of them: it gets them all the same."""
    world = World()
    clock = FakeClock(lambda now: world.cluster.change("worker-1", ready=now > 500) if later else None)
    later: list[bool] = []
    world.run = replace(world.run, clock=clock)
    real = world.cluster._call  # noqa: SLF001

    def call(what: str) -> None:
        if later and 10 < clock.now() < 400:
            raise ClusterError("away")
        real(what)

    def slowly(_: Request) -> HostResult:
        result = world.switch(_)
        world.cluster.change("worker-1", ready=False)
        later.append(True)
        return result

    world.hosts.answers["switch new"] = slowly
    world.cluster._call = call  # type: ignore[method-assign]  # noqa: SLF001

    apply(world.run)

    assert not world.node.unschedulable


VERDICTS = {
    "the probes": lambda *_: (_ for _ in ()).throw(StepFailedError("containers are not what they must be")),
    "a runtime that does not answer": lambda *_: (_ for _ in ()).throw(CriError("no answer", Fault.HUNG)),
}


@pytest.mark.parametrize("said", VERDICTS.values(), ids=VERDICTS)
def test_a_verdict_takes_the_node_back(said: Any) -> None:
    """That is what the proof is for."""
    world = World()
    good = world.prove

    def judged(*words: Any) -> FakeSession:
        return said() if str(world.node.runtime).startswith("containerd") else good(*words)

    object.__setattr__(world.run.sessions, "live", judged)

    with pytest.raises(StepFailedError, match="The node was put back"):
        apply(world.run)

    assert (world.node.runtime, world.node.unschedulable) == ("docker://20.10.24", False)


def test_a_runtime_that_restarts_after_the_switch_takes_no_node_back() -> None:
    """The first session finds nobody to ask; the node itself says when the next one may begin."""
    world = World()
    good, tries, ready_at = world.prove, [], []

    def restarting(*words: Any) -> FakeSession:
        if not str(world.node.runtime).startswith("containerd"):
            return good(*words)
        tries.append(world.run.clock.now())
        if len(tries) == 1:
            world.cluster.change("worker-1", ready=False)
            ready_at.append(world.run.clock.now() + 40)
            cut = {"problems": ("no pod could be started: no answer",), "acts": (), "containers": ()}
            return FakeSession(world.proved["containerd"].model_copy(update=cut), world.cluster.calls)
        return good(*words)

    look = world.cluster.node

    def node(name: str) -> Any:
        if len(tries) == 1 and world.run.clock.now() >= ready_at[0]:
            world.cluster.change("worker-1", ready=True)
        return look(name)

    world.cluster.node = node  # type: ignore[method-assign]
    object.__setattr__(world.run.sessions, "live", restarting)

    apply(world.run)

    assert len(tries) == 2
    assert tries[1] - tries[0] >= 40
    assert (world.node.runtime, world.node.unschedulable) == ("containerd://1.6.20", False)


def test_a_session_that_could_not_ask_is_made_again() -> None:
    """What it lacked is nothing that the node did; the next one, with a line that holds, proves the node."""
    world = World()
    good, tries = world.prove, []

    def once_more(*words: Any) -> FakeSession:
        session = good(*words)
        if not str(world.node.runtime).startswith("containerd"):
            return session
        tries.append(1)
        cut = {"unasked": ("the session broke off: the connection was lost",), "acts": (), "containers": ()}
        return FakeSession(session.whole.model_copy(update=cut)) if len(tries) < 3 else session

    object.__setattr__(world.run.sessions, "live", once_more)

    apply(world.run)

    assert (len(tries), world.node.runtime, world.node.unschedulable) == (3, "containerd://1.6.20", False)


def test_a_switch_that_the_node_is_still_at_is_asked_for_until_it_ends() -> None:
    """However long it takes there: the node is never told to go back meanwhile."""
    world = World()
    answers = [switched("busy", "the switch is under way")] * 3

    def busy(request: Request) -> HostResult:
        world.run.clock.sleep(900)
        return answers.pop() if answers else world.switch(request)

    world.hosts.answers["switch new"] = busy

    apply(world.run)

    assert world.hosts.names == ["stage", *["switch new"] * 4]


def test_a_switch_that_never_ends_holds_the_node() -> None:
    """To undo it would only wait for the same lock."""
    world = World()

    def busy(_: Request) -> HostResult:
        world.run.clock.sleep(900)
        return switched("busy", "another switch is at work on this node")

    world.hosts.answers["switch new"] = busy

    with pytest.raises(StepFailedError, match="another switch is at work on this node"):
        apply(world.run)

    assert "switch old" not in world.hosts.names
    assert world.node.unschedulable


@pytest.mark.parametrize("seconds", [1200.0, 60.0])
def test_a_playbook_that_is_cut_off_by_its_time_is_asked_again(seconds: float) -> None:
    """Patience counts from the last answer, not from before a try that itself took longer than that."""
    world = World()
    tries: list[float] = []

    def cut_off(request: Request) -> HostResult:
        tries.append(world.run.clock.now())
        if len(tries) < 3:
            world.run.clock.sleep(seconds)
            problem = f"still at 'switch' after {seconds:.0f} s; it is not waited for any longer"
            return HostResult(host="worker-1", problem=problem, unreachable=True)
        return world.switch(request)

    world.hosts.answers["switch new"] = cut_off

    if seconds < timeouts.AWAY:
        apply(world.run)
        assert len(tries) == 3
    else:
        with pytest.raises(StepFailedError, match="nothing is taken back"):
            apply(world.run)
        assert len(tries) == 2
    assert "switch old" not in world.hosts.names


def test_a_rollback_that_cannot_ask_leaves_the_node_as_it_is() -> None:
    """Neither back nor forth, cordoned, and told."""
    world = Back(migrated(AGENT))
    world.hosts.answers["switch old"] = HostResult(host="worker-1", problem="no route", unreachable=True)

    with pytest.raises(StepFailedError, match="That says nothing about the node, so nothing is taken back"):
        apply(world.run, ROLLBACK)

    assert world.node.unschedulable


def test_a_run_that_goes_on_after_the_switch_holds_it_too() -> None:
    """The switch was an earlier run's; it is no less good for that."""
    world = World(node=node(runtime="containerd://1.6.20", unschedulable=True, annotations=OURS))
    world.report("containerd://1.6.20", "2026-01-01T01:00:00Z")

    def gone(*_: object) -> None:
        raise UNASKED["an expired token"]

    world.cluster.annotate = gone  # type: ignore[method-assign, assignment]

    with pytest.raises(StepFailedError, match="nothing is taken back"):
        apply(world.run)

    assert (world.node.unschedulable, world.changes) == (True, [])


def test_before_the_switch_a_node_is_given_back() -> None:
    """Nothing but its cordon can be taken back there, and it serves again."""
    world = World()

    def forbidden(*_: object) -> None:
        raise UNASKED["no right"]

    world.cluster.evict = forbidden  # type: ignore[method-assign, assignment]

    with pytest.raises(StepFailedError, match=r"(?s)may not be evicted: .* put back"):
        apply(world.run)

    assert (world.node.runtime, world.node.unschedulable) == ("docker://20.10.24", False)
