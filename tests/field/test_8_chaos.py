"""Transactions cut short by SIGKILL before and after each line of their journal, and by a power cut: wholly old, or new.

Both nodes are worked on side by side; what came of each is printed as a table.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future

import pytest

from tests.field.sessions import WORKERS, side_by_side
from tests.lab.conftest import Lab
from tests.lab.transactions import Cut, Subject, back, forth

FORTH = (
    "stop the kubelet", "remove Kubernetes' Docker containers", "removed", "write files", "saved", "made folder",
    "start containerd", "start the kubelet", "done",
)  # fmt: skip
BACK = (
    "stop the kubelet", "remove Kubernetes' containerd containers", "put files back", "restart containerd",
    "start Docker", "start the kubelet on Docker", "undone",
)  # fmt: skip
Run = Callable[[Subject, Cut], tuple[str, str]]
RUNS: Mapping[str, tuple[Run, Cut]] = {
    f"{run.__name__}: {cut}": (run, cut)
    for run, actions in ((forth, FORTH), (back, BACK))
    for how, moment in (("kill", "before"), ("kill", "after"), ("power", "after"))
    for action in actions
    for cut in (Cut(how, moment, action),)
}


@pytest.fixture(scope="module")
def outcomes(
    fresh_lab: Lab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Future[tuple[str, str, float]]]]:
    """Do all of them, every second one on the other node."""
    folder = tmp_path_factory.mktemp("plans")
    subjects = {node: Subject(fresh_lab, node, folder) for node in WORKERS}

    def do(subject: Subject, run: Run, cut: Cut) -> tuple[str, str, float]:
        started = time.monotonic()
        outcome, cause = run(subject, cut)
        return outcome, cause, time.monotonic() - started

    with side_by_side() as pools:
        yield {
            name: pools[node].submit(do, subjects[node], run, cut)
            for number, (name, (run, cut)) in enumerate(RUNS.items())
            for node in (WORKERS[number % 2],)
        }


@pytest.mark.parametrize("name", RUNS)
def test_wholly_old_or_wholly_new(name: str, outcomes: Mapping[str, Future[tuple[str, str, float]]]) -> None:
    """What was cut short goes back; what was written down as done before it was cut stays done."""
    run, cut = RUNS[name]

    outcome, cause, seconds = outcomes[name].result()

    print(f"{name} | {outcome} | {cause} | {seconds:.0f} s")
    through = run is forth and (cut.action, cut.moment) == ("done", "after")
    assert outcome == ("switched" if through else "rolled-back" if run is forth else "restored")
