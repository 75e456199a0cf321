"""What happens to a node during a run, as everybody who listens hears it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """Something that happened to a node during a migration."""

    node: str
    step: str
    kind: str
    """"start", "progress", "changed", "skipped", "failed", "undone"."""
    message: str = ""
    seconds: float = 0.0
    run: str = ""
    """The id of the run that it belongs to (`model.run_id`)."""
