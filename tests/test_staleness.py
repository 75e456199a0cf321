"""A plan that was saved is applied only to a node that is still what it was made from."""

from __future__ import annotations

import pytest

from migrator.engine.migration import STEPS
from migrator.model.host_settings import HostSettings
from migrator.model.plan import NodePlan
from migrator.planning import plan, staleness
from tests.fakes.values import facts, files, node, pod, situation


def made(**update: object) -> NodePlan:
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
def test_what_moved_is_named(now: NodePlan, said: str) -> None:
    """With what it was and is."""
    assert any(said in what for what in staleness.moved(made(), now))
