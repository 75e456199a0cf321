"""What a user may choose about the lab, from the environment, and every fixed name and address."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from lab import release
from lab.errors import LabError

SUITE = "bookworm"
"""Debian 12, what nodes have that nobody asked to be another: its kernel boots under every QEMU that the lab meets."""
SUITES = ("bullseye", SUITE, "trixie")
"""What a node may be: Docker 20.10.5, 20.10.24, 26.1; containerd 1.4, 1.6, 1.7."""
NEWEST = "forky"
"""Where containerd 2.1 comes from. Its systemd does not start on cgroup v1, so that nodes are of the one before."""
RUNTIMES = ("docker", "containerd", "containerd-2", "cri-o")
DOCKERSHIM_UNTIL = (1, 23)
"""The last kubelets that serve Docker themselves."""
MOST_WORKERS = 12
BUILT = (1, 20)
"""Minor of the Kubernetes that the lab builds."""

GATEWAY = "10.77.0.1"
"""The lab's own end of the guests' network: control plane, registry and package repository."""

POD_CIDR = "10.244.0.0/16"
SERVICE_CIDR = "10.96.0.0/16"
DNS_ADDRESS = "10.96.0.10"
"""Where kubeadm tells pods to ask for names: the tenth address of the Services' network."""
REGISTRY = "registry.lab:5000"
API_SERVER = f"https://{GATEWAY}:6443"
USER = "admin"
"""The account that Ansible and `lab ssh` use: no root login, sudo without a password."""


@dataclass(frozen=True)
class Node:
    """One node: what is on it, its name, and the addresses that follow from its number."""

    number: int
    suite: str = SUITE
    runtime: str = "docker"
    kubernetes: str = ""
    """Folder with its Kubernetes' programs; "" for those that the lab builds."""
    minor: tuple[int, int] = BUILT
    """Of its kubelet."""

    @property
    def name(self) -> str:
        return "spare" if self == SPARE else f"worker-{self.number}"

    @property
    def dockershim(self) -> bool:
        """Whether its kubelet serves Docker itself."""
        return self.runtime == "docker" and self.minor <= DOCKERSHIM_UNTIL

    @property
    def socket(self) -> str:
        """What its kubelet talks to, as kubeadm is told."""
        if self.runtime == "docker":
            return "/var/run/dockershim.sock" if self.dockershim else "unix:///var/run/cri-dockerd.sock"
        path = "/var/run/crio/crio.sock" if self.runtime == "cri-o" else "/run/containerd/containerd.sock"
        return path if self.minor <= DOCKERSHIM_UNTIL else f"unix://{path}"

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


def _words(name: str) -> list[str]:
    text = os.environ.get(name, "")
    return [word.strip() for word in text.split(",")] if text.strip() else []


def _one_each(name: str, workers: int, allowed: tuple[str, ...], default: str) -> list[str]:
    """Give a word for each node in turn; nodes that have none, or an empty one, get the default."""
    words = _words(name)
    if len(words) > workers:
        raise LabError(f"{name} names {len(words)} nodes, and there are {workers} (MIGRATOR_LAB_WORKERS)")
    for word in words:
        if allowed and word not in (*allowed, ""):
            raise LabError(f"{name}: {word!r} is none of {', '.join(allowed)}")
    return [word or default for word in words] + [default] * (workers - len(words))


def _cache_home() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.environ.get("MIGRATOR_LAB_CACHE") or f"{home}/migrator-lab").absolute()


@dataclass(frozen=True)
class Settings:
    """The lab as the user asked for it. Reading it raises `LabError` for a value that makes no sense."""

    cache: Path = field(default_factory=_cache_home)
    name: str = field(default_factory=lambda: os.environ.get("MIGRATOR_LAB_NAME", "migrator-lab"))
    workers: int = field(default_factory=lambda: _number("MIGRATOR_LAB_WORKERS", 2, least=1, most=MOST_WORKERS))
    memory_mib: int = field(default_factory=lambda: _number("MIGRATOR_LAB_MEMORY", 2048, least=1024, most=65536))
    cpus: int = field(default_factory=lambda: _number("MIGRATOR_LAB_CPUS", 2, least=1, most=16))

    nodes: tuple[Node, ...] = field(init=False)
    kubernetes: str = field(default_factory=lambda: os.environ.get("MIGRATOR_KUBERNETES", ""))
    """Folder with the programs of the cluster's Kubernetes; "" for those that the lab builds."""
    crio: str = field(default_factory=lambda: os.environ.get("MIGRATOR_CRIO", ""))
    """Folder with `crio` and `pinns`."""
    cri_dockerd: str = field(default_factory=lambda: os.environ.get("MIGRATOR_CRI_DOCKERD", ""))
    """The program `cri-dockerd`."""

    def __post_init__(self) -> None:
        """Read what each node is."""
        suites = _one_each("MIGRATOR_LAB_SUITES", self.workers, SUITES, SUITE)
        runtimes = _one_each("MIGRATOR_LAB_RUNTIMES", self.workers, RUNTIMES, "")
        folders = _one_each("MIGRATOR_LAB_KUBELETS", self.workers, (), self.kubernetes)
        minors = {
            folder: release.asked(Path(folder), release.ON_NODES).minor if folder else BUILT for folder in folders
        }
        each = enumerate(zip(suites, runtimes, folders, strict=True), 1)
        nodes = tuple(
            Node(number, suite, runtime or self._usual(minors[folder]), folder, minors[folder])
            for number, (suite, runtime, folder) in each
        )
        for node in nodes:
            self._check(node)
        object.__setattr__(self, "nodes", nodes)

    def _usual(self, minor: tuple[int, int]) -> str:
        return "docker" if minor <= DOCKERSHIM_UNTIL or self.cri_dockerd else "containerd"

    def _check(self, node: Node) -> None:
        kubelet = "its kubelet {}.{}".format(*node.minor)
        if node.runtime == "docker" and not node.dockershim and not self.cri_dockerd:
            raise LabError(f"{node.name}: {kubelet} serves Docker through cri-dockerd only (MIGRATOR_CRI_DOCKERD)")
        if node.runtime == "containerd-2" and node.suite != SUITES[-1]:
            raise LabError(f"{node.name}: containerd 2 runs on {SUITES[-1]} only (MIGRATOR_LAB_SUITES)")
        if node.runtime == "cri-o" and not self.crio:
            raise LabError(f"{node.name}: CRI-O's programs are not packaged here (MIGRATOR_CRIO names their folder)")

    def node(self, name: str) -> Node:
        """Find a node by name. Raises `LabError` naming those that exist."""
        for node in (*self.nodes, SPARE):
            if node.name == name:
                return node
        raise LabError(f"no node is called {name!r}; there are: {', '.join(n.name for n in self.nodes)}")

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
