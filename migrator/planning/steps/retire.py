"""Stop Docker where nothing uses it any more."""

from __future__ import annotations

from migrator.model.plan import NodePlan
from migrator.planning.checks.docker_users import needing_docker, reaches
from migrator.planning.inputs import NodeInputs
from migrator.planning.skip_reasons import already_given_back
from migrator.planning.step_protocol import Decision


def decide(now: NodeInputs, _: NodePlan) -> Decision:
    """Stop Docker where nothing uses it any more."""
    if done := already_given_back(now):
        return done
    foreign = [entry for entry in (now.facts.docker.containers if now.facts.docker else ()) if not entry.pod_uid]
    if foreign:
        return False, f"Docker stays running for {', '.join(sorted(entry.name for entry in foreign))}"
    root = now.facts.docker.root if now.facts.docker else ""
    if any(reaches(path, root) for pod in now.alive for path in pod.host_paths):
        return False, "Docker stays running for pods that can reach its socket"
    if needing := needing_docker(now):
        return False, f"Docker stays running for {', '.join(needing)}"
    return True, "nothing uses Docker any more; its packages and data stay"
