"""A plan in a file is read whole and of this version, or refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrator.cli.plan import write
from migrator.engine.migration import STEPS
from migrator.errors import MigratorError, StalePlanError, UsageError
from migrator.model.plan import Plan
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
