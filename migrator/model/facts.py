"""What was observed on a host: the document that the node-side `node_facts` module returns.

Versions are read from the binaries, never inferred from the distribution.
"""

from __future__ import annotations

from collections.abc import Mapping

from migrator.model.value import Value

SCHEMA = 1


class FileFact(Value):
    """A file as it is: `content` is empty and `sha256` is "" when there is none."""

    path: str
    exists: bool = False
    content: str = ""
    mode: str = ""
    """Octal, for example "0644"."""
    owner: str = ""
    group: str = ""
    sha256: str = ""


class KubeletFacts(Value):
    """The kubelet: its version, and the command line that the running process really has."""

    version: str
    """For example "1.20.2"; empty when no kubelet is installed."""
    arguments: tuple[str, ...] = ()
    """Empty when the kubelet does not run."""
    active: bool = False


class DockerContainer(Value):
    """A container that Docker has, running or not."""

    id: str
    name: str
    image: str
    running: bool
    pod_uid: str = ""
    """Empty for a container that Kubernetes knows nothing of."""


class DockerFacts(Value):
    """Docker, asked over its API socket."""

    version: str
    root: str
    cgroup_driver: str
    """"systemd", "cgroupfs" or "none"."""
    containers: tuple[DockerContainer, ...] = ()
    images: tuple[str, ...] = ()
    """Every `repository:tag` in its store."""
    containerd_store: bool = False
    """Whether images live in containerd already (Docker's containerd image store)."""


class ContainerdFacts(Value):
    """The system's containerd, as the distribution's unit runs it."""

    version: str
    """Empty when none is installed."""
    active: bool = False


class CniFacts(Value):
    """Which network configuration counts, and where the plugins are."""

    config: str = ""
    """Name of the first configuration file, the one that every runtime takes."""
    plugins: tuple[str, ...] = ()
    """Plugins that this configuration names, IPAM included."""
    folders: Mapping[str, tuple[str, ...]] = {}
    """Programs found in each folder that the kubelet or a runtime may look into."""


class NodeFacts(Value):
    """Everything that was read from one host in one round trip."""

    schema_version: int
    root: bool
    """Whether the facts were read as root; without it most of them are missing."""
    hostname: str = ""
    machine_id: str = ""
    addresses: tuple[str, ...] = ()
    os: str = ""
    kernel: str = ""
    systemd: bool = True
    cgroup_version: int = 2
    kubelet: KubeletFacts = KubeletFacts(version="")
    docker: DockerFacts | None = None
    """None when no Docker answers."""
    containerd: ContainerdFacts = ContainerdFacts(version="")
    cni: CniFacts = CniFacts()
    files: Mapping[str, FileFact] = {}
    """By path: every file that a migration may read or write."""

    def file(self, path: str) -> FileFact:
        """Give the file at `path`, which may not exist."""
        return self.files.get(path, FileFact(path=path))
