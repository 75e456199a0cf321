"""Whether the runtime that the node has can be migrated from, and answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from migrator import versions
from migrator.model.facts import DockerContainer
from migrator.model.plan import Finding
from migrator.planning.checks.docker_commands import is_docker
from migrator.planning.checks.findings import found, listed
from migrator.planning.checks.lenient_reads import flags
from migrator.planning.image_names import last_part
from migrator.planning.inputs import NodeInputs, Translation
from migrator.runtimes.docker.runtime import DOCKER, is_cri_dockerds

_KUBELETS = frozenset({"", "kubelet", "hyperkube"})
"""Programs of a unit that are a kubelet, or not known: another one may start it in a container."""


def known_source(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """Only Docker through dockershim is a source that is proven."""
    endpoint = flags(now.facts).get("--container-runtime-endpoint", "")
    version = now.facts.kubelet.version or now.node.kubelet_version
    if not DOCKER.reported(now.node.runtime):
        yield found(
            "source-runtime", f"the node runs {now.node.runtime}", "only Docker can be migrated from in this version"
        )
    elif versions.parse(version) >= versions.DOCKERSHIM_GONE or is_cri_dockerds(endpoint):
        yield found(
            "cri-dockerd",
            f"kubelet {version} reaches Docker through cri-dockerd",
            "only dockershim (kubelet 1.23 and older) can be migrated from in this version",
        )


def _elsewhere(now: NodeInputs) -> str:
    """Say where the kubelet runs that is not kubelet.service, or only its wrapper; "" when none seems to run."""
    containers = now.facts.docker.containers if now.facts.docker else ()
    unit = now.facts.kubelet.unit
    program = PurePosixPath(unit.program).name
    if unit.active and is_docker(program):
        return f"{unit.name} runs its kubelet in a container, by {unit.program}"
    if unit.active and program in _KUBELETS:
        return ""
    if inside := [entry for entry in containers if entry.running and not entry.pod_uid and _is_kubelet(entry)]:
        return f"the kubelet is a container of Docker's: {listed(f'{entry.name} ({entry.image})' for entry in inside)}"
    if now.node.ready and not unit.active and not unit.fragments:
        return (
            f"Node {now.node.name} is Ready, and there is no kubelet.service: a snap or another unit runs its kubelet"
        )
    return ""


def _is_kubelet(container: DockerContainer) -> bool:
    repository = last_part(container.image)
    name = container.name.lstrip("/")
    return name == "kubelet" or name.endswith("-kubelet") or repository in {"kubelet", "hyperkube"}


def answering(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """What the kubelet and Docker really do is read from the running ones."""
    if elsewhere := _elsewhere(now):
        yield found(
            "kubelet-elsewhere", elsewhere, "run it as kubelet.service on the host first, or leave the node out"
        )
    elif not now.facts.kubelet.version:
        yield found("kubelet-stopped", "no kubelet is installed", "leave this host out, or install its kubelet")
    elif not now.facts.kubelet.active:
        yield found("kubelet-stopped", "the kubelet does not run", "start it: its real command line is needed")
    if now.facts.docker is None:
        yield found(
            "docker-stopped",
            now.facts.docker_problem or "Docker does not answer on its socket",
            "start it: its containers, images and settings are needed",
        )
