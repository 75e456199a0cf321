"""Whether a rollout shall end: what the user wants, and whether the lock is still ours."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from migrator import log_context
from migrator.errors import ClusterError, LockedError

if TYPE_CHECKING:
    from migrator.rollout.lock import Lock
    from migrator.rollout.signals import StopSignals

_log = logging.getLogger(__name__)


class StopConditions:
    """Finds out whether a rollout shall end, and says what happens then. Asked by all of its threads."""

    def __init__(
        self, alone: Lock, interruption: StopSignals, working: Collection[str], say: Callable[[str], None]
    ) -> None:
        """Take the lock, what the user wants, the nodes in work, and who is told."""
        self._alone = alone
        self._interruption = interruption
        self._working = working
        self._say = say
        self._told = False
        self.lost: LockedError | None = None
        """Where somebody else has taken the lock over."""

    def hurried(self) -> bool:
        """Tell whether the user cannot wait."""
        return self._interruption.now

    def stopping(self) -> str:
        """Say why no other node shall be begun, and none that serves taken out of service; "" for no reason."""
        if self._interruption.asked:
            working = ", ".join(sorted(self._working))
            if working and not self._told and not self._interruption.now:
                self._told = True
                self._say(f"finishes {working}, or stops before its window; Ctrl-C once more puts back what is in work")
            return "interrupted"
        with log_context.swallowed(_log, "ask whether the lock is still ours", ClusterError):
            self.heard()
        return str(self.lost) if self.lost else ""

    def heard(self) -> None:
        """Raise `ClusterError` while nobody knows whether the lock is still ours."""
        try:
            self._alone.check()
        except LockedError as error:
            self.lost = error
