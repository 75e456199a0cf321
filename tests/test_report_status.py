"""Where nodes stand: both sides in one line each."""

from __future__ import annotations

from migrator.model.facts import Transaction
from migrator.model.host_settings import HostSettings
from migrator.model.kubernetes import PROGRESS
from migrator.model.observation import Observation
from migrator.report import status
from tests.fakes.values import facts, node


def seen(host: str, **transactions: str) -> Observation:
    """Give a host with these switches, by their last action."""
    told = {name: Transaction(last=last) for name, last in transactions.items()}
    return Observation(host=host, target=HostSettings(), facts=facts(transactions=told))


def test_each_node_has_a_line() -> None:
    """Its runtime, whether it serves, and how its last switch ended; one that cannot be read has its reason."""
    nodes = (
        node(name="w1", runtime="containerd://1.6.20"),
        node(name="w2", unschedulable=True, ready=False, annotations={PROGRESS: "at switch (2026-01-01T00:00:00Z)"}),
        node(name="w3"),
        node(name="w5"),
    )
    hosts = (
        seen("w1", t1="undone", t2="done"),
        seen("w2", t1="write files"),
        seen("w3"),
        seen("w4", t1="broken"),
        Observation(host="w5", target=HostSettings(), problem="the host does not\x1b answer"),
    )

    rows = status.rows(hosts, nodes)

    assert [" ".join(line.split()) for line in status.text(rows).split("\n")] == [
        "w1 containerd://1.6.20 Ready switched by t2",
        "w2 docker://20.10.24 NotReady, cordoned t1 is at 'write files'; at switch (2026-01-01T00:00:00Z)",
        "w3 docker://20.10.24 Ready never switched",
        "w4 no such Node - t1 could not be put back: docs/runbook.md",
        "w5 docker://20.10.24 Ready cannot be read: the host does not\\x1b answer",
    ]
    assert (rows[0].switch, rows[0].last, rows[1].schedulable) == ("t2", "done", False)
