"""What `apply`, `rollback` and `cleanup` show before they ask is what they do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from migrator.app import connections, rollout_job
from migrator.cli import apply, cleanup, console, plan, rollback
from migrator.cli.options import PlanOutput
from migrator.errors import InventoryError
from migrator.hosts import ansible_settings
from migrator.inventory import Host
from migrator.local_capacity import Room
from migrator.model.host_settings import HostSettings
from migrator.model.plan import MigrationPlan, NodePlan, Plan
from migrator.rollout.results import RolloutResult
from migrator.rollout.schedule import Batch
from tests.fakes.cluster import FakeCluster
from tests.fakes.hosts import FakeHosts
from tests.fakes.values import node, pod

NAMES = ("w1", "w2", "w3", "w4")
ALL = Path("inventory.yml")


class Asked:
    """A user who says yes, and what was done then."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, installing: Sequence[str] = ()) -> None:
        """Give four nodes, of which the first two hold a workload by themselves."""
        target = HostSettings(batch="2", canaries=0)
        pods = [pod("a", node="w1"), pod("b", node="w2")]
        cluster = FakeCluster([node(name=name) for name in NAMES], pods)
        chosen = tuple(Host(name=name, target=target) for name in NAMES)
        self.doors = connections.Connections(chosen, FakeHosts({}), cluster, frozenset())
        self.installing = set(installing)
        self.asked: list[tuple[str, list[str]]] = []
        self.done: list[list[tuple[str, ...]]] = []
        monkeypatch.setattr(connections, "connect", lambda *_: self.doors)
        monkeypatch.setattr(connections.Connections, "plan", lambda *_: self.plan())
        monkeypatch.setattr(connections.Connections, "plan_cleanup", lambda *_: self.plan())
        monkeypatch.setattr(console, "ask", self.ask)
        monkeypatch.setattr(rollout_job, "do", self.do)

    def plan(self) -> Plan:
        """Plan all of them."""
        return Plan(nodes=tuple(planned(name, "install" if name in self.installing else "switch") for name in NAMES))

    def ask(self, what: str, todo: Sequence[NodePlan], **_: Any) -> None:
        """Note what is asked."""
        self.asked.append((what, [entry.node for entry in todo]))

    def do(self, doing: rollout_job.RolloutJob, todo: Sequence[NodePlan]) -> RolloutResult:
        """Note in which batches it would be done."""
        self.done.append(names(doing.doors.batches(todo, doing.most, serving=doing.serving)))
        self.installing.clear()
        return RolloutResult(())


def planned(name: str, step: str) -> NodePlan:
    """Give a plan with one step."""
    does = {"id": step, "title": step, "phase": "window", "needed": True, "reason": ""}
    return MigrationPlan.model_validate(
        {"host": name, "node": name, "machine_id": "", "source": "", "target": "", "endpoint": "", "steps": (does,)}
        | {"installs": step == "install"}
    )


def names(batches: Sequence[Batch]) -> list[tuple[str, ...]]:
    """Name the nodes of each."""
    return [batch.nodes for batch in batches]


def shown(text: str) -> list[list[tuple[str, ...]]]:
    """Read the batches that were shown, for each time that they were."""
    found: list[list[tuple[str, ...]]] = []
    for line in text.splitlines():
        if line.startswith("Batches"):
            found.append([])
        elif found and line[:3].strip().isdecimal() and "w" in line:
            found[-1].append(tuple(name for name in NAMES if name in line))
    return found


def test_each_round_of_apply_shows_its_own_batches(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An installation's depend on no pods; those of the migration are made when all have been planned anew."""
    user = Asked(monkeypatch, installing=("w1", "w2"))

    assert apply.command(ALL) == 0

    assert shown(capsys.readouterr().out) == user.done == [[("w1", "w2")], [("w1", "w3"), ("w2", "w4")]]
    assert user.asked == [("Install the runtime on", ["w1", "w2"]), ("Migrate", list(NAMES))]


def test_no_more_nodes_are_shown_and_asked_about_than_are_begun(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--max-nodes`."""
    user = Asked(monkeypatch)

    apply.command(ALL, max_nodes=2)
    rollback.command(ALL, node=["w1"], max_nodes=3)
    cleanup.command(ALL, node=["w1"], max_nodes=3)

    assert user.done == [[("w1", "w3")], [("w1", "w3"), ("w2",)], [("w1", "w2"), ("w3",)]]
    assert shown(capsys.readouterr().out) == user.done
    assert [nodes for _, nodes in user.asked] == [["w1", "w3"], ["w1", "w2", "w3"], ["w1", "w2", "w3"]]


def test_stages_depend_on_no_pods(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Nodes serve meanwhile."""
    user = Asked(monkeypatch)

    apply.command(ALL, until=apply.Until.STAGE)

    assert shown(capsys.readouterr().out) == user.done == [[("w1", "w2"), ("w3", "w4")]]


def test_a_batch_that_does_not_fit_is_refused_before_anybody_is_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before an installation too; `plan` says it. What is done while nodes serve is not refused."""
    monkeypatch.setattr(rollout_job, "here", lambda: Room(files=120, memory=2**40))
    for installing in ((), ("w1",)):
        user = Asked(monkeypatch, installing=installing)
        with pytest.raises(InventoryError, match="2 would be in work at once.* room for 1.*nothing was changed"):
            apply.command(ALL)
        assert user.asked == []
    with pytest.raises(InventoryError, match="2 would be in work at once"):
        rollback.command(ALL, node=["w1"])
    assert user.asked == []

    user.installing.clear()
    plan.command(ALL, output=PlanOutput.TEXT)
    assert "`apply` on this machine would be refused: the nodes: 2 would be in work" in capsys.readouterr().err
    apply.command(ALL, until=apply.Until.STAGE)
    cleanup.command(ALL, node=["w1"])
    assert len(user.done) == 2


@pytest.mark.parametrize(
    ("asked", "longest"), [((None, None), None), ((5, None), 33), ((90, None), 90), ((5, 9), 9), ((), None)]
)
def test_no_host_waits_shorter_than_it_may(
    asked: Sequence[int | None], longest: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One time holds for all: that of a host with a short one is not that of hosts with Ansible's own."""
    monkeypatch.setattr(ansible_settings, "configured", lambda: ansible_settings.AnsibleSettings({"timeout": 33}))
    hosts = [Host(name=str(place), target=HostSettings(connect_timeout=entry)) for place, entry in enumerate(asked)]

    assert connections.open_hosts(ALL, hosts)._connect_timeout == longest  # type: ignore[attr-defined]  # noqa: SLF001
