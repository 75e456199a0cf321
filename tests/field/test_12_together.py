"""Two real nodes in one batch: worked on side by side, forth and back, each with an end of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.lab.conftest import Lab
from tests.lab.test_5_migration import CONSENT

NODES = ("worker-1", "worker-2")
TOGETHER = ("--allow", "capacity", "--allow", "batch-replicas")
"""Without these the nodes would go one after the other: neither has room for the other's pods."""
BUDGET = ("-n", "shop", "patch", "pdb", "web", "-p")


@pytest.fixture
def inventory(fresh_lab: Lab, tmp_path: Path) -> Path:
    """Give one with that policy. No budget holds: with both nodes out of service, nothing can run elsewhere."""
    fresh_lab.kubectl(*BUDGET, '{"spec":{"minAvailable":0}}')
    return fresh_lab.configured(tmp_path / "inventory.yml", proof="none", canaries=0, batch="100%", failures=1)


def test_both_at_once_and_back(fresh_lab: Lab, inventory: Path) -> None:
    """Both windows are open at the same time; what left is waited for until it is back; all is told as JSON."""
    lab = fresh_lab
    done = lab.migrator("apply", "--yes", "-o", "json", *CONSENT, *TOGETHER, inventory)
    assert done.returncode == 0, done.stderr

    events = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    steps = [(event["node"], event["step"]) for event in events if event["kind"] == "start"]
    first = [step for _, step in steps].index("uncordon")
    assert {node for node, step in steps[:first] if step == "switch"} == set(NODES)
    told = json.loads(done.stdout)
    assert {(entry["node"], entry["outcome"]) for entry in told["nodes"]} == {(node, "done") for node in NODES}
    assert (told["not_begun"], told["stopped"]) == ([], "")
    for node in NODES:
        found = lab.node(node)
        assert (found["runtime"].partition(":")[0], found["unschedulable"]) == ("containerd", False)
    lab.all_available()

    back = lab.migrator("rollback", "--limit", "all", "--yes", *CONSENT, *TOGETHER, inventory)
    assert back.returncode == 0, back.stderr
    assert [f"✓ {node} is back: containerd://" in back.stderr for node in NODES] == [True, True]
    for node in NODES:
        assert lab.node(node)["runtime"].startswith("docker://")
    lab.kubectl(*BUDGET, '{"spec":{"minAvailable":2}}')
    lab.all_available()
