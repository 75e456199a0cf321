"""Who uses Docker itself: pods that reach into it, agents that read its logs, containers beside Kubernetes'."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import PurePosixPath

from migrator.model.facts import DockerContainer
from migrator.model.plan import Finding, Severity
from migrator.planning.checks.findings import found, listed
from migrator.planning.image_names import last_part
from migrator.planning.inputs import NodeInputs, Translation

SOCKETS = (
    "/var/run/docker.sock", "/run/docker.sock", "/var/run/dockershim.sock", "/run/dockershim.sock",
    "/var/run/cri-dockerd.sock", "/run/cri-dockerd.sock",
)  # fmt: skip
LOG_FOLDERS = ("/var/log", "/var/log/pods", "/var/log/containers")
LOG_AGENTS = (
    "fluentd", "fluent-bit", "fluentbit", "filebeat", "promtail", "logstash", "vector", "datadog", "splunk", "alloy",
    "newrelic", "sumologic", "logagent", "logspout",
)  # fmt: skip
"""Parts of the image names of agents that have to be told of CRI's log format."""


def mounts(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """Pods that reach into Docker from the host's file system, directly or by a parent folder."""
    root = _root(now)
    pods = [
        f"{pod.full_name} ({listed(paths)})" for pod in now.alive if (paths := _reaching(pod.host_paths, root))
    ]  # fmt: skip
    if pods:
        yield found(
            "docker-socket-mounts",
            f"pods that reach into Docker from the host's file system: {listed(pods)}",
            "give them another way: they will see none of Kubernetes' containers",
        )
    sets = [
        f"{entry.full_name} ({listed(paths)})"
        for entry in now.fleet.daemon_sets
        if (paths := _reaching(entry.host_paths, root))
    ]
    if sets:
        yield found(
            "docker-socket-daemonsets",
            f"DaemonSets of the cluster that reach into Docker: {listed(sets)}",
            "change them once for all nodes, before the first is migrated",
        )


def _root(now: NodeInputs) -> str:
    return now.facts.docker.root if now.facts.docker else "/var/lib/docker"


def _reaching(mounted: Iterable[str], root: str) -> list[str]:
    return [path for path in mounted if reaches(path, root)]


@lru_cache(maxsize=4096)
def reaches(path: str, root: str) -> bool:
    """Tell whether a mount of `path` shows something of Docker's. Nodes mount the same few paths again and again."""
    one = PurePosixPath(path)
    others = map(PurePosixPath, (*SOCKETS, root))
    return any(one == other or one in other.parents or other in one.parents for other in others)


def log_agents(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """Agents that read container logs from the host's files."""
    folders = {*LOG_FOLDERS, f"{_root(now)}/containers"}

    def reads(paths: Iterable[str], images: Iterable[str]) -> bool:
        return any(path.rstrip("/") in folders for path in paths) and _is_agent(images)

    readers = [pod.full_name for pod in now.alive if reads(pod.host_paths, pod.images)]
    readers += [entry.full_name for entry in now.fleet.daemon_sets if reads(entry.host_paths, entry.images)]
    if readers:
        yield found(
            "log-agents",
            f"log agents that read the host's files: {listed(readers)}",
            "have them parse CRI's format, and read /var/log/pods: logs are real files there, and "
            f"{_root(now)}/containers gets no new ones",
        )


def _is_agent(images: Iterable[str]) -> bool:
    return any(name in image for image in images for name in LOG_AGENTS)


def beside_kubernetes(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """Containers that Kubernetes knows nothing of."""
    foreign = [entry for entry in (now.facts.docker.containers if now.facts.docker else ()) if not entry.pod_uid]
    etcd = [entry for entry in foreign if entry.running and _is_etcd(entry)]
    if etcd:
        yield found(
            "etcd-in-docker",
            f"etcd runs as a Docker container: {listed(f'{entry.name} ({entry.image})' for entry in etcd)}",
            "move etcd out of Docker first (kubespray: etcd_deployment_type: host)",
        )
    if foreign:
        yield found(
            "foreign-containers",
            f"Docker has containers that are not Kubernetes': {listed(entry.name for entry in foreign)}",
            "they are left alone, and Docker stays running for them",
        )


def callers(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """Units and scheduled jobs that call Docker now and then: nothing of them runs when it is looked for."""
    if now.facts.docker_callers and (now.facts.docker or now.facts.docker_problem):
        yield found(
            "docker-callers",
            f"units and scheduled jobs call Docker: {listed(now.facts.docker_callers)}",
            "change them first: they fail once Docker is stopped",
        )


def needing_docker(now: NodeInputs) -> tuple[str, ...]:
    """Name the units that Docker is kept for: those that need it, and timers and paths that start it."""
    known = now.facts.docker_units
    return tuple(sorted({*known.needing, *known.starters} - _with_docker(now)))


def _with_docker(now: NodeInputs) -> set[str]:
    """Name the units that are stopped with Docker and come back with it: its sockets, the user's too, and the kubelet.

    Such a socket may well need Docker, as with `PartOf=docker.service`.
    """
    sockets = {name for name in now.facts.docker_units.starters if name.endswith(".socket")}
    return {*sockets, now.facts.kubelet.unit.name}


def units(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """Units of the host that need Docker's, or start it again after it was stopped."""
    known = now.facts.docker_units
    if sockets := [name for name in known.starters if name.endswith(".socket") and name != "docker.socket"]:
        yield found(
            "docker-units",
            f"{listed(sockets)} starts Docker when somebody connects",
            "nothing has to be done: it is stopped and disabled with Docker, and comes back with it",
            Severity.INFORMS,
        )
    if needing := needing_docker(now):
        yield found(
            "docker-units",
            f"{listed(needing)} needs Docker, or starts it",
            "Docker stays running for them: take that out of them, or stop them, before it is retired",
        )
    if wanting := set(known.wanting) - _with_docker(now):
        yield found(
            "docker-units",
            f"each start of {listed(wanting)} starts Docker again",
            "take Wants= out of them before Docker is retired, by systemctl edit",
        )


def _is_etcd(container: DockerContainer) -> bool:
    repository = last_part(container.image)
    return repository == "etcd" or container.name.lstrip("/").startswith("etcd")
