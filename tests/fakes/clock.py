"""Time that passes only when somebody sleeps."""

from __future__ import annotations

import heapq
import threading
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


class SharedClock:
    """Time for several threads: it passes when all of them sleep, up to where the first of them wakes up."""

    def __init__(self, threads: int) -> None:
        """Start at zero, with so many threads at work."""
        self.time = 0.0
        self._awake = threads
        self._sleepers: list[float] = []
        self._changed = threading.Condition()

    def now(self) -> float:
        """Give the seconds that have passed."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Let the others work until so much time has passed."""
        with self._changed:
            until = self.time + seconds
            heapq.heappush(self._sleepers, until)
            self._pass(-1)
            self._changed.wait_for(lambda: self.time >= until)

    def leave(self) -> None:
        """Say that a thread has ended."""
        with self._changed:
            self._pass(-1)

    def _pass(self, more: int) -> None:
        self._awake += more
        if self._awake or not self._sleepers:
            return
        self.time = self._sleepers[0]
        while self._sleepers and self._sleepers[0] <= self.time:
            heapq.heappop(self._sleepers)
            self._awake += 1
        self._changed.notify_all()
