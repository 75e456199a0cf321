"""The metrics of a run, a file for Prometheus' node exporter: it is read every few seconds, and written no oftener."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from migrator.store import private_files

_EVERY = 1.0
"""Seconds between two writings: the file grows with the run, and a large one ends many steps in a second."""
_SHARE = 50
"""So many times as long as it took to write, nothing is written afterwards."""


class MetricsFile:
    """Written by a thread of its own, whole at any moment; what goes wrong with it ends nothing."""

    def __init__(self, path: Path) -> None:
        """Write nothing before something is noted."""
        self._path = path
        self._steps: dict[tuple[str, str], tuple[str, float]] = {}
        self._alone = threading.Lock()
        self._changed = threading.Event()
        self._ended = threading.Event()
        self._writer: threading.Thread | None = None

    def note(self, node: str, step: str, outcome: str, seconds: float) -> None:
        """Note how a step ended."""
        with self._alone:
            self._steps[node, step] = (outcome, seconds)
            if self._writer is None:
                self._writer = threading.Thread(target=self._write_now_and_then, name="metrics", daemon=True)
                with suppress(RuntimeError):  # no more threads: they are written at the end
                    self._writer.start()
        self._changed.set()

    def close(self) -> None:
        """Write what was noted last, and nothing more."""
        self._ended.set()
        self._changed.set()
        if self._writer is not None and self._writer.ident is not None:
            self._writer.join()
        self._write()

    def _write_now_and_then(self) -> None:
        while not self._ended.is_set():
            self._changed.wait()
            self._changed.clear()
            began = time.monotonic()
            self._write()
            self._ended.wait(max(_EVERY, _SHARE * (time.monotonic() - began)))

    def _write(self) -> None:
        with self._alone:
            steps = dict(self._steps)
        if steps:
            with suppress(OSError, ValueError):
                private_files.write(self._path, metrics(steps))


def metrics(steps: Mapping[tuple[str, str], tuple[str, float]]) -> str:
    """Give a text file for Prometheus' node exporter: how each step of each node ended, and its seconds."""
    ends = [f"migrator_step{{{_labels(*key)},outcome={_quoted(outcome)}}} 1" for key, (outcome, _) in steps.items()]
    seconds = [f"migrator_step_seconds{{{_labels(*key)}}} {taken:.3f}" for key, (_, taken) in steps.items()]
    lines = [
        "# HELP migrator_step How a step of a node ended: done, skipped, failed or undone.",
        "# TYPE migrator_step gauge",
        *ends,
        "# HELP migrator_step_seconds How long it took.",
        "# TYPE migrator_step_seconds gauge",
        *seconds,
    ]
    return "\n".join(lines) + "\n"


def _labels(node: str, step: str) -> str:
    return f"node={_quoted(node)},step={_quoted(step)}"


def _quoted(text: str) -> str:
    """Quote a label's value (Prometheus exposition format 0.0.4)."""
    return '"' + text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") + '"'
