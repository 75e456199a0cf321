"""Tell kubeadm where the runtime's socket is."""

from __future__ import annotations

from migrator.engine import polling
from migrator.engine.context import StepContext
from migrator.model.kubernetes import CRI_SOCKET


def act(run: StepContext) -> str:
    """Tell kubeadm where the runtime's socket is."""
    return _annotate(run, run.migration.endpoint)


def undo(run: StepContext) -> str:
    """Put the annotation back as it was."""
    return _annotate(run, run.migration.socket_annotation)


def act_back(run: StepContext) -> str:
    """Give the annotation the value that it had before the migration."""
    return _annotate(run, run.rollback.annotation_before)


def undo_back(run: StepContext) -> str:
    """Leave the annotation as the rollback found it."""
    return _annotate(run, run.rollback.annotation or None)


def _annotate(run: StepContext, value: str | None) -> str:
    polling.retry_on_api_error(run, lambda: run.cluster.annotate(run.plan.node, CRI_SOCKET, value))
    return value or "removed"
