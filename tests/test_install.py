"""A runtime is installed only where that touches nothing else, and the node is planned again afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from migrator.engine.apply import apply
from migrator.engine.run import Run
from migrator.engine.steps import STEPS
from migrator.errors import InventoryError
from migrator.hosts import HostResult
from migrator.inventory import load as load_inventory
from migrator.model.plan import NodePlan
from migrator.model.requests import Install
from migrator.model.target import Target
from migrator.planning import plan
from tests.fakes.clock import FakeClock
from tests.fakes.cluster import FakeCluster
from tests.fakes.hosts import FakeHosts
from tests.fakes.values import containerd, facts, node, situation
from tests.test_node_modules import load

runtime_package = load("runtime_package", "runtime_package")
BARE = facts(containerd=containerd(version="", active=False))


def planned(**target: Any) -> NodePlan:
    """Plan a node without containerd."""
    return plan.make(situation(facts=BARE, target=Target(**target)), STEPS)


def test_only_the_installation_is_planned() -> None:
    """Everything else follows from the version that is installed then."""
    made = planned(package_version="1.6.20~ds1-1")

    assert [step.id for step in made.steps if step.needed] == ["install"]
    assert made.steps[0].reason.startswith("containerd=1.6.20~ds1-1 from the node's package sources, if that removes")
    assert {step.reason for step in made.steps[1:]} == {"is planned when the runtime is installed: its version decides"}
    assert (made.files, made.images, made.target) == ((), (), "containerd://1.6.20~ds1-1")
    assert made.blockers == ()


def test_what_is_installed_is_told() -> None:
    """Name and version of everything that is new."""
    answer = HostResult(
        host="worker-1",
        results={"Install the runtime's package": {"installed": {"runc": "1.1.5", "containerd": "1.6.20"}}},
    )
    hosts, told = FakeHosts({"install": answer}), []
    run = Run(
        id="i1", plan=planned(), target=Target(packages="/srv/packages"), hosts=hosts, cluster=FakeCluster([node()]),
        clock=FakeClock(), allow=frozenset(), tell=told.append,
    )  # fmt: skip

    apply(run)

    assert hosts.calls == [Install(name="containerd", source="/srv/packages")]
    assert [event.message for event in told if event.kind == "changed"] == ["containerd 1.6.20, runc 1.1.5"]


def test_a_folder_of_packages_must_be_there(tmp_path: Path) -> None:
    """It starts at the inventory."""
    path = tmp_path / "inventory.yml"
    path.write_text("all: {hosts: {a: {migrator_packages: debs}}}\n")
    with pytest.raises(InventoryError, match=f"host a: migrator_packages: there is no folder {tmp_path}/debs"):
        load_inventory(path)

    (tmp_path / "debs").mkdir()
    assert load_inventory(path).hosts[0].target.packages == str(tmp_path / "debs")


SIMULATED = """\
Reading package lists...
The following NEW packages will be installed:
  containerd runc
Inst runc (1.1.5+ds1-1 Debian:12.5/stable [amd64])
Inst containerd (1.6.20~ds1-1 Debian:12.5/stable [amd64])
Conf runc (1.1.5+ds1-1 Debian:12.5/stable [amd64])
"""


def test_what_apt_would_touch() -> None:
    """New packages are none; upgrades and removals are."""
    assert list(runtime_package.touched(SIMULATED)) == []
    assert list(
        runtime_package.touched("Inst libc6 [2.36-8] (2.36-9 Debian:12 [amd64])\nRemv docker-ce [20.10]\n")
    ) == [
        "libc6",
        "docker-ce",
    ]


class Manager:
    """A package manager in memory."""

    suffix = "deb"

    def __init__(self, *, touches: Sequence[str] = (), known: bool = True) -> None:
        """Say what an installation would touch, and whether the lists of packages are fresh."""
        self.touches = list(touches)
        self.known = known
        self.packages = {"runc": "1.1.5"}
        self.done: list[str] = []

    def present(self) -> dict[str, str]:
        """Give what is installed."""
        return dict(self.packages)

    def named(self, name: str, version: str) -> str:
        """Name one."""
        return f"{name}={version}" if version else name

    def name_of(self, path: str) -> str:
        """Read a file."""
        return Path(path).name.partition("_")[0]

    def refresh(self) -> None:
        """Read the lists."""
        self.done.append("update")
        self.known = True

    def ask(self, _: list[str], *, offline: bool) -> list[str]:
        """Simulate."""
        del offline
        if not self.known:
            raise runtime_package.NodeError("E: Unable to locate package containerd")
        return self.touches

    def install(self, words: list[str], *, offline: bool) -> None:
        """Install."""
        self.done.append(" ".join([*(Path(word).name for word in words), *(["offline"] if offline else [])]))
        self.packages["containerd"] = "1.6.20"


def test_it_is_installed_by_name_and_version() -> None:
    """Lists that do not know it are read anew, once."""
    manager = Manager(known=False)

    assert runtime_package.install(manager, "containerd", "1.6.20", "", []) == {"containerd": "1.6.20"}
    assert manager.done == ["update", "containerd=1.6.20"]
    assert runtime_package.install(manager, "containerd", "", "", []) == {}


def test_nothing_is_installed_that_touches_others() -> None:
    """Docker may be running on them."""
    manager = Manager(touches=["docker-ce"])

    with pytest.raises(
        runtime_package.NodeError, match="would remove or upgrade what is there: docker-ce; that is left"
    ):
        runtime_package.install(manager, "containerd", "", "", [])
    assert manager.done == []


def test_another_version_than_was_asked_for_is_no_success() -> None:
    """Whatever the package manager made of it."""
    with pytest.raises(runtime_package.NodeError, match=r"containerd is 1.6.20 afterwards"):
        runtime_package.install(Manager(), "containerd", "1.7.0", "", [])


def test_a_package_manager_that_does_more_than_it_said_is_told_of() -> None:
    """Whatever it was: somebody has to look."""
    manager = Manager()
    manager.install = lambda *_, **__: manager.packages.update(containerd="1.6.20", runc="1.2")  # type: ignore[method-assign]

    with pytest.raises(runtime_package.NodeError, match="has changed more than it said: runc"):
        runtime_package.install(manager, "containerd", "", "", [])


def test_an_installation_that_was_broken_off_is_not_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it configures then may restart Docker."""
    shown = "docker-ce 20.10 half-configured\nrunc 1.1 installed\nold 1 config-files\n"
    monkeypatch.setattr(runtime_package, "run", lambda *_, **__: (0, shown, ""))

    with pytest.raises(runtime_package.NodeError, match="an installation was broken off: docker-ce"):
        runtime_package.Debian().present()


def test_from_a_folder_only_what_is_missing_is_taken(tmp_path: Path) -> None:
    """What is installed is not upgraded on the way; no network is asked."""
    for name in ("containerd_1.6.20_amd64.deb", "runc_1.1.9_amd64.deb", "libseccomp2_2.5_amd64.deb"):
        (tmp_path / name).touch()
    manager, names = Manager(), [path.name for path in tmp_path.iterdir()]

    runtime_package.install(manager, "containerd", "", str(tmp_path), names)

    assert manager.done == ["containerd_1.6.20_amd64.deb libseccomp2_2.5_amd64.deb offline"]
    with pytest.raises(
        runtime_package.NodeError, match=r"no package cri-o is among those .*: containerd, libseccomp2, runc"
    ):
        runtime_package.install(Manager(), "cri-o", "", str(tmp_path), names)
    with pytest.raises(runtime_package.NodeError, match="there are two files of containerd"):
        runtime_package.install(Manager(), "containerd", "", str(tmp_path), [*names, "containerd_1.7_amd64.deb"])
