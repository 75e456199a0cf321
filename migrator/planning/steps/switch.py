"""Give the node its new runtime, in one transaction."""

from __future__ import annotations

from migrator.model.plan import MigrationPlan
from migrator.planning.inputs import NodeInputs
from migrator.planning.skip_reasons import already_done
from migrator.planning.step_protocol import Decision


def decide(now: NodeInputs, plan: MigrationPlan) -> Decision:
    """The transaction on the node."""
    if done := already_done(now):
        return done
    containers = [entry for entry in (now.facts.docker.containers if now.facts.docker else ()) if entry.pod_uid]
    return True, f"removes {len(containers)} Docker containers of Kubernetes, writes {len(plan.files)} files"
