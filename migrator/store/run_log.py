"""What is kept of a run on the machine that it was started on: facts, plan, events, what probes saw, and metrics.

A folder of its own for each run, for its owner alone. Once it is there, nothing that goes wrong with it ends a run.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from migrator.errors import InventoryError, UsageError
from migrator.store import debug_log, fact_store, private_files
from migrator.store.metrics_file import MetricsFile

if TYPE_CHECKING:
    from migrator.model.event import Event
    from migrator.model.evidence import Evidence
    from migrator.model.kubernetes import ClusterFacts
    from migrator.model.observation import Observation
    from migrator.model.plan import Plan

_FACTS = "facts"
_UNKEPT = (InventoryError, ValueError)
"""The folder cannot be written, or pydantic refuses half a sign, which a node may have in any name."""
_ENDS = {"changed": "done", "skipped": "skipped", "failed": "failed", "undone": "undone"}


def default_folder() -> Path:
    """Give the folder of all runs: below the user's state (XDG Base Directory Specification 0.8)."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "migrator" / "runs"


@contextmanager
def logs_alone(runs: Path | None, run: str) -> Iterator[None]:
    """Write both logs in a new folder of that run's; where it cannot be made, or is there already, nothing is kept."""
    try:
        folder = (runs or default_folder()) / run
        private_files.new_folder(folder)
    except (OSError, RuntimeError):  # the latter where nobody knows the user's home
        yield
        return
    with debug_log.kept(folder):
        yield


class RunLog:
    """The folder of one run."""

    def __init__(self, runs: Path, plan: Plan, run: str) -> None:
        """Make the folder of the run of that id. Raises `UsageError` when it cannot: nothing was changed yet."""
        self.folder = runs / run
        self._alone = threading.Lock()
        """Held while an event is added: several nodes tell theirs at once."""
        try:
            private_files.new_folder(self.folder)
            self._write("plan.json", plan.model_dump_json(indent=1) + "\n")
        except OSError as error:
            raise UsageError(f"--runs {runs}: the run's folder cannot be written: {error.strerror}") from error
        self._metrics = MetricsFile(self.folder / "metrics.prom")
        self._logs = ExitStack()
        self._logs.enter_context(debug_log.kept(self.folder))

    def close(self) -> None:
        """Write what was told last."""
        self._metrics.close()
        self._logs.close()

    def around(self, cluster: ClusterFacts) -> None:
        """Keep what the API server said, in the form that `migrator plan --facts` reads."""
        with suppress(*_UNKEPT):
            fact_store.save_cluster(self.folder / _FACTS, cluster)

    def facts(self, observations: Iterable[Observation]) -> None:
        """Keep what hosts were when they were begun."""
        with suppress(*_UNKEPT):
            fact_store.save_hosts(self.folder / _FACTS, observations)

    def event(self, event: Event) -> None:
        """Add an event, with the time by this machine's clock; the metrics follow."""
        line = json.dumps({"at": datetime.now(tz=UTC).isoformat(timespec="milliseconds"), **asdict(event)})
        with self._alone, suppress(OSError):
            private_files.append(self.folder / "events.jsonl", line + "\n")
        if event.kind in _ENDS:
            self._metrics.note(event.node, event.step, _ENDS[event.kind], event.seconds)

    def evidence(self, node: str, seen: Mapping[str, Evidence]) -> None:
        """Keep what probes saw of a node, by the id of the step."""
        for name, found in seen.items():
            with suppress(OSError):
                # Not pydantic's own JSON, which refuses half a sign: a node may have one in any name.
                self._write(f"{quote(node, safe='')}-{name}.json", json.dumps(found.model_dump(mode="json"), indent=1))

    def _write(self, name: str, text: str) -> None:
        """Write a file in one step, so that nobody sees half of it."""
        private_files.write(self.folder / name, text)
