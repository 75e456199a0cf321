"""Transactions cut short at each line of their journal, on both nodes side by side; all, or some."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from tests.lab.conftest import Lab
from tests.lab.sides import WORKERS, side_by_side
from tests.lab.transactions import Cut, Subject, back, forth

FORTH = (
    "stop the kubelet", "remove Kubernetes' Docker containers", "removed", "write files", "saved", "made folder",
    "start containerd", "start the kubelet", "done",
)  # fmt: skip
BACK = (
    "stop the kubelet", "remove Kubernetes' containerd containers", "put files back", "restart containerd",
    "start Docker", "start the kubelet on Docker", "undone",
)  # fmt: skip
ONE_ALONE = "made folder"
"""A line that only the first node's journal has: the second one's files need no new folder."""
Run = Callable[[Subject, Cut], tuple[str, str]]
MANNERS = (("kill", "before"), ("kill", "after"), ("power", "before"), ("power", "after"))
"""Before a line, what was done since the last one is not on disk yet; after it, what it says is not begun."""
EVERY = Cut("kill", "around", "every line")
RUNS: Mapping[str, tuple[Run, Cut]] = {
    f"{run.__name__}: {cut}": (run, cut)
    for run, actions in ((forth, FORTH), (back, BACK))
    for cut in (EVERY, *(Cut(how, moment, action) for how, moment in MANNERS for action in actions))
}
SOME = (
    f"forth: {EVERY}",
    f"back: {EVERY}",
    "forth: power before write files",
    "forth: kill after removed",
    "forth: power after start the kubelet",
    "back: kill before put files back",
)
"""What the suite has time for. The first two are killed two dozen times."""


@dataclass(frozen=True)
class Ended:
    """What came of a transaction that was cut short."""

    outcome: str
    cause: str
    seconds: float

    def __str__(self) -> str:
        """Give the cells of a table's row."""
        return f"{self.outcome} | {self.cause} | {self.seconds:.0f} s"


@contextmanager
def cut_short(names: Iterable[str], lab: Lab, folder: Path) -> Iterator[Mapping[str, Future[Ended]]]:
    """Do these, in turn on each of the nodes. Their images are carried over first, as an `apply` would have done.

    The nodes are empty meanwhile: each would start its pods again and again, and they have nowhere to go.
    """
    subjects = [Subject(lab, node, folder, alone=False) for node in WORKERS]
    for subject in subjects:
        subject.stage()
    for subject in subjects:
        subject.vacate()

    def do(subject: Subject, name: str) -> Ended:
        run, cut = RUNS[name]
        started = time.monotonic()
        return Ended(*run(subject, cut), time.monotonic() - started)

    turns = cycle(subjects)
    whose = {name: subjects[0] if RUNS[name][1].action == ONE_ALONE else next(turns) for name in names}
    with side_by_side() as pools:
        yield {name: pools[subject.node].submit(do, subject, name) for name, subject in whose.items()}
    for subject in subjects:
        lab.kubectl("uncordon", subject.node)


def expected(name: str) -> str:
    """Say what must come of one: what was cut short goes back.

    What was written down as done before stays done, and what was not begun yet is begun anew, but not after a reboot.
    """
    run, cut = RUNS[name]
    unbegun = (cut.how, cut.moment, cut.action) == ("kill", "before", FORTH[0])
    through = run is forth and (unbegun or (cut.moment, cut.action) == ("after", "done"))
    return "switched" if through else "rolled-back" if run is forth else "restored"
