"""Time that passes only when somebody sleeps."""

from __future__ import annotations

from collections.abc import Callable


class FakeClock:
    """Counts seconds; runs `on_sleep` at each sleep, so that a test's world can move on meanwhile."""

    def __init__(self, on_sleep: Callable[[float], None] = lambda _: None) -> None:
        """Start at zero."""
        self.time = 0.0
        self._on_sleep = on_sleep

    def now(self) -> float:
        """Give the seconds slept so far."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.time += seconds
        self._on_sleep(self.time)
