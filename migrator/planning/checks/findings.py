"""How a finding is made: severity and consent come from the catalogue, the rest from the check."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator

from migrator.model.kubernetes import Pod
from migrator.model.plan import Finding, Severity
from migrator.planning.checks.catalogue import RULES
from migrator.planning.inputs import NodeInputs, Translation
from migrator.runtimes.runtime import Runtime

Check = Callable[[NodeInputs, Translation], Iterator[Finding]]
"""Looks for one or a few related dangers. Never raises."""

_MOST = 10


def of(runtime: Runtime) -> Callable[[Check], Check]:
    """Make a check one of this runtime alone: of a node that is asked to have another it says nothing."""

    def only(check: Check) -> Check:
        @functools.wraps(check)
        def concerned(now: NodeInputs, draft: Translation) -> Iterator[Finding]:
            return check(now, draft) if now.runtime is runtime else iter(())

        return concerned

    return only


def found(identity: str, evidence: str, remedy: str, severity: Severity | None = None) -> Finding:
    """Make the finding of this id.

    `evidence` names what was seen, `remedy` what to do; `severity` when it is not the usual one of the catalogue.
    """
    rule = RULES[identity]
    chosen = severity or rule.severity
    if rule.waivable and chosen is Severity.BLOCKS:
        remedy = f"{remedy}, or --allow {identity}"
    return Finding(id=identity, severity=chosen, evidence=evidence, remedy=remedy, waivable=rule.waivable)


def listed(things: Iterable[str]) -> str:
    """Write names as people do: sorted, each once, at most ten."""
    names = sorted(set(things))
    more = len(names) - _MOST
    return ", ".join(names) if more <= 0 else f"{', '.join(names[:_MOST])} and {more} more"


def named(pods: Iterable[Pod]) -> str:
    """Write the names of pods."""
    return listed(pod.full_name for pod in pods)
