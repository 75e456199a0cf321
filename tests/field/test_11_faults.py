"""Everything that goes wrong around a migration, on a real node: it ends on one runtime, and whoever asks is told where.

What came of each is printed as a row of a table. Part of `make chaos`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.field.conftest import Tell
from tests.lab.faults import (
    FAULTS,
    NODE,
    ONLY_GUESTS,
    again,
    completes,
    released,
    stuck_pod,
    succeeds,
    survives,
    webs,
    went_back,
)
from tests.lab.test_3_faults import inventory, subject
from tests.lab.transactions import Subject

__all__ = ["inventory", "subject"]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.guest if name in ONLY_GUESTS else ()) for name in FAULTS]
)
def test_it_ends_on_one_runtime(name: str, subject: Subject, inventory: Path, row: Tell) -> None:
    """With what ran there, where the run says it is; the same command again goes on from there."""
    row(survives(subject, inventory, FAULTS[name]))


def test_after_all_of_them_the_same_command_completes(subject: Subject, inventory: Path) -> None:
    """And what it has done can be taken back, also from under a pod that does not end."""
    lab = subject.lab
    completes(subject, inventory)
    lab.kubectl("-n", "shop", "scale", "deployment", "web", "--replicas=5")
    lab.until(lambda: bool(webs(lab)), f"a pod of web is on {NODE}")
    lab.all_available()
    stuck_pod(lab)
    try:
        done = again(lab, inventory, "rollback")
    finally:
        released(lab)

    succeeds(done)
    assert "did not end in time, and goes with the runtime" in done.stdout + done.stderr
    went_back(subject)
