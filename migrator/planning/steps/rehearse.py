"""Prove the new configuration in an instance of its own."""

from __future__ import annotations

from migrator.model.plan import MigrationPlan
from migrator.planning import cni
from migrator.planning.inputs import NodeInputs
from migrator.planning.skip_reasons import already_done, proof_unwanted
from migrator.planning.step_protocol import Decision


def decide(now: NodeInputs, plan: MigrationPlan) -> Decision:
    """Prove the configuration before the node is taken out of service."""
    if done := already_done(now) or proof_unwanted(now):
        return done
    if not cni.rehearsable(now.facts):
        plugins = ", ".join(now.facts.cni.plugins)
        return (False, f"the network ({plugins}) serves only the API server's pods, and nothing for another is there")
    return True, f"a private instance of {plan.target} with this configuration runs our probe, and goes again"
