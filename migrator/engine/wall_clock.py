"""Real time."""

from __future__ import annotations

import time
from collections.abc import Callable

_SLICE = 0.2
"""Seconds after which a sleeper looks whether the user can wait no more."""


class WallClock:
    """Real time; `hurried` makes whoever sleeps wake up, once, by a `KeyboardInterrupt`."""

    def __init__(self, hurried: Callable[[], bool] = lambda: False) -> None:
        self._hurried = hurried

    def now(self) -> float:
        """Seconds on a clock that never goes back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        end = time.monotonic() + seconds
        while True:
            if self._hurried():
                self._hurried = lambda: False  # what cleans up waits too, and must not be woken up again
                raise KeyboardInterrupt
            left = end - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, _SLICE))
