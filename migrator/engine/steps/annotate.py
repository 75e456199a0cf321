"""Tell kubeadm where the runtime's socket is."""

from __future__ import annotations

from migrator.engine import polling
from migrator.engine.context import StepContext
from migrator.model.kubernetes import CRI_SOCKET


def act(run: StepContext) -> str:
    """Tell kubeadm where the runtime's socket is."""
    polling.retry_on_api_error(run, lambda: run.cluster.annotate(run.plan.node, CRI_SOCKET, run.plan.endpoint))
    return run.plan.endpoint


def undo(run: StepContext) -> str:
    """Put the annotation back as it was."""
    polling.retry_on_api_error(run, lambda: run.cluster.annotate(run.plan.node, CRI_SOCKET, run.plan.socket_annotation))
    return run.plan.socket_annotation or "removed"
