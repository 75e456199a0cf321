"""Whether the runtime that the node has can be migrated from, and answers."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.model.plan import Finding
from migrator.planning import versions
from migrator.planning.checks.finding import found
from migrator.planning.checks.reading import flags
from migrator.planning.situation import Draft, Situation


def known_source(now: Situation, _: Draft) -> Iterator[Finding]:
    """Only Docker through dockershim is a source that is proven."""
    endpoint = flags(now.facts).get("--container-runtime-endpoint", "")
    version = now.facts.kubelet.version or now.node.kubelet_version
    if not now.node.runtime.startswith("docker://"):
        yield found(
            "source-runtime", f"the node runs {now.node.runtime}", "only Docker can be migrated from in this version"
        )
    elif versions.parse(version) >= versions.DOCKERSHIM_GONE or "cri-dockerd" in endpoint:
        yield found(
            "cri-dockerd",
            f"kubelet {version} reaches Docker through cri-dockerd",
            "only dockershim (kubelet 1.23 and older) can be migrated from in this version",
        )


def answering(now: Situation, _: Draft) -> Iterator[Finding]:
    """What the kubelet and Docker really do is read from the running ones."""
    if not now.facts.kubelet.version:
        yield found("kubelet-stopped", "no kubelet is installed", "leave this host out, or install its kubelet")
    elif not now.facts.kubelet.active:
        yield found("kubelet-stopped", "the kubelet does not run", "start it: its real command line is needed")
    if now.facts.docker is None:
        yield found(
            "docker-stopped",
            now.facts.docker_problem or "Docker does not answer on its socket",
            "start it: its containers, images and settings are needed",
        )
