"""No healthy node is accused: the same nodes again and again, on Docker and on containerd.

With what the other files here prove of healthy nodes, more than twenty sessions.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.field.sessions import healthy, migrate
from tests.lab.conftest import Lab
from tests.lab.sides import WORKERS, each

TIMES = 3
"""For each node on each runtime."""


@pytest.fixture(scope="module")
def migrated(fresh_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Give the lab on containerd."""
    folder = tmp_path_factory.mktemp("inventory")
    for node in WORKERS:
        migrate(fresh_lab, node, folder)
    return fresh_lab


@pytest.mark.parametrize("time", range(TIMES))
def test_on_docker(fresh_lab: Lab, time: int) -> None:
    """Every check that can be judged passes."""
    del time
    each(lambda node: healthy(fresh_lab, node))


@pytest.mark.parametrize("time", range(TIMES))
def test_on_containerd(migrated: Lab, time: int, tmp_path: Path) -> None:
    """Likewise, and nothing changes from one session to the next."""
    del time
    each(lambda node: healthy(migrated, node, "--save", tmp_path))
    each(lambda node: healthy(migrated, node, "--baseline", tmp_path / f"{node}.json"))
