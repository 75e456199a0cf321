"""Where a node stands in a run, as an annotation of the Node: for whoever looks from elsewhere, or afterwards."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from migrator import log_context
from migrator.errors import ClusterError
from migrator.model.kubernetes import PROGRESS

if TYPE_CHECKING:
    from migrator.cluster import Cluster
    from migrator.model.event import Event

_log = logging.getLogger(__name__)

_TOLD = {"start": "at {}", "failed": "failed at {}", "undone": "{} is taken back"}
"""How each kind of event is written down, with its step; the others say nothing new."""


class ProgressAnnotation:
    """One node's annotation. Each time it is asked for once only: an API server that is away costs one time-out."""

    def __init__(
        self, cluster: Cluster, node: str, run: str, moment: Callable[[], datetime] = lambda: datetime.now(tz=UTC)
    ) -> None:
        self._cluster = cluster
        self._node = node
        self._run = run
        self._moment = moment
        self._failed = ""

    def event(self, event: Event) -> None:
        """Write down what begins, fails or is taken back, and when. What failed first stays to be read."""
        if event.kind not in _TOLD:
            return
        told = _TOLD[event.kind].format(event.step)
        if event.kind == "failed" and not self._failed:
            self._failed = told
        elif self._failed:
            told = f"{self._failed}; {told}"
        self._write(f"{told} ({self._moment():%Y-%m-%dT%H:%M:%SZ}, run {self._run})")

    def over(self) -> None:
        """Remove it: the run has ended as somebody wanted it."""
        self._write(None)

    def _write(self, text: str | None) -> None:
        with log_context.swallowed(_log, f"note {text!r} on the Node", ClusterError):
            self._cluster.annotate(self._node, PROGRESS, text)
