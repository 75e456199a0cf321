"""What a user may choose about the lab, from the environment, and every fixed name and address."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from lab.errors import LabError

SUITE = "bookworm"
"""Debian 12: its guests boot under every QEMU that the lab meets (Debian 13's kernel does not)."""

GATEWAY = "10.77.0.1"
"""The lab's own end of the guests' network: control plane, registry and package repository."""

POD_CIDR = "10.244.0.0/16"
SERVICE_CIDR = "10.96.0.0/16"
REGISTRY = "registry.lab:5000"
API_SERVER = f"https://{GATEWAY}:6443"
USER = "admin"
"""The account that Ansible and `lab ssh` use: no root login, sudo without a password."""


@dataclass(frozen=True)
class Node:
    """One guest: its name and the addresses that follow from its number."""

    number: int

    @property
    def name(self) -> str:
        return "spare" if self == SPARE else f"worker-{self.number}"

    @property
    def address(self) -> str:
        return f"10.77.0.{10 + self.number}"

    @property
    def mac(self) -> str:
        return f"52:54:00:77:00:{10 + self.number:02x}"

    @property
    def tap(self) -> str:
        return f"tap{self.number}"

    @property
    def pod_subnet(self) -> str:
        return f"10.244.{self.number}.0/24"


SPARE = Node(99)
"""A guest with Docker that belongs to no cluster, for what is tested without one."""


def _number(name: str, default: int, *, least: int, most: int) -> int:
    text = os.environ.get(name, str(default))
    if not text.isdigit() or not least <= int(text) <= most:
        raise LabError(f"{name}={text!r}: a whole number from {least} to {most} is needed")
    return int(text)


def _cache_home() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.environ.get("MIGRATOR_LAB_CACHE") or f"{home}/migrator-lab").absolute()


@dataclass(frozen=True)
class Settings:
    """The lab as the user asked for it. Reading it raises `LabError` for a value that makes no sense."""

    cache: Path = field(default_factory=_cache_home)
    name: str = field(default_factory=lambda: os.environ.get("MIGRATOR_LAB_NAME", "migrator-lab"))
    workers: int = field(default_factory=lambda: _number("MIGRATOR_LAB_WORKERS", 2, least=1, most=9))
    memory_mib: int = field(default_factory=lambda: _number("MIGRATOR_LAB_MEMORY", 2048, least=1024, most=65536))
    cpus: int = field(default_factory=lambda: _number("MIGRATOR_LAB_CPUS", 2, least=1, most=16))

    @property
    def nodes(self) -> tuple[Node, ...]:
        return tuple(Node(number) for number in range(1, self.workers + 1))

    def node(self, name: str) -> Node:
        """Find a guest by name. Raises `LabError` naming those that exist."""
        for node in (*self.nodes, SPARE):
            if node.name == name:
                return node
        raise LabError(f"no guest is called {name!r}; there are: {', '.join(n.name for n in self.nodes)}")

    @property
    def state(self) -> Path:
        """Disks, logs, keys and etcd's data of this lab."""
        return self.cache / "labs" / self.name

    @property
    def sockets(self) -> Path:
        """QEMU's monitor sockets; short, because a socket's path may have 107 bytes at most."""
        return Path("/run") / self.name

    @property
    def connections(self) -> Path:
        """Ansible's connections to the nodes; of its own, because another lab's nodes have the same addresses."""
        return Path("/run") / f"{self.name}-ssh"

    @property
    def kubeconfig(self) -> Path:
        return self.state / "kubernetes" / "admin.conf"

    @property
    def programs(self) -> Path:
        """Kubernetes' programs, as a link to where the cache keeps them."""
        return self.state / "bin"

    @property
    def tools(self) -> Path:
        """Etcd and the registry, likewise."""
        return self.state / "tools"

    @property
    def ssh_key(self) -> Path:
        return self.cache / "keys" / "id_ed25519"
