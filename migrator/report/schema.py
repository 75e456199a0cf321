"""The JSON schemas of the documents that other programs may read: plans, verdicts, and a node's facts."""

from __future__ import annotations

import ast
import inspect
from collections import ChainMap
from itertools import pairwise
from types import ModuleType
from typing import Any, Literal

from migrator.model import evidence, facts, fate, plan, verification
from migrator.model.base import Value

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def plan_schema() -> dict[str, Any]:
    """Give the schema of a `Plan` as we write it."""
    return _schema(plan.Plan, f"Plan of a migration, version {plan.SCHEMA}", "serialization")


def facts_schema() -> dict[str, Any]:
    """Give the schema of a `NodeFacts` as we read it."""
    return _schema(facts.NodeFacts, f"Facts of a node, version {facts.SCHEMA}", "validation")


def verdict_schema() -> dict[str, Any]:
    """Give the schema of a `Verification` as we write it: what `migrator verify -o json` prints."""
    return _schema(verification.Verification, f"Verdicts of nodes, version {verification.SCHEMA}", "serialization")


def _schema(model: type[Value], title: str, mode: Literal["serialization", "validation"]) -> dict[str, Any]:
    schema = model.model_json_schema(mode=mode)
    documented = _documented()
    for name, definition in [(model.__name__, schema), *schema.get("$defs", {}).items()]:
        for key, words in documented.get(name, {}).items():
            definition.get("properties", {}).get(key, {}).setdefault("description", words)
    return {"$schema": DIALECT, **schema, "title": title}


def _documented() -> dict[str, dict[str, str]]:
    """Read what stands below each field of each model, by class and field.

    pydantic could collect it too (`use_attribute_docstrings`), at every start of every command.
    """
    found: dict[str, dict[str, str]] = {}
    for module in (facts, fate, plan, evidence, verification):
        for entry in _body(module):
            if isinstance(entry, ast.ClassDef):
                bases = [found.get(base.id, {}) for base in entry.bases if isinstance(base, ast.Name)]
                found[entry.name] = dict(ChainMap(_fields(entry), *bases))
    return found


def _body(module: ModuleType) -> list[ast.stmt]:
    return ast.parse(inspect.getsource(module)).body


def _fields(model: ast.ClassDef) -> dict[str, str]:
    found = {}
    for field, below in pairwise(model.body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
            words = ast.literal_eval(below.value)
            found[field.target.id] = inspect.cleandoc(words)
    return found
