"""What a rule says of a key's value, and the words that rules are put together from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from migrator.model.fate import Fate
from migrator.runtimes.destination import Destination
from migrator.runtimes.docker.places import place
from migrator.runtimes.docker.source import DockerSource

DEFAULT = "it is Docker's default, and what happens anyway"


@dataclass(frozen=True)
class RuleResult:
    """A fate without the key that it is for."""

    fate: Fate
    to: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Case:
    """What a rule may look at besides the value."""

    source: DockerSource
    to: Destination


Rule = Callable[[Any, Case], RuleResult | Mapping[str, RuleResult]]
"""Judges a value that is neither null nor empty: as a whole, or each entry by its name."""


def carried(to: str, reason: str = "") -> RuleResult:
    """Say that the new runtime does the same."""
    return RuleResult(Fate.CARRIED, to, reason)


def moved(to: str, reason: str = "") -> RuleResult:
    """Say that something else does the same."""
    return RuleResult(Fate.MOVED, to, reason)


def never(reason: str) -> RuleResult:
    """Say that it never concerned pods, or that its value is what happens anyway."""
    return RuleResult(Fate.NOT_APPLICABLE, reason=reason)


def lost(reason: str) -> RuleResult:
    """Say that nothing does the same."""
    return RuleResult(Fate.LOST, reason=reason)


def unknown(reason: str) -> RuleResult:
    """Say that no Docker of 1.13 to 29 has it."""
    return RuleResult(Fate.UNKNOWN, reason=reason)


def always(verdict: RuleResult) -> Rule:
    """Judge every value alike."""
    return lambda _value, _case: verdict


def unless(default: object, rule: Rule, reason: str = DEFAULT) -> Rule:
    """Leave aside the value that changes nothing, and judge every other one by `rule`."""
    return lambda value, case: never(reason) if value == default else rule(value, case)


def when_on(rule: Rule, reason: str = DEFAULT) -> Rule:
    """Leave a switch aside that is off, and judge one that is on by `rule`."""
    return lambda value, case: rule(value, case) if value else never(reason)


def placed(what: str, missing: RuleResult | None = None) -> Rule:
    """Carry the value to its place in the new runtime; where that has none, the verdict is `missing`."""

    def rule(_value: object, case: Case) -> RuleResult:
        to = place(what, case.to)
        return carried(to) if to or missing is None else missing

    return rule


def pairs(options: list[str]) -> dict[str, str]:
    """Split options of the form name=value by name; Docker ignores case in names, and the last of one counts."""
    split = (option.partition("=") for option in options)
    return {name.strip().lower(): value.strip() for name, _, value in split}
