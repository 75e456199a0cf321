"""A runtime that is registered can be asked for, whatever else the program knows of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from migrator import inventory
from migrator.engine.migration import STEPS
from migrator.errors import InventoryError
from migrator.model.host_settings import HostSettings
from migrator.model.kubernetes import Node
from migrator.model.plan import NodePlan
from migrator.planning import node_profile, plan, translate_file
from migrator.runtimes import registry
from migrator.runtimes.registry import RUNTIMES, targets
from tests.fakes.stub_runtime import STUB
from tests.fakes.values import changed, facts, node, situation


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    """Make the runtime known, which is all that is done for it."""
    registry.register(STUB)
    yield
    del RUNTIMES[STUB.name]


def planned(now: Node | None = None) -> NodePlan:
    """Plan the healthy node for it."""
    return plan.make(situation(target=HostSettings(runtime=STUB.name), **({"node": now} if now else {})), STEPS)


def test_a_plan_has_its_name_and_its_socket() -> None:
    """The kubelet and crictl are told where it listens; nothing of another runtime is written."""
    made = planned()
    contents = "".join(file.content for file in made.files)

    assert (made.target, made.endpoint, made.starts) == ("stub-io://1.2.3", "unix:///run/stub/stub.sock", True)
    assert "/run/stub/stub.sock" in contents
    assert "containerd" not in contents
    assert not [file.path for file in made.files if file.path.startswith(("/etc/containerd", "/etc/crio"))]


def test_its_checks_are_those_of_every_runtime() -> None:
    """What concerns containerd or CRI-O alone is not said of it, and every decision has its reason."""
    made = planned()

    assert [(entry.evidence, entry.remedy) for entry in made.findings if entry.id == "runtime-unsupported"] == [
        (
            "Stub is asked for: its files can be planned, the switch to it cannot be done",
            "set migrator_runtime to containerd",
        )
    ]
    assert not [entry.evidence for entry in made.findings if "containerd" in entry.id or "crio" in entry.id]
    assert all(step.reason for step in made.steps)
    assert next(step.reason for step in made.steps if step.id == "install") == "stub 1.2.3 is installed"


def test_a_node_that_reports_it_is_migrated() -> None:
    """By the name that the kubelet has for it."""
    made = planned(changed(node(), {"runtime": "stub-io://1.2.3"}))

    assert {step.reason for step in made.steps if not step.needed} >= {"the node already runs stub-io://1.2.3"}


def test_the_inventory_may_ask_for_it(tmp_path: Path) -> None:
    """And a mistake names it among those that there are."""
    path = tmp_path / "inventory.yml"
    path.write_text("all: {hosts: {a: {migrator_runtime: stub}}}\n")
    assert inventory.load(path, runtimes=targets()).hosts[0].target.runtime == "stub"

    path.write_text("all: {hosts: {a: {migrator_runtime: stubb}}}\n")
    with pytest.raises(InventoryError, match="Input should be 'containerd', 'crio' or 'stub'"):
        inventory.load(path, runtimes=targets())


def test_a_configuration_is_translated_for_it() -> None:
    """Each setting of Docker's has its fate, whatever the runtime has a place for."""
    made = translate_file.translate(
        '{"registry-mirrors": ["https://mirror.example"], "data-root": "/srv/docker"}', path="daemon.json", arguments=(),
        environment={}, docker_version="20.10", runtime="stub", runtime_version="1.2", kubelet_version="1.23",
    )  # fmt: skip

    assert made.destination.runtime == "stub"
    assert {fate.key.partition(".")[0] for fate in made.fates} == {"registry-mirrors", "data-root"}


def test_its_socket_is_known_where_the_kubelet_is_told_none() -> None:
    """A node is described by the runtime that it reports."""
    assert node_profile.circumstances(facts(), "worker-1", "stub-io://1.2.3").socket == "/run/stub/stub.sock"


def test_a_name_is_given_once() -> None:
    """A second one of the same name would hide the first."""
    with pytest.raises(ValueError, match="there is a runtime 'stub' already"):
        registry.register(STUB)
