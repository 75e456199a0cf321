"""Stop Docker where nothing uses it any more."""

from __future__ import annotations

from migrator.engine.context import StepContext
from migrator.engine.playbooks import answer, play
from migrator.model import node_requests
from migrator.model.node_answers import Retired

TASK = "Stop Docker where nothing uses it"


def act(run: StepContext) -> str:
    """Stop Docker, keeping its packages and data; leave it running where somebody uses it by now."""
    kept = answer(Retired, play(run, node_requests.Retire()).get(TASK, {})).kept
    if kept:
        return f"Docker stays as it is: {'; '.join(kept)}"
    return "Docker is stopped and disabled; its packages and data stay"
