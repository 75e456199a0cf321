"""A plugin of pytest: run only the tests that a file lists; without one, let each test run what others have cached.

A test whose answer came out of a cache runs no line of what is behind it: coverage would not know that it looks there.
"""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path

import pytest

LIST = "MUTANTS_CHOSEN"
"""Variable with the file: the id of a test, or the name of a file of tests, a line. Without it all tests run."""
FAILED = "MUTANTS_FAILED"
"""Variable with a file that gets the ids of tests that fail."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out all other tests."""
    if LIST not in os.environ:
        return
    chosen = set(Path(os.environ[LIST]).read_text(encoding="utf-8").splitlines())
    wanted = {item for item in items if {item.nodeid, item.nodeid.partition("::")[0]} & chosen}
    others = [item for item in items if item not in wanted]
    items[:] = [item for item in items if item in wanted]
    config.hook.pytest_deselected(items=others)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Forget what functions of ours have cached."""
    if LIST in os.environ:
        return
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] == "migrator":
            for cached in vars(module).values():
                if isinstance(cached, functools._lru_cache_wrapper):  # noqa: SLF001 - it has no other name
                    cached.cache_clear()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note a test that failed, where all reports come together."""
    if report.failed and FAILED in os.environ and "PYTEST_XDIST_WORKER" not in os.environ:
        with Path(os.environ[FAILED]).open("a", encoding="utf-8") as file:
            file.write(f"{report.nodeid}\n")
