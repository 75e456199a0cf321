"""Plans in files, as `plan --out` writes them and `apply` takes them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from migrator.errors import StalePlanError, UsageError

if TYPE_CHECKING:
    from migrator.model.plan import Plan


def is_plan(path: Path) -> bool:
    """Tell whether a file is a plan and not an inventory (which may be JSON too)."""
    if path.suffix != ".json" or not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(200).lstrip()
    return head.startswith(b'{"schema_version"') or head.replace(b" ", b"").startswith(b'{\n"schema_version"')


def select(plan: Plan, names: Sequence[str]) -> Plan:
    """Give the part of a plan that is about these nodes, by inventory or node name; all of it for no names.

    Raises `UsageError` for a node that it does not have.
    """
    if not names:
        return plan
    known = {name for entry in plan.nodes for name in (entry.host, entry.node)}
    unknown = sorted(set(names) - known)
    if unknown:
        raise UsageError(f"--node {unknown[0]}: the plan has no such node; it has: {', '.join(sorted(known))}")
    nodes = tuple(entry for entry in plan.nodes if {entry.host, entry.node} & set(names))
    return plan.model_copy(update={"nodes": nodes, "unplanned": ()})


def read(path: Path) -> Plan:
    """Read a plan.

    Raises `UsageError` for a file that is damaged, of another version or no migration's, `StalePlanError` for a plan
    that was not made from live nodes.
    """
    from pydantic import ValidationError

    from migrator.model.plan import SCHEMA, MigrationPlan, Plan

    data = path.read_bytes()
    try:
        found = json.loads(data).get("schema_version")
    except ValueError as error:
        raise UsageError(f"{path} is not a whole plan: {error}; make it again") from error
    if found != SCHEMA:
        raise UsageError(f"{path} is a plan of schema {found}, and this version reads {SCHEMA}; make it again")
    try:
        plan = Plan.model_validate_json(data)
    except ValidationError as error:
        mistake = error.errors()[0]
        place = ".".join(str(part) for part in mistake["loc"])
        raise UsageError(f"{path} is not a plan: {place}: {mistake['msg']}") from error
    if others := [entry.node for entry in plan.nodes if not isinstance(entry, MigrationPlan)]:
        raise UsageError(f"{path} is not the plan of a migration: look at {others[0]} in it; make one by `plan --out`")
    if not plan.inventory:
        raise StalePlanError(f"{path} was made from recorded facts; make a plan from the live nodes")
    return plan
