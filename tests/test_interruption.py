"""What signals mean while nodes are worked on."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from migrator.rollout.signals import StopSignals

INT, TERM, HUP = signal.SIGINT, signal.SIGTERM, signal.SIGHUP

# case: the signals in their order, and whether work under way shall be put back
CASES: dict[str, tuple[tuple[signal.Signals, ...], bool]] = {
    "Ctrl-C once": ((INT,), False),
    "Ctrl-C twice": ((INT, INT), True),
    "a termination": ((TERM,), True),
    "a terminal that is gone": ((HUP,), False),
    "a terminal that is gone twice": ((HUP, HUP), False),
    "Ctrl-C, then the terminal is gone": ((INT, HUP), False),
    "the terminal is gone, then a termination": ((HUP, TERM), True),
    "the terminal is gone, then somebody sends Ctrl-C's signal": ((HUP, INT), True),
}


@pytest.fixture
def _heard() -> Iterator[None]:
    """Have none of them ignored, as what `nohup` starts has."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (HUP, TERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_heard")
@pytest.mark.parametrize(("numbers", "now"), CASES.values(), ids=CASES)
def test_what_is_put_back(numbers: tuple[signal.Signals, ...], *, now: bool) -> None:
    """A lost SSH session is nobody's wish to undo anything: it lets nodes in their window be finished."""
    interruption = StopSignals()

    with interruption.listening():
        for number in numbers:
            os.kill(os.getpid(), number)

    assert (interruption.asked, interruption.now) == (True, now)


def test_nohup_stays_as_it_is() -> None:
    """Who has a signal ignored wants it so."""
    before = signal.signal(HUP, signal.SIG_IGN)
    try:
        interruption = StopSignals()
        with interruption.listening():
            os.kill(os.getpid(), HUP)
        assert not interruption.asked
        assert signal.getsignal(HUP) is signal.SIG_IGN
    finally:
        signal.signal(HUP, before)
