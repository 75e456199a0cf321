"""What the user wants of work under way. Signals set flags here and do nothing else: threads look at them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopSignals:
    """Ctrl-C once, or a terminal that is gone: finish and stop. Ctrl-C then, or a termination: put back what is begun.

    A lost SSH session (SIGHUP) is nobody's wish to put anything back.
    """

    def __init__(self) -> None:
        self.asked = False
        """Whether no other work shall be begun."""
        self.now = False
        """Whether work under way shall be put back."""

    def signalled(self, number: int, _: FrameType | None = None) -> None:
        """Note a signal."""
        again = self.asked and number == signal.SIGINT
        self.now = self.now or again or number == signal.SIGTERM
        self.asked = True

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take the signals for the `with` block, in the main thread."""
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        # `nohup` has the last one ignored, and so it stays.
        heard = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self.signalled) for number in heard}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
