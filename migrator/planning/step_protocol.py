"""What planning knows of a step; what a step does belongs to the engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from migrator.model.plan import NodePlan, Phase
from migrator.planning.inputs import NodeInputs

Decision = tuple[bool, str]
"""Whether the step is needed, and why or why not."""
Decide = Callable[[NodeInputs, NodePlan], Decision]


class Planned(Protocol):
    """A step that can be planned."""

    @property
    def id(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def phase(self) -> Phase: ...
    @property
    def decide(self) -> Decide: ...
