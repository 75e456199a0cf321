"""A plan in a file is read whole and of this version, or refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrator.cli.plan import write
from migrator.engine.migration import STEPS
from migrator.errors import MigratorError, StalePlanError, UsageError
from migrator.model.plan import CleanupPlan, MigrationPlan, NodePlan, Plan, RebootPlan, RollbackPlan
from migrator.planning import plan
from migrator.store import plan_file
from tests.fakes.values import situation

PLAN = Plan(inventory="/inventory.yml", allow=("local-storage",), nodes=(plan.make(situation(), STEPS),))


def test_a_plan_comes_back_as_it_was(tmp_path: Path) -> None:
    """`--out` and `apply` mean the same."""
    path = tmp_path / "plan.json"
    write(path, PLAN)

    assert plan_file.is_plan(path)
    assert plan_file.read(path) == PLAN


NODE = {"host": "w1", "node": "w1", "machine_id": "m", "source": "containerd://1.7.24", "target": "docker://20.10.24"}
OTHERS: tuple[NodePlan, ...] = (
    RollbackPlan.model_validate(NODE | {"transaction": "t1", "annotation_before": "/var/run/dockershim.sock"}),
    CleanupPlan.model_validate(NODE | {"endpoint": "unix:///run/containerd/containerd.sock"}),
    RebootPlan.model_validate(NODE),
)


@pytest.mark.parametrize("other", OTHERS, ids=lambda other: type(other).__name__)
def test_a_plan_of_another_kind_is_no_migration(tmp_path: Path, other: NodePlan) -> None:
    """It is read as what it is, and `apply` does not take it: a rollback is no migration to the runtime of before."""
    path = tmp_path / "plan.json"
    made = PLAN.model_copy(update={"nodes": (other,)})
    write(path, made)

    assert Plan.model_validate_json(path.read_bytes()) == made
    with pytest.raises(UsageError, match="is not the plan of a migration: look at w1 in it"):
        plan_file.read(path)


def test_the_document_of_a_migration_has_the_fields_that_it_had() -> None:
    """Those of schema 2, whatever other plans have: who reads them, and plans that are in files, need not know."""
    (document,) = PLAN.model_dump(mode="json")["nodes"]

    assert sorted(document) == [
        "circumstances", "cni_plugins", "config", "cordoned_before", "endpoint", "fates", "files", "findings", "host",
        "images", "installs", "kubelet_arguments", "machine_id", "network_needs_pods", "node", "removal", "root",
        "socket_annotation", "source", "stale_addresses", "starts", "staying", "steps", "target", "transaction",
    ]  # fmt: skip
    assert (document["transaction"], document["removal"]) == ("", None)
    assert isinstance(MigrationPlan.model_validate(document), MigrationPlan)


def test_an_inventory_in_json_is_no_plan(tmp_path: Path) -> None:
    """It may have the same ending."""
    path = tmp_path / "hosts.json"
    path.write_text('{"all": {"hosts": {"worker-1": {}}}}')

    assert not plan_file.is_plan(path)
    assert not plan_file.is_plan(tmp_path / "none.json")
    assert not plan_file.is_plan(tmp_path)


DAMAGED = {
    "cut off": (lambda text: text[:500], UsageError, "not a whole plan"),
    "of another version": (lambda text: text.replace('"schema_version": 2', '"schema_version": 1', 1), UsageError, "plan of schema 1"),
    "edited by hand": (lambda text: text.replace('"machine_id"', '"machineid"', 1), UsageError, "is not a plan"),
    "from recorded facts": (lambda text: text.replace("/inventory.yml", "", 1), StalePlanError, "made from recorded facts"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "kind", "said"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_plan_is_refused(tmp_path: Path, change: object, kind: type[MigratorError], said: str) -> None:
    """With what is wrong with it."""
    path = tmp_path / "plan.json"
    write(path, PLAN)
    path.write_text(change(path.read_text()))

    with pytest.raises(kind, match=said):
        plan_file.read(path)


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """Before anything else is shown."""
    with pytest.raises(UsageError, match="--out"):
        write(tmp_path / "none" / "plan.json", PLAN)


def test_nodes_of_a_plan_are_chosen_by_either_name() -> None:
    """A node that the plan does not have is told, never left out in silence."""
    assert plan_file.select(PLAN, ["worker-1"]) == PLAN
    assert plan_file.select(PLAN, []) == PLAN
    with pytest.raises(UsageError, match="--node worker-9: the plan has no such node; it has: worker-1"):
        plan_file.select(PLAN, ["worker-9"])
