"""Have the new runtime read its configuration and get the images, while the node serves."""

from __future__ import annotations

from migrator.model.plan import MigrationPlan
from migrator.planning.inputs import NodeInputs
from migrator.planning.skip_reasons import already_done, installed
from migrator.planning.step_protocol import Decision


def decide(now: NodeInputs, plan: MigrationPlan) -> Decision:
    """Validate and carry over while the node still serves."""
    if done := already_done(now):
        return done
    name = now.runtime.name
    count = len(plan.images)
    brings = (
        f"pulls those of {count} images that their registries have, and carries the others over"
        if now.target.image_source == "registry"
        else f"carries {count} images over"
    )
    return True, f"{name} {installed(now)} reads the new configuration; {brings}"
