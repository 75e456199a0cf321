"""Between our values and the messages of CRI."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from migrator.cri import Container, ContainerSpec, Sandbox, SandboxSpec, api_pb2

CPU_PERIOD = 100_000
"""Microseconds, as the kubelet's default."""
_OLD_PROFILES = {"": "", "RuntimeDefault": "runtime/default", "Unconfined": "unconfined"}
"""Security profiles as they were named before messages existed for them; older runtimes know only these."""
_STATES = {
    api_pb2.CONTAINER_CREATED: "created",
    api_pb2.CONTAINER_RUNNING: "running",
    api_pb2.CONTAINER_EXITED: "exited",
}


def sandbox_config(spec: SandboxSpec) -> api_pb2.PodSandboxConfig:
    """Write what a sandbox has to be; its containers are created with the same message."""
    # A pod in the host's network has the host's name, and the runtime knows it.
    hostname = spec.hostname or ("" if spec.host_network else spec.name)
    return api_pb2.PodSandboxConfig(
        metadata=api_pb2.PodSandboxMetadata(name=spec.name, uid=spec.uid, namespace=spec.namespace),
        hostname=hostname,
        log_directory=spec.log_directory,
        labels=spec.labels,
        linux=api_pb2.LinuxPodSandboxConfig(
            cgroup_parent=spec.cgroup_parent,
            security_context=api_pb2.LinuxSandboxSecurityContext(
                namespace_options=_namespaces(spec),
                privileged=spec.privileged,
                # What the kubelet asks for the sandbox itself, whatever its containers ask for.
                seccomp_profile_path=_OLD_PROFILES["RuntimeDefault"],
                seccomp=_profile("RuntimeDefault"),
            ),
        ),
    )


def container_config(within: SandboxSpec, spec: ContainerSpec) -> api_pb2.ContainerConfig:
    """Write what a container has to be."""
    return api_pb2.ContainerConfig(
        metadata=api_pb2.ContainerMetadata(name=spec.name),
        image=image_spec(spec.image),
        args=spec.args,
        labels=spec.labels,
        log_path=spec.log_path,
        linux=api_pb2.LinuxContainerConfig(
            resources=api_pb2.LinuxContainerResources(
                cpu_period=CPU_PERIOD if spec.cpu_quota else 0,
                cpu_quota=spec.cpu_quota,
                cpu_shares=spec.cpu_shares,
                memory_limit_in_bytes=spec.memory,
                oom_score_adj=spec.oom_score_adj,
            ),
            security_context=api_pb2.LinuxContainerSecurityContext(
                capabilities=api_pb2.Capability(add_capabilities=spec.added, drop_capabilities=spec.dropped),
                privileged=spec.privileged,
                namespace_options=_namespaces(within),
                no_new_privs=spec.no_new_privileges,
                masked_paths=spec.masked_paths,
                readonly_paths=spec.readonly_paths,
                seccomp_profile_path=_OLD_PROFILES[spec.seccomp],
                seccomp=_profile(spec.seccomp),
                apparmor_profile=_OLD_PROFILES[spec.apparmor],
                apparmor=_profile(spec.apparmor),
            ),
        ),
    )


def image_spec(reference: str) -> api_pb2.ImageSpec:
    """Name an image."""
    return api_pb2.ImageSpec(image=reference, user_specified_image=reference)


def sandbox(
    given: api_pb2.PodSandbox | api_pb2.PodSandboxStatus, *, address: str = "", info: Mapping[str, Any] | None = None
) -> Sandbox:
    """Read a sandbox from a list, or from its own status."""
    return Sandbox(
        id=given.id,
        name=given.metadata.name,
        uid=given.metadata.uid,
        namespace=given.metadata.namespace,
        ready=given.state == api_pb2.SANDBOX_READY,
        labels=dict(given.labels),
        created_at=given.created_at,
        address=address,
        pid=pid(info or {}),
    )


def listed_container(given: api_pb2.Container) -> Container:
    """Read a container from a list."""
    return Container(
        id=given.id,
        sandbox=given.pod_sandbox_id,
        name=given.metadata.name,
        state=_STATES.get(given.state, "unknown"),
        labels=dict(given.labels),
        created_at=given.created_at,
    )


def container(given: api_pb2.ContainerStatus, *, sandbox: str, info: Mapping[str, Any]) -> Container:
    """Read a container's own status, in which its sandbox is not named."""
    return Container(
        id=given.id,
        sandbox=sandbox,
        name=given.metadata.name,
        state=_STATES.get(given.state, "unknown"),
        labels=dict(given.labels),
        created_at=given.created_at,
        started_at=given.started_at,
        finished_at=given.finished_at,
        exit_code=given.exit_code,
        reason=given.reason,
        message=given.message,
        pid=pid(info) if given.state == api_pb2.CONTAINER_RUNNING else 0,
    )


def verbose(info: Mapping[str, str]) -> dict[str, Any]:
    """Read verbose information: each value from JSON where it is JSON, otherwise as it stands."""
    return {key: _parsed(text) for key, text in info.items()}


def own(info: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give what containerd and CRI-O tell of one object: pid, sandboxID, …; {} for others."""
    told = info.get("info")
    return told if isinstance(told, dict) else {}


def pid(info: Mapping[str, Any]) -> int:
    """Give the process that the verbose information of an object names; 0 for none."""
    told = own(info).get("pid", 0)
    return told if isinstance(told, int) else 0


def _parsed(text: str) -> Any:  # noqa: ANN401 - whatever JSON it is
    try:
        return json.loads(text)
    except ValueError:
        return text


def _namespaces(spec: SandboxSpec) -> api_pb2.NamespaceOption:
    """Give the namespaces as the kubelet asks for them, a process namespace for each container."""
    network = api_pb2.NODE if spec.host_network else api_pb2.POD
    return api_pb2.NamespaceOption(network=network, pid=api_pb2.CONTAINER, ipc=api_pb2.POD)


def _profile(name: str) -> api_pb2.SecurityProfile | None:
    if not name:
        return None
    return api_pb2.SecurityProfile(profile_type=name)
