"""One class for each exit code. A message names the node, the operation, the cause and what to do."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar


class MigratorError(Exception):
    """An expected failure: shown as one paragraph, never as a traceback."""

    exit_code: ClassVar[int] = 1
    verdict: ClassVar[bool] = False
    """Whether it says something about the node: nothing else undoes a switch (ADR 22)."""


class UsageError(MigratorError):
    """The command line makes no sense."""

    exit_code = 64


class InventoryError(MigratorError):
    """The inventory or a `migrator_*` setting in it is missing or wrong."""

    exit_code = 10


class TranslationError(MigratorError):
    """A configuration that was given to be translated is not what it has to be."""

    exit_code = 10


class ClusterError(MigratorError):
    """The API server could not be asked, or refused."""

    exit_code = 11


class NotFoundError(ClusterError):
    """The API server knows no such object."""


class RefusedError(ClusterError):
    """The API server understood what was asked and does not allow it: soon asking again changes nothing."""


class UnknownUserError(ClusterError):
    """The API server does not know who asks (401): credentials have expired, and somebody may renew them."""


class PlanRefusedError(MigratorError):
    """A node cannot be planned or may not be migrated as it is; nothing was changed."""

    exit_code = 12


class StepFailedError(MigratorError):
    """A step of the migration failed; the message says in which state the node is now."""

    exit_code = 13
    verdict = True


class UnaskedError(MigratorError):
    """Nothing can be said of the node: it, its runtime or the API server could not be asked."""

    exit_code = 13


class StoppedError(MigratorError):
    """The user wanted an end, and the node was left between two steps; the message says in which state."""

    exit_code = 130


class StalePlanError(MigratorError):
    """The node is not any more what the plan was made from; nothing was changed."""

    exit_code = 14
    verdict = True


class LockedError(MigratorError):
    """Another run changes nodes of this cluster; nothing was changed."""

    exit_code = 15


class HostUnreachableError(MigratorError):
    """The connection to a host was lost, or nobody there answered in time."""

    exit_code = 13


class HostProblemError(HostUnreachableError):
    """A host answered that what was asked there could not be done."""


class BusyError(HostUnreachableError):
    """Somebody else is at work on a host, and was waited for."""


class NoImageError(HostProblemError):
    """The image store of a host's runtime did not take the probe's image; the message has its reason."""


class Fault(StrEnum):
    """What is the matter when a runtime does not do what it was asked over CRI."""

    ABSENT = "absent"
    """Nobody can be asked: no socket, nobody who listens on it, no permission, or it is only starting."""
    DISABLED = "disabled"
    """Somebody answers, who does not speak CRI, or no version of it that we speak."""
    HUNG = "hung"
    """No answer came in time; what was asked may still happen."""
    LOST = "lost"
    """The connection ended before the answer came; what was asked may have happened."""
    REFUSED = "refused"
    """The runtime answered that it cannot or will not."""
    MISSING = "missing"
    """The runtime has no such object."""


class CriError(MigratorError):
    """A container runtime could not be asked over CRI, or refused; the message says why and what to do."""

    exit_code = 13

    def __init__(self, message: str, fault: Fault = Fault.REFUSED) -> None:
        super().__init__(message)
        self.fault = fault

    @property
    def fatal(self) -> bool:
        """Whether asking further is vain: the runtime is gone, or each question would wait for its whole deadline."""
        return self.fault in {Fault.ABSENT, Fault.DISABLED, Fault.HUNG, Fault.LOST}


class UnprovenError(MigratorError):
    """A node does not do what a node must; the verdict was printed."""

    exit_code = 16
