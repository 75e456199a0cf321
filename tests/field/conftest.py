"""What takes hours on emulated guests: run by `make field`, before a release, never by `make test`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.lab.conftest import fresh_lab, lab

__all__ = ["fresh_lab", "lab"]

Tell = Callable[[object], None]
_ROW = "row"


@pytest.fixture
def row(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Tell:
    """Give what tells what came of a test, at once and again in a table at the end of all."""
    name = request.node.callspec.id

    def tell(outcome: object) -> None:
        print(f"{name} | {outcome}")
        record_property(_ROW, f"{name} | {outcome}")

    return tell


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the rows of all tests that told one, and each of their failures: the table is not to be read without."""
    rows = [
        f"{dict(report.user_properties).get(_ROW, report.nodeid)}{' | FAILED' if report.failed else ''}"
        for outcome in ("passed", "failed", "error")
        for report in terminalreporter.getreports(outcome)
        if _ROW in dict(report.user_properties) or report.failed
    ]
    if rows:
        terminalreporter.section("what came of each")
        for each in rows:
            terminalreporter.write_line(each)
