"""Docker as one object, seen through dockershim or through cri-dockerd: a runtime to come from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from migrator import versions
from migrator.model.facts import NodeFacts
from migrator.runtimes.runtime import Runtime
from migrator.runtimes.traits import USUAL, Traits


def _kubernetes_containers(facts: NodeFacts) -> Iterator[str]:
    if facts.docker:
        yield from (f"docker: {entry.name}" for entry in facts.docker.containers if entry.pod_uid and entry.running)


DOCKER = Runtime(
    name="docker",
    scheme="docker",
    title="Docker",
    unit="docker.service",
    endpoint="unix:///var/run/dockershim.sock",  # dockershim's own (kubelet 1.20.2)
    root="/var/lib/docker",
    target=False,
    traits=Traits(
        scope="docker-",
        plain="",
        capabilities=USUAL,
        label="docker-default",
        shares_uts=False,
        service="docker",
        clears_inheritable=(20, 10, 14),
        privileged_pass_on=False,
        privileged_cgroup_namespace=True,
        low_ports=(20, 10, 0),
        started_by_socket=True,
        settable={"user": "userns-remap", "cgroup": "default-cgroupns-mode", "shm": "default-shm-size"},
    ),
    installed=lambda facts: facts.docker.version if facts.docker else "",
    unit_facts=lambda facts: facts.docker.unit if facts.docker else None,
    low_level=lambda facts: facts.docker.default_runtime if facts.docker else "runc",
    kubernetes_containers=_kubernetes_containers,
)
CRI_DOCKERD = replace(
    DOCKER,
    name="cri-dockerd",
    title="cri-dockerd",
    unit="cri-docker.service",
    endpoint="unix:///var/run/cri-dockerd.sock",
    source=DOCKER.name,
    tells_driver=versions.CRI_DOCKERD_TELLS_DRIVER,
    installed=lambda facts: facts.cri_dockerd.version if facts.cri_dockerd else "",
    unit_facts=lambda facts: facts.cri_dockerd.unit if facts.cri_dockerd else None,
)


def is_dockers(endpoint: str) -> bool:
    """Tell whether a socket that the kubelet is told is one of Docker's: dockershim's or cri-dockerd's."""
    return DOCKER.name in endpoint


def is_cri_dockerds(endpoint: str) -> bool:
    """Tell whether it is cri-dockerd's."""
    return CRI_DOCKERD.name in endpoint
