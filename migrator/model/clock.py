"""Time, as those that wait see it."""

from __future__ import annotations

import math
from typing import Protocol

EVERY = 1.0
"""Seconds between two looks at what somebody waits for, as a rule."""
_SELDOM = 5.0
_MINUTE = 60.0


def pace(quiet: float, every: float = EVERY) -> float:
    """Give the seconds until the next look, after `quiet` seconds in which nothing has changed.

    So many as `every` says in the first minute; then two, and another one with each minute, five at most. What ends is
    seen by a thirtieth of that time later at most, and an API server is asked a fifth as often by those whom something
    holds up for long.
    """
    return every if quiet <= _MINUTE else max(every, min(math.ceil(quiet / _MINUTE), _SELDOM))


class Clock(Protocol):
    """Time, so that tests need not wait."""

    def now(self) -> float:
        """Seconds on a clock that never goes back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...
