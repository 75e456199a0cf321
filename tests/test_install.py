"""A runtime is installed only where that touches nothing else, and the node is planned again afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from migrator.engine.context import StepContext
from migrator.engine.executor import apply
from migrator.engine.migration import STEPS
from migrator.errors import InventoryError, StepFailedError
from migrator.hosts import HostResult
from migrator.inventory import load as load_inventory
from migrator.model.host_settings import HostSettings
from migrator.model.node_requests import Install
from migrator.model.plan import MigrationPlan, Severity
from migrator.planning import plan
from migrator.runtimes.registry import targets
from tests.fakes.clock import FakeClock
from tests.fakes.cluster import FakeCluster
from tests.fakes.hosts import FakeHosts
from tests.fakes.values import containerd, facts, node, situation
from tests.test_node_modules import load

runtime_package = load("runtime_package", "runtime_package")
BARE = facts(containerd=containerd(version="", active=False))


def planned(**target: Any) -> MigrationPlan:
    """Plan a node without containerd."""
    return plan.make(situation(facts=BARE, target=HostSettings(**target)), STEPS)


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
    run = StepContext(
        id="i1", plan=planned(), target=HostSettings(packages="/srv/packages"), hosts=hosts, cluster=FakeCluster([node()]),
        clock=FakeClock(), allow=frozenset(), tell=told.append,
    )  # fmt: skip

    apply(run)

    asked = Install(name="containerd", source="/srv/packages", look=True)
    assert hosts.calls == [asked, asked.model_copy(update={"look": False})]
    assert [event.message for event in told if event.kind == "changed"] == [
        "containerd 1.6.20, runc 1.1.5; the package manager did not tell before which version would come"
    ]


@pytest.mark.parametrize(
    ("would", "pinned", "asked"),
    [
        ("1.6.20~ds1-1", "", "1.6.20~ds1-1"), ("5:1.7.28-1", "", "5:1.7.28-1"), ("1.7.28-1", "1.7.28", "1.7.28-1"),
        ("", "1.7.28", "1.7.28"), ("not one", "", ""), ("--x", "", ""),
    ],
)  # fmt: skip
def test_the_version_that_was_judged_is_installed(would: str, pinned: str, asked: str) -> None:
    """With its epoch: the package manager's lists may change between its answer and the installation."""
    said = {"would": would, "installed": {"containerd": "x"}}
    hosts = FakeHosts({"install": HostResult(host="worker-1", results={"Install the runtime's package": said})})
    run = StepContext(
        id="i1", plan=planned(), target=HostSettings(package_version=pinned), hosts=hosts, cluster=FakeCluster([node()]),
        clock=FakeClock(), allow=frozenset(), tell=lambda _: None,
    )  # fmt: skip

    apply(run)

    look = Install(name="containerd", version=pinned, look=True)
    assert hosts.calls == [look, look.model_copy(update={"version": asked, "look": False})]


def refused(would: str, **update: Any) -> FakeHosts:
    """Run an installation that would bring a version; it is refused."""
    answer = HostResult(host="worker-1", results={"Install the runtime's package": {"would": would}})
    hosts = FakeHosts({"install": answer})
    run = StepContext(
        id="i1", plan=planned(), target=HostSettings(), hosts=hosts, cluster=FakeCluster([node(**update)]),
        clock=FakeClock(), allow=frozenset(), tell=lambda _: None,
    )  # fmt: skip
    with pytest.raises(StepFailedError, match="nothing was installed"):
        apply(run)
    return hosts


@pytest.mark.parametrize(
    ("would", "kubelet"),
    [("2.1.5-1", "v1.20.2"), ("2.3.1-1", "v1.23.17"), ("1:2.2.7-1", "v1.23.17"), ("1.3.9", "v1.20.2")],
)
def test_a_version_that_must_not_come_does_not(would: str, kubelet: str) -> None:
    """It would stay on the node, and the next plan would refuse it."""
    assert [getattr(call, "look", None) for call in refused(would, kubelet_version=kubelet).calls] == [True]


CANDIDATES = {
    "1.6.20~ds1-1+deb12u1": None, "1.7.28-1~debian.12~bookworm": None, "5:1.7.28-1": None,
    "2.1.5-1~debian.12~bookworm": "cri-version", "2:2.2.0-1": "cri-version", "1.3.10-1": "runtime-version",
}  # fmt: skip


@pytest.mark.parametrize(("version", "check"), CANDIDATES.items(), ids=CANDIDATES)
def test_the_plan_judges_what_would_come(version: str, check: str | None) -> None:
    """By the package manager's candidate, or by what is pinned, whatever it would take by itself."""
    coming = BARE.model_copy(update={"candidates": {"containerd": version}})
    other = BARE.model_copy(update={"candidates": {"containerd": "2.3.5-1"}})
    by_candidate = plan.make(situation(facts=coming), STEPS)
    pinned = plan.make(situation(facts=other, target=HostSettings(package_version=version)), STEPS)

    for made, said in ((by_candidate, "what the package manager would install"), (pinned, "migrator_package_version")):
        ids = {entry.id: entry for entry in made.findings if entry.severity is Severity.BLOCKS}
        assert set(ids) == ({check} if check else set())
        assert not check or said in ids[check].evidence
        assert made.target == f"containerd://{version.rpartition(':')[2]}"


def test_what_comes_from_a_folder_is_not_guessed() -> None:
    """What the node's own sources have says nothing of it."""
    coming = BARE.model_copy(update={"candidates": {"containerd": "2.3.5-1"}})
    made = plan.make(situation(facts=coming, target=HostSettings(packages="/srv/packages")), STEPS)

    assert (made.blockers, made.target) == ((), "containerd://version of the package")


def test_a_folder_of_packages_must_be_there(tmp_path: Path) -> None:
    """It starts at the inventory."""
    path = tmp_path / "inventory.yml"
    path.write_text("all: {hosts: {a: {migrator_packages: debs}}}\n")
    with pytest.raises(InventoryError, match=f"host a: migrator_packages: there is no folder {tmp_path}/debs"):
        load_inventory(path, runtimes=targets())

    (tmp_path / "debs").mkdir()
    assert load_inventory(path, runtimes=targets()).hosts[0].target.packages == str(tmp_path / "debs")


SIMULATED = """\
Reading package lists...
The following NEW packages will be installed:
  containerd runc
Inst runc (1.1.5+ds1-1 Debian:12.5/stable [amd64])
Inst containerd (1.6.20~ds1-1 Debian:12.5/stable [amd64])
Conf runc (1.1.5+ds1-1 Debian:12.5/stable [amd64])
"""


def test_the_version_that_would_come_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """By both package managers; an upgrade too."""
    dnf = (
        "Installing:\n containerd.io   x86_64   1.6.33-3.1.el7   docker-ce-stable   27 M\n"
        "Transaction Summary\nInstall  1 Package\n"
    )
    upgrade = "Inst containerd [1.6.20] (1:1.7.2-1 Debian:12.5/stable [amd64])\n"
    for manager, shown, version in (
        (runtime_package.Debian(), SIMULATED, "1.6.20~ds1-1"),
        (runtime_package.Debian(), upgrade, "1:1.7.2-1"),
        (runtime_package.Debian(), "", ""),
        (runtime_package.RedHat(), dnf, "1.6.33-3.1.el7"),
    ):
        monkeypatch.setattr(runtime_package, "run", lambda *_, shown=shown, **__: (0, shown, ""))
        name = "containerd.io" if shown is dnf else "containerd"
        assert manager.ask(name, [name], offline=False)[0] == version


def test_what_would_come_is_asked_and_nothing_done() -> None:
    """Nor where it is there already."""
    manager = Manager()

    assert runtime_package.would(manager, "containerd", "", "", []) == "1.6.20"
    assert runtime_package.would(manager, "runc", "", "", []) == ""
    assert manager.done == []


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

    def ask(self, _name: str, _words: list[str], *, offline: bool) -> tuple[str, list[str]]:
        """Simulate."""
        del offline
        if not self.known:
            raise runtime_package.NodeError("E: Unable to locate package containerd")
        return "1.6.20", self.touches

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


def test_an_epoch_is_no_other_version() -> None:
    """Rpm lists packages without it, and dnf takes names with it."""
    assert runtime_package.install(Manager(), "containerd", "1:1.6.20", "", []) == {"containerd": "1.6.20"}
    there = Manager()
    there.packages["containerd"] = "1.6.20"
    assert runtime_package.install(there, "containerd", "1:1.6.20", "", []) == {}
    assert there.done == []


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
