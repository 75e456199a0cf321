"""A plan that was saved is applied only to a node that is still what it was made from."""

from __future__ import annotations

import pytest

from migrator.engine.migration import STEPS
from migrator.model.host_settings import HostSettings
from migrator.model.plan import MigrationPlan, Phase, PlannedStep, RollbackPlan
from migrator.planning import plan, staleness
from tests.fakes.values import facts, files, node, pod, situation


def made(**update: object) -> MigrationPlan:
    """Give the plan of a node."""
    return plan.make(situation(**update), STEPS)


def test_the_same_node_gives_the_same_plan() -> None:
    """Nothing has moved."""
    assert staleness.moved(made(), made()) == ()


def test_pods_may_come_and_go() -> None:
    """Which pods leave is no promise."""
    assert staleness.moved(made(), made(pods=(pod("web"), pod("new", images=("unused:1",))))) == ()


MOVED = {
    "another machine": (made(facts=facts(machine_id="f" * 32)), "machine-id"),
    "a file": (made(facts=facts(files=files(default="KUBELET_EXTRA_ARGS=--v=4\n"))), "/etc/default/kubelet"),
    "another containerd": (made(facts=facts(containerd=facts().containerd.model_copy(update={"version": "1.6.99"}))), "target was"),
    "another loss": (made(facts=facts(files=files(daemon='{"init": true}'))), "what becomes of Docker's init"),
    "another proof": (made(target=HostSettings(proof="none")), "step rehearse"),
    "migrated meanwhile": (made(node=node(runtime="containerd://1.6.20")), "source was"),
}  # fmt: skip


@pytest.mark.parametrize(("now", "said"), MOVED.values(), ids=MOVED)
def test_what_moved_is_named(now: MigrationPlan, said: str) -> None:
    """With what it was and is."""
    assert any(said in what for what in staleness.moved(made(), now))


def test_a_rollback_promises_what_the_annotation_is_now() -> None:
    """It is what a rollback that fails puts back."""
    shown = RollbackPlan(
        host="w1", node="w1", machine_id="m", source="containerd://1.7.24", target="docker://20.10.24", annotation="a",
        steps=(PlannedStep(id="restore", title="Put it back", phase=Phase.WINDOW, needed=True, reason="why"),),
    )  # fmt: skip

    assert staleness.moved(shown, shown) == ()
    assert staleness.moved(shown, shown.model_copy(update={"annotation": "b"})) == ("annotation was 'a', is 'b'",)
