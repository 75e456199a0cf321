"""One class for each exit code. A message names the node, the operation, the cause and what to do."""

from __future__ import annotations

from typing import ClassVar


class MigratorError(Exception):
    """An expected failure: shown as one paragraph, never as a traceback."""

    exit_code: ClassVar[int] = 1


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


class PlanRefusedError(MigratorError):
    """A node cannot be planned or may not be migrated as it is; nothing was changed."""

    exit_code = 12


class StepFailedError(MigratorError):
    """A step of the migration failed; the message says in which state the node is now."""

    exit_code = 13


class StalePlanError(MigratorError):
    """The node is not any more what the plan was made from; nothing was changed."""

    exit_code = 14
