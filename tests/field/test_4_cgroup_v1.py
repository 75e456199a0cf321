"""Nodes whose kernel has cgroup v1, with either driver: proved on Docker, migrated with every proof, proved again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import cluster, spare
from tests.field.sessions import healthy, migrate, verify
from tests.lab.conftest import Lab
from tests.lab.sides import WORKERS, each

pytestmark = pytest.mark.guest
V1 = spare.CGROUPS["v1"]


@pytest.fixture(scope="module")
def on_v1(fresh_lab: Lab) -> Iterator[Lab]:
    """Give the lab with both nodes booted so."""
    for node in WORKERS:
        boot(fresh_lab, node, V1)
    yield fresh_lab
    fresh_lab.restore()


def boot(lab: Lab, node: str, words: str) -> None:
    """Boot a node with more words for its kernel, and wait for its kubelet."""
    before = lab.get("node", node)["status"]["nodeInfo"]["bootID"]
    cluster.boot(lab.settings, lab.settings.node(node), words)
    lab.until(
        lambda: lab.get("node", node)["status"]["nodeInfo"]["bootID"] != before and bool(lab.node(node)["ready"]),
        f"{node} is Ready after its boot with {words}",
    )
    lab.all_available()


def test_docker_is_good_on_v1(on_v1: Lab) -> None:
    """Before its migration."""
    for node in WORKERS:
        assert on_v1.on(node, "stat -fc %T /sys/fs/cgroup").strip() == "tmpfs"
    each(lambda node: healthy(on_v1, node))


def test_a_migration_on_v1_is_proved(on_v1: Lab, tmp_path: Path) -> None:
    """Baseline, rehearsal and proof pass, and so does a session afterwards."""
    for node in WORKERS:
        done = migrate(on_v1, node, tmp_path, proof="full")
        print("\n".join(line for line in done.stderr.splitlines() if "✓" in line))
    each(lambda node: healthy(on_v1, node))


def test_a_memory_controller_that_is_missing_is_found(on_v1: Lab) -> None:
    """A kernel without it: the kubelet does not start, and the check says why."""
    node = on_v1.settings.node(WORKERS[0])
    cluster.boot(on_v1.settings, node, f"{V1} cgroup_disable=memory")

    found = verify(on_v1, node.name)

    print(found)
    assert found.exit_code == 16
    assert "memory-controller" in found.rules
