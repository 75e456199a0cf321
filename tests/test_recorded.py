"""Facts that were saved give the same plan as live ones, and hold no secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from migrator.app import observe
from migrator.errors import InventoryError
from migrator.model.host_settings import HostSettings
from migrator.model.kubernetes import ClusterFacts
from migrator.model.observation import Observation
from migrator.runtimes.registry import targets
from migrator.store import fact_store
from tests.fakes.values import facts, node, pod

CLUSTER = ClusterFacts(nodes=(node(),), pods=(pod("web"),))


def seen(host: str = "worker-1", **update: object) -> Observation:
    """Give an observed host."""
    return Observation(
        host=host, target=HostSettings(kubeconfig="/home/me/admin.conf", node_name="worker-1"), facts=facts(), **update
    )


def test_a_plan_from_a_recording_is_the_live_plan(tmp_path: Path) -> None:
    """Saving and reading changes nothing that a plan depends on."""
    fact_store.save(tmp_path, [seen()], CLUSTER)

    again = observe.plan_all(fact_store.observations(tmp_path, runtimes=targets()), fact_store.cluster(tmp_path), ())

    assert again == observe.plan_all([seen()], CLUSTER, ())


def test_paths_of_the_machine_that_recorded_are_left_out(tmp_path: Path) -> None:
    """A recording can be sent to somebody else."""
    fact_store.save(tmp_path, [seen()], CLUSTER)

    assert "/home/me" not in "".join(path.read_text() for path in tmp_path.rglob("*.json"))


@pytest.mark.parametrize("host", ["../../etc/passwd", "/abs", "a b", ".", "..", "$(id)", "new\nline", "ümlaut"])
def test_a_host_name_leads_nowhere_else(tmp_path: Path, host: str) -> None:
    """Whatever a host is called, its file lies in the folder and its name comes back."""
    folder = tmp_path / "facts"
    fact_store.save(folder, [seen(host)], CLUSTER)

    assert [path.parent for path in tmp_path.rglob("*.json") if path.name != "cluster.json"] == [folder / "hosts"]
    assert [entry.host for entry in fact_store.observations(folder, runtimes=targets())] == [host]


def damage(path: Path, text: str) -> None:
    """Replace the one host's file."""
    path.joinpath("hosts", "worker-1.json").write_text(text)


BROKEN = {
    "truncated": (lambda text: text[: len(text) // 2], "EOF"),
    "newer": (lambda text: text.replace('"schema_version": 2', '"schema_version": 3', 1), "facts of schema 3, and this version reads 2"),
    "older": (lambda _: json.dumps({"schema_version": 1, "host": "worker-1"}), "facts of schema 1, and this version reads 2"),
    "empty": (lambda _: "", "EOF"),
    "a list": (lambda _: "[]", "should be an object"),
    "an unknown runtime": (lambda text: text.replace('"runtime": "containerd"', '"runtime": "rkt"', 1), "target.runtime: Input should be 'containerd' or 'crio'"),
    "an unknown field": (lambda text: text.replace('"host":', '"hots": 1, "host":', 1), "hots"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "said"), BROKEN.values(), ids=BROKEN)
def test_one_broken_file_keeps_no_other_host_from_its_plan(tmp_path: Path, change: object, said: str) -> None:
    """The broken one is told with its file and what is wrong; the other is planned."""
    fact_store.save(tmp_path, [seen(), seen("worker-2")], CLUSTER)
    damage(tmp_path, change((tmp_path / "hosts" / "worker-1.json").read_text()))

    plan = observe.plan_all(fact_store.observations(tmp_path, runtimes=targets()), fact_store.cluster(tmp_path), ())

    assert [entry.host for entry in plan.nodes] == ["worker-2"]
    assert "worker-1.json" in plan.unplanned[0].problem
    assert said in plan.unplanned[0].problem


def test_a_folder_without_a_recording_is_told(tmp_path: Path) -> None:
    """With what --facts takes."""
    with pytest.raises(InventoryError, match="inspect --save"):
        fact_store.cluster(tmp_path)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A file in its place is not overwritten."""
    (tmp_path / "taken").write_text("mine")

    with pytest.raises(InventoryError, match="cannot be saved"):
        fact_store.save(tmp_path / "taken", [seen()], CLUSTER)
    assert (tmp_path / "taken").read_text() == "mine"
