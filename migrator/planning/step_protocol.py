"""What planning knows of a step; what a step does belongs to the engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from migrator.model.plan import Phase
from migrator.planning.inputs import NodeInputs

Decision = tuple[bool, str]
"""Whether the step is needed, and why or why not."""
Decide = Callable[[NodeInputs, Any], Decision]
"""Its plan is of the kind that the step belongs to: a migration's, a rollback's, a cleanup's or a reboot's."""


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
