"""The door to a container runtime: the Container Runtime Interface, over a Unix socket."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

# gRPC reads these when it is imported. Without them it writes on the terminal, and each fork (Ansible's, which is
# followed by an exec) would first have to stop its threads.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

OWNER_LABEL = "io.migrator.owner"
"""Everything that we create has it; its value names the session, so that a later one finds what was left."""


@dataclass(frozen=True)
class Version:
    """What a runtime is."""

    name: str
    """As it calls itself: "containerd", "cri-o", "docker"."""
    version: str
    api: str
    """The API that it was asked by: "v1" or "v1alpha2"."""


@dataclass(frozen=True)
class Status:
    """How it feels."""

    conditions: Mapping[str, str]
    """"" for one that holds, otherwise "reason: message"; by type ("RuntimeReady", "NetworkReady")."""
    info: Mapping[str, Any] = field(default_factory=dict)
    """Its verbose information, parsed where it is JSON."""
    cgroup_driver: str = ""
    """"systemd" or "cgroupfs", from RuntimeConfig (1.28 and later); "" when it does not tell."""


@dataclass(frozen=True)
class SandboxSpec:
    """A pod sandbox to run."""

    name: str
    uid: str
    namespace: str = "migrator"
    hostname: str = ""
    """`name` when empty."""
    cgroup_parent: str = ""
    log_directory: str = ""
    handler: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    host_network: bool = False
    privileged: bool = False


@dataclass(frozen=True)
class ContainerSpec:
    """A container to create in a sandbox."""

    name: str
    image: str
    args: tuple[str, ...] = ()
    cpu_shares: int = 0
    cpu_quota: int = 0
    """Microseconds in each period of 100000; 0 for no limit."""
    memory: int = 0
    """Bytes; 0 for no limit."""
    oom_score_adj: int = 0
    privileged: bool = False
    added: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    seccomp: str = ""
    """"" to ask for none, "RuntimeDefault" or "Unconfined"."""
    apparmor: str = ""
    """Likewise; "" leaves it to the runtime."""
    no_new_privileges: bool = False
    masked_paths: tuple[str, ...] = ()
    readonly_paths: tuple[str, ...] = ()
    log_path: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sandbox:
    """A pod sandbox that a runtime has."""

    id: str
    name: str
    uid: str
    namespace: str
    ready: bool
    labels: Mapping[str, str]
    created_at: int = 0
    """Nanoseconds since the epoch."""
    address: str = ""
    """Of the pod; only from `sandbox`."""
    pid: int = 0
    """Of its own process; 0 where it has none or the runtime does not tell. Only from `sandbox`."""


@dataclass(frozen=True)
class Container:
    """A container that a runtime has. Times are nanoseconds since the epoch, 0 for not yet."""

    id: str
    sandbox: str
    name: str
    state: str
    """"created", "running", "exited" or "unknown"."""
    labels: Mapping[str, str]
    created_at: int = 0
    started_at: int = 0
    finished_at: int = 0
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    pid: int = 0
    """Of its main process on the host; 0 where the runtime does not tell. Only from `container`."""


@dataclass(frozen=True)
class Executed:
    """What a command in a container came to."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class Runtime(Protocol):
    """A runtime's CRI service.

    Every method raises `CriError` whose message says what is wrong and what to do, within a deadline: also when the
    runtime hangs or the connection ends in the middle.
    """

    @property
    def version(self) -> Version:
        """What it is, as negotiated when the connection was made."""
        ...

    def status(self) -> Status:
        """How it is."""
        ...

    def run_sandbox(self, spec: SandboxSpec) -> str:
        """Run a sandbox; give its id."""
        ...

    def stop_sandbox(self, identity: str) -> None:
        """Stop it and everything in it. One that does not exist is no error."""
        ...

    def remove_sandbox(self, identity: str) -> None:
        """Remove it and its containers, likewise."""
        ...

    def sandbox(self, identity: str) -> Sandbox:
        """Look at one, with its address and process."""
        ...

    def sandboxes(self, labels: Mapping[str, str]) -> tuple[Sandbox, ...]:
        """List those that have all these labels."""
        ...

    def create_container(self, sandbox: str, within: SandboxSpec, spec: ContainerSpec) -> str:
        """Create a container in a sandbox that was made from `within`; give its id."""
        ...

    def start_container(self, identity: str) -> None:
        """Start it."""
        ...

    def stop_container(self, identity: str, seconds: int) -> None:
        """Ask it to end, and kill it after `seconds`."""
        ...

    def remove_container(self, identity: str) -> None:
        """Remove it, running or not."""
        ...

    def container(self, identity: str) -> Container:
        """Look at one, with its process."""
        ...

    def containers(self, labels: Mapping[str, str]) -> tuple[Container, ...]:
        """List those that have all these labels."""
        ...

    def execute(self, identity: str, command: tuple[str, ...], seconds: int) -> Executed:
        """Run a command in a container and wait for it, `seconds` at most."""
        ...

    def image(self, reference: str) -> str:
        """Give the id of an image; "" when the runtime does not have it."""
        ...

    def remove_image(self, reference: str) -> None:
        """Remove an image; one that does not exist is no error."""
        ...

    def close(self) -> None:
        """End the connection."""
        ...
