"""Tell kubeadm where the runtime's socket is."""

from __future__ import annotations

from migrator.engine import polling
from migrator.engine.context import StepContext
from migrator.model.kubernetes import CRI_SOCKET


def act(run: StepContext) -> str:
    """Tell kubeadm where the runtime's socket is."""
    _annotate(run, run.migration.endpoint)
    return run.migration.endpoint


def undo(run: StepContext) -> str:
    """Put the annotation back as it was."""
    _annotate(run, run.migration.socket_annotation)
    return run.migration.socket_annotation or "removed"


def act_back(run: StepContext) -> str:
    """Give the annotation the value that it had before the migration."""
    _annotate(run, run.rollback.annotation_before)
    return run.rollback.annotation_before or "removed"


def undo_back(run: StepContext) -> str:
    """Leave the annotation as the rollback found it."""
    _annotate(run, run.rollback.annotation or None)
    return run.rollback.annotation or "removed"


def _annotate(run: StepContext, value: str | None) -> None:
    polling.retry_on_api_error(run, lambda: run.cluster.annotate(run.plan.node, CRI_SOCKET, value))
