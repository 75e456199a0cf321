"""What checks look at, and what they answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from migrator.model.evidence import (
    ActionResult,
    ContainerObservation,
    Evidence,
    NodeProfile,
    Outcome,
    ProbeContainerSpec,
    Via,
)
from migrator.proof import limits, runtime_traits
from migrator.proof.limits import Limits
from migrator.proof.process_view import View, parse
from migrator.proof.spec import ASKED
from migrator.runtimes.traits import Traits

_Known = TypeVar("_Known")


class UnseenError(Exception):
    """What a check needs was not seen: its outcome is unknown, for this reason. Never leaves the checks."""


@dataclass(frozen=True)
class Result:
    """What one check came to."""

    outcome: Outcome
    expected: str
    found: str


@dataclass(frozen=True)
class Subject:
    """One probe container, parsed."""

    seen: ContainerObservation
    inside: View
    outside: View

    @property
    def asked(self) -> ProbeContainerSpec:
        """What was asked for it."""
        return self.seen.asked

    @property
    def where(self) -> str:
        """How ids name it."""
        return f"{self.asked.pod}/{self.asked.name}"

    @property
    def ran(self) -> bool:
        """Whether it ever did."""
        return bool(self.seen.id)

    @property
    def limits(self) -> Limits:
        """Those of its cgroup, by the host's tree where that was read."""
        return self.outside.limits if self.outside.raw.cgroup else self.inside.limits

    def namespace(self, kind: str) -> str:
        """Give the identity of one of its namespaces. Raises `UnseenError`."""
        link = self.outside.namespaces.get(kind) or self.inside.namespaces.get(kind)
        return need(link, f"{kind} namespace of {self.where}")


@dataclass(frozen=True)
class CheckInputs:
    """One session, and the one before the migration where there was one."""

    evidence: Evidence
    baseline: Evidence | None = None

    @property
    def circumstances(self) -> NodeProfile:
        """What decides what is right."""
        return self.evidence.circumstances

    @property
    def by_kubelet(self) -> bool:
        """Whether a kubelet made the pods and their cgroups."""
        return self.circumstances.via is Via.KUBELET

    @property
    def traits(self) -> Traits:
        """Those of the runtime. Raises `UnseenError` for one that we do not know."""
        name = self.circumstances.runtime
        return need(runtime_traits.traits(self.circumstances), f"what is right for the runtime {name!r}")

    @cached_property
    def subjects(self) -> tuple[Subject, ...]:
        """All containers, also those that did not run or that the session does not mention."""
        seen = {entry.asked.name: entry for entry in self.evidence.containers}
        missing = [ContainerObservation(asked=asked) for asked in ASKED if asked.name not in seen]
        return tuple(Subject(entry, parse(entry.inside), parse(entry.outside)) for entry in [*seen.values(), *missing])

    @cached_property
    def host(self) -> View:
        """Process 1 of the host."""
        return parse(self.evidence.host.raw)

    def subject(self, name: str) -> Subject:
        """Give a container that ran. Raises `UnseenError`."""
        found = next((entry for entry in self.subjects if entry.asked.name == name and entry.ran), None)
        return need(found, f"container {name}, which did not run")

    def act(self, name: str, container: str = "", **facts: str) -> ActionResult:
        """Give an act that was tried, that of one container, or with these facts. Raises `UnseenError`."""
        for entry in self.evidence.acts:
            if entry.name == name and container in {"", entry.container} and facts.items() <= entry.facts.items():
                if entry.problem:
                    raise UnseenError(entry.problem)
                return entry
        raise UnseenError(f"the session did not try {name}")


ContainerCheck = Callable[[CheckInputs, Subject], "Result | None"]
"""Judges one container that ran; None where there is nothing to judge. May raise `UnseenError` and nothing else."""
SceneCheck = Callable[[CheckInputs], "Result | None"]
"""Judges the session, likewise."""


def need(value: _Known | None, what: str) -> _Known:
    """Give the value. Raises `UnseenError` for None."""
    if value is None:
        raise UnseenError(f"not seen: {what}")
    return value


def holds(good: bool, expected: str, found: str) -> Result:  # noqa: FBT001 - the fact that a check is about
    """Make a result of whether something holds."""
    return Result(Outcome.PASSED if good else Outcome.FAILED, expected, found)


def same(expected: object, found: object) -> Result:
    """Make a result of a comparison."""
    return holds(expected == found, str(expected), str(found))


def unknown(expected: str, found: str) -> Result:
    """Make a result of something that was seen and proves nothing, with the reason in `found`."""
    return Result(Outcome.UNKNOWN, expected, found)


def amount(number: int) -> str:
    """Write a limit for a person."""
    return "no limit" if number == limits.UNLIMITED else str(number)
