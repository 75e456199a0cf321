"""The pods that prove a node go when it serves again, and what they leave is looked for then."""

from __future__ import annotations

from typing import Any

import pytest

from migrator.engine.executor import apply
from migrator.engine.migration import STEPS
from migrator.errors import (
    ClusterError,
    CriError,
    Fault,
    HostUnreachableError,
    MigratorError,
    RefusedError,
    StepFailedError,
)
from migrator.model.evidence import Leftover
from migrator.model.host_settings import HostSettings
from tests.fakes.session import FakeSession
from tests.test_apply import World

GO = "probe-pods-go"
LEFT = (Leftover(kind="mount", what="/run/containerd/io.containerd.runtime.v2.task/k8s.io/x/rootfs"),)


def ending(world: World, failure: BaseException) -> None:
    """Have the session on the new runtime end with a failure."""
    good = world.prove

    def live(*words: Any) -> FakeSession:
        session = good(*words)
        new = world.sessions[-1] == "containerd"
        return FakeSession(session.whole, world.cluster.calls, failure if new else None)

    object.__setattr__(world.run.sessions, "live", live)


def told(world: World) -> dict[str, str]:
    """Give what each step came to."""
    return {event.step: event.message for event in world.events if event.kind in {"changed", "skipped"}}


def test_they_go_when_the_node_serves() -> None:
    """Those of the baseline at once, those of the proof after the uncordon; the evidence that is kept is whole."""
    world = World()

    apply(world.run)

    calls = [call for call in world.cluster.calls if call in {GO, "cordon", "uncordon"}]
    assert calls == [GO, "cordon", "uncordon", GO]
    assert world.run.seen["verify"].left == ()
    assert "checks passed" in told(world)["leavings"]


def test_what_a_session_does_is_told_of_the_step_that_is_at_work() -> None:
    """Not of the one that began it: progress on the Node would go back."""
    world = World()
    good = world.prove

    def live(bench: Any, *words: Any) -> FakeSession:
        session = good(bench, *words)
        object.__setattr__(session, "end", lambda **_: (bench.tell("removes them"), session.whole)[1])
        return session

    object.__setattr__(world.run.sessions, "live", live)

    apply(world.run)

    assert [event.step for event in world.events if event.message == "removes them"] == ["baseline", "leavings"]


def test_what_they_leave_is_told_and_takes_nothing_back() -> None:
    """The node serves: whoever is told decides. It is no success either, so that a rollout ends there."""
    world = World()
    world.proved["containerd"] = world.proved["containerd"].model_copy(update={"left": LEFT})

    with pytest.raises(StepFailedError, match="step 'leavings' failed: our pods leave something behind") as raised:
        apply(world.run)

    assert LEFT[0].what in str(raised.value)
    assert "`migrator rollback --node worker-1` takes the node back" in str(raised.value)
    assert "What came before it stays done" in str(raised.value)
    assert world.hosts.names == ["stage", "switch new"]
    assert (world.node.runtime, world.node.unschedulable) == ("containerd://1.6.20", False)
    assert world.run.seen["verify"].left == LEFT


@pytest.mark.parametrize("failure", [HostUnreachableError("no answer"), ClusterError("it is away")], ids=str)
def test_that_nobody_could_look_says_nothing_about_the_node(failure: MigratorError) -> None:
    """It is told; the migration has succeeded."""
    world = World()
    ending(world, failure)

    apply(world.run)

    assert told(world)["leavings"] == f"nobody could look for what our pods leave: {failure}"
    assert world.node.unschedulable is False


def test_a_runtime_that_ends_then_is_told() -> None:
    """It cannot remove what it has started."""
    world = World()
    ending(world, CriError("no answer", Fault.HUNG))

    with pytest.raises(StepFailedError, match="step 'leavings' failed: our pods could not be removed: no answer"):
        apply(world.run)

    assert world.node.unschedulable is False


def test_a_node_that_goes_back_loses_them_first() -> None:
    """What they left then is part of the verdict."""
    world = World()
    order: list[str] = []
    world.cluster.calls = order  # type: ignore[assignment]
    world.proved["containerd"] = world.proved["containerd"].model_copy(
        update={"left": LEFT, "problems": ("the session broke off",)}
    )
    switch_back = world.switch_back
    world.hosts.answers["switch old"] = lambda request: (order.append("switch old"), switch_back(request))[1]

    with pytest.raises(StepFailedError, match="The node was put back") as raised:
        apply(world.run)

    assert [word for word in order if word in {GO, "switch old"}] == [GO, GO, GO, "switch old"]
    assert LEFT[0].what in str(raised.value)


@pytest.mark.parametrize("end", [KeyboardInterrupt(), RefusedError("no right")], ids=["Ctrl-C", "refused"])
def test_they_go_whatever_comes_between(end: BaseException) -> None:
    """The annotation fails: the pods of the proof do not stay."""
    world = World()

    def annotate(*_: object) -> None:
        raise end

    world.cluster.annotate = annotate  # type: ignore[method-assign]

    with pytest.raises((StepFailedError, KeyboardInterrupt)):
        apply(world.run)

    assert world.cluster.calls.count(GO) == 2
    assert world.run.ongoing == []


def test_they_go_when_somebody_wants_an_end_while_they_are_judged() -> None:
    """Nobody but the run knows of them then."""
    world = World()
    good = world.prove

    class Read(FakeSession):
        """Is interrupted when what it saw is read."""

        @property
        def evidence(self) -> Any:
            raise KeyboardInterrupt

    def live(*words: Any) -> FakeSession:
        session = good(*words)
        return Read(session.whole, world.cluster.calls) if world.sessions[-1] == "containerd" else session

    object.__setattr__(world.run.sessions, "live", live)

    with pytest.raises(KeyboardInterrupt):
        apply(world.run)

    assert world.cluster.calls.count(GO) == 2
    assert world.run.ongoing == []


def test_pods_that_cannot_be_removed_keep_no_node_from_going_back() -> None:
    """Even a second Ctrl-C in the middle of that."""
    world = World()
    ending(world, KeyboardInterrupt())
    annotate = world.cluster.annotate

    def interrupted(*_: Any) -> None:
        world.cluster.annotate = annotate  # type: ignore[method-assign]
        raise KeyboardInterrupt

    world.cluster.annotate = interrupted  # type: ignore[method-assign]

    with pytest.raises(KeyboardInterrupt):
        apply(world.run)

    assert world.hosts.names == ["stage", "switch new", "switch old"]
    assert (world.node.runtime, world.node.unschedulable) == ("docker://20.10.24", False)
    assert any("our pods could not be removed: KeyboardInterrupt()" in event.message for event in world.events)


def test_a_plan_without_the_step_leaves_no_pods() -> None:
    """As older releases wrote them."""
    world = World()
    steps = tuple(step for step in world.run.plan.steps if step.id != "leavings")
    object.__setattr__(world.run, "plan", world.run.plan.model_copy(update={"steps": steps}))

    apply(world.run)

    assert world.cluster.calls.count(GO) == 2


@pytest.mark.parametrize(("proof", "needed"), [("full", True), ("after", True), ("none", False)])
def test_it_is_needed_where_something_is_proved(proof: Any, needed: Any) -> None:
    """The plan says so."""
    world = World(target=HostSettings(proof=proof))

    assert {step.id: step.needed for step in world.run.plan.steps}["leavings"] == needed
    assert next(step.settled for step in STEPS if step.id == "leavings")
