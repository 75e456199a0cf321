"""What the user wants of work under way. Signals set flags here and do nothing else: threads look at them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interruption:
    """Ctrl-C once: finish and stop. Twice, or a termination: put back what is in work."""

    def __init__(self) -> None:
        self.asked = False
        """Whether no other work shall be begun."""
        self.now = False
        """Whether work under way shall be put back."""

    def signalled(self, number: int, _: FrameType | None = None) -> None:
        """Note a signal."""
        self.now = self.now or self.asked or number != signal.SIGINT
        self.asked = True

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take the signals for the `with` block, in the main thread."""
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, self.signalled) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
