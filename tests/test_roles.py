"""The roles keep to the house style."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import yaml

from migrator import data_files

ROLES = sorted(path for path in data_files.folder("roles").iterdir() if path.is_dir())
PLAYBOOKS = sorted(data_files.folder("playbooks").glob("*.yml"))
NODE_SIDE = sorted(data_files.folder("roles").rglob("*.py"))


def read(path: Path) -> dict:
    """Read a YAML file that may not exist."""
    return (yaml.safe_load(path.read_text()) or {}) if path.exists() else {}


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_inputs_are_declared_once(role: Path) -> None:
    """Defaults and argument specs name the same variables with the same values, all with the role's prefix."""
    options = read(role / "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    declared = {name: option["default"] for name, option in options.items() if "default" in option}

    assert read(role / "defaults/main.yml") == declared
    assert all(name.startswith(f"{role.name}_") for name in options)


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda path: path.stem)
def test_playbooks_are_lists_of_roles(playbook: Path) -> None:
    """Logic lives in roles."""
    (play,) = yaml.safe_load(playbook.read_text())

    assert set(play) == {"name", "hosts", "gather_facts", "become", "any_errors_fatal", "roles"}


@pytest.mark.parametrize("path", NODE_SIDE, ids=lambda path: path.stem)
def test_node_side_python_is_old_enough(path: Path) -> None:
    """Nodes may have Python 3.6 and nothing but its standard library."""
    ast.parse(path.read_text(), feature_version=(3, 6))
