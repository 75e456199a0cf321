"""Limits that containers had by inheritance, from the daemon that they ran below."""

from __future__ import annotations

from migrator.model.facts import NodeFacts, UnitFacts
from migrator.nodeconf.settings import RuntimeSettings


def inherited(facts: NodeFacts, settings: RuntimeSettings, unit: UnitFacts) -> dict[str, str]:
    """Give the limits that containers had only because a daemon had them, where the new runtime's unit has others."""
    had = facts.docker.limits if facts.docker else {}
    return {
        name: limit
        for name, limit in had.items()
        if name not in settings.ulimits and unit.limits.get(name, limit) != limit
    }
