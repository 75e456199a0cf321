"""The kubelet's command line, unit and configuration."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from migrator.model.facts import UnitFacts
from migrator.model.plan import Finding, Severity
from migrator.nodeconf.kubelet import DOCKER_UNITS
from migrator.nodeconf.kubelet import flags as kubelet_flags
from migrator.nodeconf.systemd import overrides, requirements
from migrator.nodeconf.systemd.edit import DROP_IN
from migrator.nodeconf.systemd.requirements import Effect, Need
from migrator.nodeconf.systemd.unit import Unit
from migrator.planning.checks import docker_commands
from migrator.planning.checks.docker_commands import Use
from migrator.planning.checks.findings import found, listed
from migrator.planning.checks.lenient_reads import flags, kubelet_config, planned_text
from migrator.planning.inputs import NodeInputs, Translation

_FILE = re.compile(docker_commands.SOCKET + r"|(?:bin/dockerd?|/var/lib/docker)(?![\w.-])")
_IMAGES = "--image-service-endpoint"
_LONG = 160
"""Characters of a line that are shown."""


def known_flags(now: NodeInputs, draft: Translation) -> Iterator[Finding]:
    """Flags outside the known files would survive the rewrite and contradict it, or kill the kubelet later."""
    try:
        differences = kubelet_flags.unexplained(now.facts)
    except ValueError as error:
        if str(error) not in draft.problems:
            yield found("unreadable-file", str(error), "mend the file; nothing is guessed")
        return
    if differences and (wrapper := _wrapper(now)):
        yield found(
            "kubelet-flags",
            f"{wrapper} starts the kubelet, so that its files do not say what flags it has",
            "start the kubelet itself in ExecStart=; systemd has settings for what taskset, nice and numactl do",
        )
    elif differences:
        yield found(
            "kubelet-flags",
            "the running kubelet is not what its files say: "
            + listed(
                f"{entry.name} ({_values(entry.running)}, files: {_values(entry.written)})" for entry in differences
            ),
            "restart the kubelet if its files were changed; else move these flags to an EnvironmentFile of its unit",
        )


def _wrapper(now: NodeInputs) -> str:
    """Name the program that the unit starts where that is not a kubelet; "" for one that is."""
    words = kubelet_flags.unit(now.facts).service.words
    program = words[0].text if words else ""
    return "" if program.rpartition("/")[2] == "kubelet" else program


def _values(given: tuple[str, ...]) -> str:
    return " ".join(value or "set" for value in given) or "not set"


def dependencies(now: NodeInputs, draft: Translation) -> Iterator[Finding]:
    """A kubelet that needs Docker goes down with it, or does not start again."""
    unit = now.facts.kubelet.unit
    texts = tuple((path, planned_text(now, draft, path)) for path in unit.fragments)
    stood = any(_on_docker(now, need) for need in requirements.needs(overrides.unit_of(now.facts, unit)))
    left = [(need, use) for need in requirements.needs(Unit(texts)) if (use := _on_docker(now, need))]
    told = {need.value for need, _ in left}
    asked = [] if stood and not left else [(need, Use.NEEDS) for need in _as_systemd_says(unit, told)]
    for need, use in (*left, *asked):
        yield _told(unit.name, need, use)


def _told(name: str, need: Need, use: Use) -> Finding:
    said = f"{need.path}: {need.key}={need.value}" if need.path else f"{need.key}={need.value} of {name}"
    said = said if len(said) <= _LONG else f"{said[:_LONG]}…"
    if use is Use.UNKNOWN:
        return found(
            "kubelet-needs-docker",
            f"{said} names Docker, and whether it works without it is not known",
            f"see what it does; if it needs Docker, take it out before Docker is stopped: that would end {name}",
            Severity.WARNS,
        )
    if need.key == "ExecStart" and docker_commands.is_docker(docker_commands.program(need.value)):
        return found(
            "kubelet-needs-docker",
            f"the kubelet is a container of Docker's ({said})",
            "run it on the host first, from the same version's package",
        )
    remedy = f"take {need.key}= out of that file and run systemctl daemon-reload"
    if need.effect is Effect.STOPS and use is Use.NEEDS:
        why = "the kubelet stops with Docker, or does not start without it"
        return found("kubelet-needs-docker", f"{said}: {why}", remedy)
    why = "each start of the kubelet starts Docker again" if need.effect is Effect.STARTS else "it fails without Docker"
    return found("kubelet-needs-docker", f"{said}: {why}", remedy, Severity.WARNS)


def _on_docker(now: NodeInputs, need: Need) -> Use:
    """Tell whether a line needs Docker: one of its units, its program, its socket, or what is in its folder."""
    if need.key.startswith("Exec"):
        return docker_commands.of_line(need.value)
    root = now.facts.docker.root if now.facts.docker else ""
    inside = root and re.search(rf"{re.escape(root)}(?![\w.-])", need.value)
    named = need.value in DOCKER_UNITS or _FILE.search(need.value) or inside
    return Use.NEEDS if named else Use.NONE


def _as_systemd_says(unit: UnitFacts, told: Collection[str]) -> Iterator[Need]:
    """Give what systemd knows beside the files: links in folders of units, and units that name this one."""
    for names, key, effect in (
        (unit.requires, "Requires", Effect.STOPS), (unit.stops_with, "PartOf", Effect.STOPS),
        (unit.wants, "Wants", Effect.STARTS),
    ):  # fmt: skip
        for name in sorted({*DOCKER_UNITS} & {*names} - {*told}):
            yield Need("", key, name, effect)


def _dropped(now: NodeInputs, draft: Translation, name: str) -> bool:
    """Tell whether the draft takes a flag out of the files that it stands in."""
    unit = now.facts.kubelet.unit
    try:
        before = after = kubelet_flags.unit(now.facts)
        for path in (*unit.fragments, *unit.environment_files, DROP_IN):
            if text := planned_text(now, draft, path):
                after = after.replaced(path, text)
        stood, stays = (kubelet_flags.effective(kubelet_flags.flags_of(files)) for files in (before, after))
    except ValueError:
        return False
    return name in stood and name not in stays


def configuration(now: NodeInputs, draft: Translation) -> Iterator[Finding]:
    """What is rewritten must be what the kubelet reads."""
    given = flags(now.facts)
    if given.get("--dynamic-config-dir"):
        yield found(
            "kubelet-config",
            "the kubelet takes its configuration from the API server (--dynamic-config-dir), which wins over its file",
            "take that flag away: kubelet 1.24 does not know it either",
        )
    told = "" if _dropped(now, draft, _IMAGES) else given.get(_IMAGES, "")
    service = told or str(kubelet_config(now.facts).get("imageServiceEndpoint") or "")
    if service:
        yield found(
            "kubelet-config",
            f"the kubelet asks {service} for images, whatever runtime it uses",
            "take --image-service-endpoint or imageServiceEndpoint away: the new runtime has its own",
        )
