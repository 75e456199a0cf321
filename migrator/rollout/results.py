"""What became of the nodes of a rollout."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from migrator.errors import LockedError, MigratorError, StepFailedError, StoppedError


class Ending(Enum):
    """What became of a node."""

    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"
    """The user did not want to wait for it."""


@dataclass(frozen=True)
class NodeResult:
    """A node that was begun, and how that ended."""

    node: str
    end: Ending
    message: str
    error: BaseException | None = None


@dataclass(frozen=True)
class RolloutResult:
    """A rollout that is over."""

    results: tuple[NodeResult, ...]
    """Of those that were begun, in the order in which they ended."""
    left: tuple[str, ...] = ()
    """The nodes that were not begun."""
    stopped: str = ""
    """Why not."""
    interrupted: bool = False
    lost: LockedError | None = None
    """Where somebody else has taken the lock over."""
    bug: Exception | None = None
    """What ended the rollout itself, where that was not meant to happen."""

    def of(self, end: Ending) -> tuple[NodeResult, ...]:
        """Give those that ended so."""
        return tuple(entry for entry in self.results if entry.end is end)

    @property
    def well(self) -> bool:
        """Whether all that was to be done is done."""
        return all(entry.end is Ending.DONE for entry in self.results) and not (
            self.bug or self.interrupted or self.lost or (self.left and self.stopped)
        )

    def check(self) -> None:
        """Raise, unless all is well: a bug as it is, the error of the one node that failed, or one about several."""
        if self.bug is not None:
            raise self.bug
        for entry in self.results:
            if not isinstance(entry.error, MigratorError | KeyboardInterrupt | None):
                raise entry.error
        failed = self.of(Ending.FAILED)
        if len(failed) == 1 and isinstance(failed[0].error, MigratorError):
            raise failed[0].error
        if failed:
            names = ", ".join(entry.node for entry in failed)
            raise StepFailedError(f"{len(failed)} of {len(self.results)} nodes failed: {names}")
        if self.interrupted:
            raise StoppedError("interrupted")
        if self.lost is not None:
            raise LockedError(f"{len(self.left)} nodes were not begun: {self.lost}")
        if self.left and self.stopped:
            raise StepFailedError(f"{len(self.left)} nodes were not begun: {self.stopped}")
