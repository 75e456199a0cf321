"""One host as it was seen once, with what is asked for it: what a plan is made from, live or recorded."""

from __future__ import annotations

from migrator.model.base import Value
from migrator.model.facts import SCHEMA, NodeFacts
from migrator.model.host_settings import HostSettings


class Observation(Value):
    """A host of the inventory: its facts, or why there are none."""

    schema_version: int = SCHEMA
    host: str
    """Its name in the inventory."""
    target: HostSettings
    facts: NodeFacts | None = None
    problem: str = ""
    """Why there are no facts, for a person."""
    observed_at: float = 0.0
    """When the facts arrived, in seconds since the epoch by the clock of the machine that asked."""

    @property
    def node(self) -> str:
        """Its name in the cluster."""
        return self.target.node_name or self.host
