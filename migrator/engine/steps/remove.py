"""Remove Docker."""

from __future__ import annotations

from migrator.engine.context import StepContext
from migrator.engine.playbooks import answer, play, request
from migrator.model import node_requests
from migrator.model.docker_removal import Removal
from migrator.model.node_answers import Told

TASK = "Look at or remove what is left of Docker"


def act(run: StepContext) -> str:
    """Remove what the plan shows of Docker, and nothing else."""
    removal = run.cleanup.removal or Removal()
    results = play(run, request(node_requests.Cleanup, state="absent", expected=removal))
    for problem in answer(Told, results.get(TASK, {})).problems:
        run.progress(problem)
    return f"{len(removal.packages)} packages and {removal.bytes / 1e9:.1f} GB are gone"
