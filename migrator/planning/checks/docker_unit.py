"""What systemd gives Docker and nothing gives the new runtime: the rest of its environment, and its unit's settings."""

from __future__ import annotations

import re
from collections.abc import Iterator

from migrator.model.plan import Finding
from migrator.nodeconf.systemd import overrides
from migrator.nodeconf.systemd.unit import Unit
from migrator.planning.checks.findings import found, listed
from migrator.planning.checks.lenient_reads import new_runtime
from migrator.planning.inputs import NodeInputs, Translation

_PROXY = re.compile(r"(?:HTTP|HTTPS|NO|ALL|FTP)_PROXY", re.IGNORECASE)
_DOCKERS = re.compile(r"DOCKER\w*|NOTIFY_SOCKET|LISTEN_\w+|DOCKERD\w*|PATH")
"""Variables that mean something to Docker's own programs alone, or nothing to a runtime."""
_RESOURCES = frozenset(
    {
        "Slice", "CPUAffinity", "CPUQuota", "CPUShares", "CPUWeight", "MemoryMax", "MemoryLimit", "MemoryHigh",
        "MemoryMin", "MemoryLow", "IOWeight", "BlockIOWeight", "NUMAPolicy", "NUMAMask", "Nice", "OOMScoreAdjust",
        "AllowedCPUs", "AllowedMemoryNodes", "UMask", "MountFlags", "PrivateTmp", "ProtectSystem",
        "CapabilityBoundingSet", "IOSchedulingClass", "IOSchedulingPriority", "CPUSchedulingPolicy", "TasksMax", "User",
        "RootDirectory",
    }
)  # fmt: skip
"""Settings of a service by which the owner of a node shapes it (systemd.exec(5), systemd.resource-control(5))."""


def environment(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """Variables decide which certificates are accepted, and how Go's programs behave."""
    docker = now.facts.docker
    if docker is None:
        return
    unit = overrides.unit_of(now.facts, docker.unit)
    theirs = overrides.variables(overrides.unit_of(now.facts, new_runtime(now).unit))
    used = set(_of_command(unit))
    lost = {
        name: path
        for name, (value, path) in overrides.variables(unit).items()
        if value != theirs.get(name, ("",))[0] and name not in used and not _PROXY.fullmatch(name)
        and not _DOCKERS.fullmatch(name)
    }  # fmt: skip
    if lost:
        yield found(
            "docker-environment",
            f"{listed(lost.values())} gives Docker {listed(lost)}, and nothing gives them to {new_runtime(now).title}",
            f"put them into a drop-in of {new_runtime(now).unit.name} if pulls or containers rely on them",
        )


def _of_command(unit: Unit) -> tuple[str, ...]:
    """Name the variables that only make the command line."""
    try:
        return (*unit.service.variables, *re.findall(r"\$\{?(\w+)", unit.service.written))
    except ValueError:
        return ()


def settings(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """Where somebody has shaped Docker's service, the containers' new parent has another shape."""
    docker = now.facts.docker
    if docker is None:
        return
    runtime = new_runtime(now).unit
    mine, theirs = _shaped(overrides.unit_of(now.facts, docker.unit)), _shaped(overrides.unit_of(now.facts, runtime))
    lost = [f"{key}={value}" for key, value in mine.items() if theirs.get(key) != value]
    if lost:
        yield found(
            "docker-unit",
            f"drop-ins of {docker.unit.name} have {listed(lost)}, and {runtime.name} has not",
            f"put them into a drop-in of {runtime.name} if they were meant for containers",
        )


def _shaped(unit: Unit) -> dict[str, str]:
    """Give what an owner's files say: those that no package brings."""
    return {
        key: value
        for path, key, value in overrides.of_service(unit)
        if path.startswith("/etc/") and key in _RESOURCES and value
    }
