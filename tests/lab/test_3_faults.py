"""Some of what goes wrong around a migration, on a real node; `make chaos` does the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.conftest import Lab
from tests.lab.faults import FAULTS, NODE, SOME, impatient, survives
from tests.lab.transactions import Subject


@pytest.fixture(scope="module")
def subject(fresh_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """Give a node as it is before."""
    return Subject(fresh_lab, NODE, tmp_path_factory.mktemp("plan"))


@pytest.fixture(scope="module")
def inventory(fresh_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give an inventory with little patience."""
    return impatient(fresh_lab, tmp_path_factory.mktemp("faults"))


@pytest.mark.parametrize("name", SOME)
def test_it_ends_on_one_runtime(name: str, subject: Subject, inventory: Path) -> None:
    """With what ran there, where the run says it is; the same command again goes on from there."""
    survives(subject, inventory, FAULTS[name])
