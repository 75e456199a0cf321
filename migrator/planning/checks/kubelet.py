"""The kubelet's command line, unit and configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator

from migrator.model.plan import Finding, Severity
from migrator.planning.checks.finding import found, listed
from migrator.planning.checks.reading import flags, kubelet_config, planned_text
from migrator.planning.situation import Draft, Situation
from migrator.planning.translate.kubelet import DOCKER_UNITS
from migrator.planning.translate.kubelet import flags as kubelet_flags

_DEPENDENCY = re.compile(r"^\s*(?:Requires|BindsTo|Requisite|PartOf|Wants)\s*=.*\bdocker\b", re.MULTILINE)


def known_flags(now: Situation, draft: Draft) -> Iterator[Finding]:
    """Flags outside the known files would survive the rewrite and contradict it, or kill the kubelet later."""
    try:
        differences = kubelet_flags.unexplained(now.facts)
    except ValueError as error:
        if str(error) not in draft.problems:
            yield found("unreadable-file", str(error), "mend the file; nothing is guessed")
        return
    if differences:
        yield found(
            "kubelet-flags",
            "the running kubelet is not what its files say: "
            + listed(
                f"{entry.name} ({_values(entry.running)}, files: {_values(entry.written)})" for entry in differences
            ),
            "restart the kubelet if its files were changed; else move these flags to an EnvironmentFile of its unit",
        )


def _values(given: tuple[str, ...]) -> str:
    return " ".join(value or "set" for value in given) or "not set"


def dependencies(now: Situation, draft: Draft) -> Iterator[Finding]:
    """A kubelet that needs Docker's unit goes down with it."""
    unit = now.facts.kubelet.unit
    if _rewritten(now, draft):
        return
    needed = {*DOCKER_UNITS} & {*unit.requires}
    if needed:
        yield found(
            "kubelet-needs-docker",
            f"{unit.name} requires {listed(needed)}: it would stop with Docker",
            "take Requires= or BindsTo= out of its unit file and run systemctl daemon-reload",
        )
    wanted = {*DOCKER_UNITS} & {*unit.wants} - needed
    if wanted:
        yield found(
            "kubelet-needs-docker",
            f"{unit.name} wants {listed(wanted)}: each start of the kubelet starts Docker again",
            "take Wants= out of its unit file and run systemctl daemon-reload",
            Severity.WARNS,
        )


def _rewritten(now: Situation, draft: Draft) -> bool:
    """Tell whether the draft takes every dependency on Docker out of the unit's files."""
    paths = now.facts.kubelet.unit.fragments
    stood = any(_DEPENDENCY.search(now.facts.file(path).content) for path in paths)
    return stood and not any(_DEPENDENCY.search(planned_text(now, draft, path)) for path in paths)


def configuration(now: Situation, _: Draft) -> Iterator[Finding]:
    """What is rewritten must be what the kubelet reads."""
    given = flags(now.facts)
    if given.get("--dynamic-config-dir"):
        yield found(
            "kubelet-config",
            "the kubelet takes its configuration from the API server (--dynamic-config-dir), which wins over its file",
            "take that flag away: kubelet 1.24 does not know it either",
        )
    service = given.get("--image-service-endpoint") or str(kubelet_config(now.facts).get("imageServiceEndpoint") or "")
    if service:
        yield found(
            "kubelet-config",
            f"the kubelet asks {service} for images, whatever runtime it uses",
            "take --image-service-endpoint or imageServiceEndpoint away: the new runtime has its own",
        )
