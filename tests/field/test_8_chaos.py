"""Transactions cut short by SIGKILL before and after each line of their journal, and by a power cut: wholly old, or new.

What came of each is printed as a row of a table. Part of `make chaos`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future

import pytest

from tests.field.conftest import Tell
from tests.lab.chaos import RUNS, Ended, cut_short, expected
from tests.lab.conftest import Lab


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, fresh_lab: Lab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Future[Ended]]]:
    """Do those that were asked for."""
    selected = [item for item in request.session.items if item.path == request.path]
    names = [item.callspec.params["name"] for item in selected if isinstance(item, pytest.Function)]
    with cut_short(names, fresh_lab, tmp_path_factory.mktemp("plans")) as futures:
        yield futures


@pytest.mark.parametrize("name", RUNS)
def test_wholly_old_or_wholly_new(name: str, outcomes: Mapping[str, Future[Ended]], row: Tell) -> None:
    """What was cut short goes back; what was written down as done before it was cut stays done."""
    ended = outcomes[name].result()

    row(ended)
    assert ended.outcome == expected(name)
