"""In what ways a service's files make it need other units, programs and files: systemd.unit(5), systemd.service(5)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from migrator.nodeconf.systemd import syntax
from migrator.nodeconf.systemd.unit import Unit

_STOPPED = frozenset(
    {"Requires", "Requisite", "BindsTo", "BindTo", "PartOf", "StopPropagatedFrom", "PropagatesStopFrom"}
)
"""Dependencies by which a service stops with another unit, or does not start without it. `BindTo` is an old name."""
_STARTED = frozenset({"Wants", "Upholds"})
"""Dependencies by which it starts the other one."""
_BEFORE = frozenset({"ExecStart", "ExecCondition", "ExecStartPre", "ExecStartPost"})
"""Commands whose failure keeps a service from running."""
_AFTER = frozenset({"ExecReload", "ExecStop", "ExecStopPost"})
_TESTED = re.compile(r"(Condition|Assert)[A-Z]\w+")
_PREFIXES = "@-:+!|"


class Effect(Enum):
    """What comes of it when the other thing is gone."""

    STOPS = "does not run without it"
    STARTS = "starts it"
    FAILS = "fails, and nothing else"


@dataclass(frozen=True)
class Need:
    """One line that needs something."""

    path: str
    key: str
    value: str
    effect: Effect


@lru_cache(maxsize=256)
def needs(unit: Unit) -> tuple[Need, ...]:
    """Give every line of a service that needs a unit, or names a program or file, as far as it is in force.

    An empty assignment takes back commands and conditions, not dependencies (systemd.unit(5)).
    """
    found: list[Need] = []
    for path, text in unit.fragments:
        for setting in syntax.settings(text):
            key, value = setting.key, setting.value.text
            if setting.section == "Unit" and key in _STOPPED | _STARTED:
                found += [Need(path, key, word, _effect(key)) for word in value.split()]
            elif setting.section == "Unit" and _TESTED.fullmatch(key):
                found = _added(found, path, key, value, Effect.STOPS)
            elif setting.section == "Service" and key in _BEFORE | _AFTER:
                found = _added(found, path, key, value, _run(key, value))
    return tuple(found)


def _added(found: list[Need], path: str, key: str, value: str, effect: Effect) -> list[Need]:
    kinds = _TESTED.match(key)
    if not value:  # conditions are one list, as assertions are; commands are one of each key
        return [need for need in found if not (need.key.startswith(kinds[1]) if kinds else need.key == key)]
    if kinds and value.lstrip("|").startswith("!"):
        return found  # it wants the thing not to be there
    return [*found, Need(path, key, value, effect)]


def _effect(key: str) -> Effect:
    return Effect.STOPS if key in _STOPPED else Effect.STARTS


def _run(key: str, value: str) -> Effect:
    prefixes = value[: len(value) - len(value.lstrip(_PREFIXES))]
    return Effect.FAILS if key in _AFTER or "-" in prefixes else Effect.STOPS
