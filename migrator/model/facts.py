"""What was observed on a host: the document that the node-side `node_facts` module returns.

Versions are read from the binaries, never inferred from the distribution. Secrets never leave the node: a
credential is its hash.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

from migrator.model.base import Value
from migrator.model.untrusted_text import Line, Mode, NodePath, Sha256, SocketOrNone, Told, TransactionId

SCHEMA = 2


class FileFact(Value):
    """A file as it is: `content` is empty and `sha256` is "" when there is none."""

    path: str
    exists: bool = False
    content: str = ""
    mode: Mode = ""
    """Octal, for example "0644"."""
    owner: Line = ""
    group: Line = ""
    sha256: Sha256 = ""
    """Of the bytes on disk, also where `content` is not (`problem`) or not all (`hidden`) of them."""
    hidden: bool = False
    """Whether secrets in `content`, or what might be some, were replaced by their hashes."""
    problem: str = ""
    """Why there is no content: too large, not UTF-8, a directory, unreadable."""

    @property
    def folder(self) -> bool:
        """Whether it is no file but a folder."""
        return self.problem == "it is a directory"


class UnitFacts(Value):
    """A systemd service and what its process really runs with."""

    name: str
    active: bool = False
    enabled: bool = False
    fragments: tuple[str, ...] = ()
    """Paths of the unit file and its drop-ins, in the order in which systemd reads them; their texts are files."""
    environment_files: tuple[str, ...] = ()
    """Paths of every `EnvironmentFile=`, in order, whether they exist or not; their texts are files."""
    arguments: tuple[str, ...] = ()
    """The running process's command line without the program; empty when it does not run."""
    program: str = ""
    """The running process's executable; empty when it does not run."""
    environment: Mapping[str, str] = {}
    """The running process's proxy variables, users and passwords replaced by a hash."""
    requires: tuple[str, ...] = ()
    """Units it cannot run without (`Requires=`, `Requisite=`, `BindsTo=`)."""
    stops_with: tuple[str, ...] = ()
    """Units whose stop stops it too (`PartOf=`, `StopPropagatedFrom=`)."""
    wants: tuple[str, ...] = ()
    kill_mode: str = ""
    """What a stop of it ends: `process` its main process alone, `control-group` all (systemd.kill(5)); "" unknown."""
    limits: Mapping[str, str] = {}
    """Resource limits of the running process as "soft:hard", by ulimit name (`nofile`, `nproc`, `core`, `memlock`)."""


class Disk(Value):
    """The filesystem under a folder that a runtime keeps data in, or would."""

    path: NodePath
    """The folder, or where it would be."""
    mount: NodePath
    """Mount point of its filesystem; two folders with the same one share their space."""
    kind: str = ""
    """Filesystem type."""
    device: Line = ""
    """Numbers of its device, as "8:1"; "" when they are not known. Folders on the same one share their space too: a
    folder that is mounted on itself, as Docker does it on a private root, is no other disk."""
    size: int = 0
    """Bytes."""
    free: int = 0
    """Bytes that root may still use."""

    def shares(self, other: Disk) -> bool:
        """Tell whether two folders are on one disk."""
        return self.mount == other.mount or (bool(self.device) and self.device == other.device)


class Fleeting(Value):
    """Where a path lies that a reboot empties."""

    where: Told
    """For example "the overlay at /etc, whose upper folder /run/etc is on the tmpfs at /run"."""
    certain: bool = True
    """Whether that is known: the upper folder of an overlay may be out of sight."""


class HostFacts(Value):
    """The machine."""

    os: str = ""
    """`PRETTY_NAME` of os-release."""
    os_id: str = ""
    """`ID` of os-release, for example "debian"."""
    kernel: str = ""
    architecture: str = ""
    systemd: bool = True
    """Whether systemd is PID 1."""
    cgroup: Literal["v1", "v2", "hybrid", ""] = "v2"
    """"v1", "v2" or "hybrid"; "" when neither is mounted."""
    security_modules: tuple[str, ...] = ()
    """Linux security modules that are on, for example "apparmor"."""
    modules: tuple[str, ...] = ()
    """Those of `overlay` and `br_netfilter` that are loaded (or built in)."""
    built_in: tuple[str, ...] = ()
    """Those of them that are a part of the kernel."""
    refused_modules: tuple[Line, ...] = ()
    """Modules that the kernel's command line refuses."""
    sysctls: Mapping[str, str] = {}
    """Values now of those that a pod network needs; a missing key does not exist on the host."""
    forward_policy: str = ""
    """Policy of iptables' FORWARD chain, "" when it could not be read."""
    disks: tuple[Disk, ...] = ()
    clock: float = 0.0
    """The host's time in seconds since the epoch, when the facts were read."""


class KubeletFacts(Value):
    """The kubelet: its version, its unit, and the command line that the running process really has."""

    version: str
    """For example "1.20.2"; empty when no kubelet is installed."""
    installation: str = "other"
    """Who set it up: kubeadm, kubespray, kops, k3s, rke, rke2, k0s, microk8s, or other."""
    unit: UnitFacts = UnitFacts(name="kubelet.service")
    config: str = "/var/lib/kubelet/config.yaml"
    """Path of its configuration file (`--config`)."""
    user: str = ""
    """Who its kubeconfig says that it is, "" when that is not known."""

    @property
    def arguments(self) -> tuple[str, ...]:
        """Its command line; empty when it does not run."""
        return self.unit.arguments

    @property
    def active(self) -> bool:
        """Whether it runs."""
        return self.unit.active


class DockerContainer(Value):
    """A container that Docker has, running or not."""

    id: str
    name: str
    image: str
    running: bool
    pod_uid: str = ""
    """Empty for a container that Kubernetes knows nothing of."""
    runtime: str = ""
    """Low-level runtime that it was made with, "" when not known."""


class DockerImage(Value):
    """An image in Docker's store."""

    id: str
    tags: tuple[Line, ...] = ()
    digests: tuple[Line, ...] = ()
    """`repository@sha256:…`; empty for an image that was never pulled or pushed: it exists only here."""
    size: int = 0
    """Bytes."""

    @property
    def names(self) -> tuple[str, ...]:
        """All that a pod may call it by."""
        return self.tags + self.digests


class DockerFacts(Value):
    """Docker, asked over its API socket, and what its process was started with."""

    version: str
    root: NodePath
    cgroup_driver: str
    """"systemd", "cgroupfs" or "none"."""
    unit: UnitFacts = UnitFacts(name="docker.service")
    config: str = "/etc/docker/daemon.json"
    """Path of its configuration file (`--config-file`)."""
    storage_driver: str = "overlay2"
    default_runtime: str = "runc"
    runtimes: Mapping[str, str] = {}
    """Path of each low-level runtime that it offers; "" for one that is not a path."""
    log_driver: str = "json-file"
    live_restore: bool = False
    security_options: tuple[str, ...] = ()
    containers: tuple[DockerContainer, ...] = ()
    images: tuple[DockerImage, ...] = ()
    containerd: str = ""
    """Socket of the containerd that it uses, "" when not known."""
    embedded: bool = False
    """Whether that containerd is its own child instead of the system's."""
    containerd_store: bool = False
    """Whether images live in containerd already (Docker's containerd image store)."""
    limits: Mapping[str, str] = {}
    """Resource limits of a process in one of its Kubernetes containers, as in `UnitFacts.limits`; {} without any."""
    insecure: Mapping[str, str] = {}
    """What each insecure registry was found to speak: "https", "http", or "" when it did not answer."""


class DockerUnits(Value):
    """Units of the host that have to do with Docker's, as systemd knows them."""

    starters: Mapping[Line, tuple[Told, ...]] = {}
    """Sockets, timers and paths that start docker.service, each with the addresses that it listens at."""
    needing: tuple[Line, ...] = ()
    """Those that stop with Docker, do not start without it, or keep it up."""
    wanting: tuple[Line, ...] = ()
    """Those that start it at each start of their own."""


class CriDockerdFacts(Value):
    """cri-dockerd, which gives Docker a CRI socket."""

    version: str
    unit: UnitFacts = UnitFacts(name="cri-docker.service")


class ContainerdFacts(Value):
    """The system's containerd, as the distribution's unit runs it."""

    version: str
    """Empty when none is installed."""
    unit: UnitFacts = UnitFacts(name="containerd.service")
    effective: str = ""
    """What `containerd config dump` prints, secrets replaced by hashes; "" when it fails."""
    cri: str = ""
    """State of its CRI plugin: "ok", "error", "skip", "disabled", or "" when containerd does not answer."""
    oci_spec: str = ""
    """What `ctr oci spec` prints, where Docker limits containers: what a base runtime specification starts from."""
    images: tuple[str, ...] = ()
    """Images that CRI would find (namespace `k8s.io`)."""
    containers: int = 0
    """Containers of Kubernetes in it."""

    @property
    def active(self) -> bool:
        """Whether it runs."""
        return self.unit.active


class CrioFacts(Value):
    """CRI-O."""

    version: str
    unit: UnitFacts = UnitFacts(name="crio.service")
    effective: str = ""
    """What `crio config` prints; "" when it fails."""


class Reservation(Value):
    """An address that host-local IPAM keeps."""

    network: Line
    address: Line
    container: Line
    """Id of the sandbox that it is kept for."""
    path: NodePath = ""
    """Of the file that says so."""


class CniFacts(Value):
    """Which network configuration counts, and where the plugins are."""

    config: str = ""
    """Name of the first configuration file, the one that every runtime takes."""
    configs: tuple[str, ...] = ()
    """Names of all, in order."""
    plugins: tuple[str, ...] = ()
    """Plugins that the first one names, IPAM included."""
    folders: Mapping[Line, tuple[Line, ...]] = {}
    """Programs found in each folder that the kubelet or a runtime may look into."""
    reservations: tuple[Reservation, ...] = ()


class Credential(Value):
    """A file with registry credentials: that it is there, never what it says."""

    path: str
    sha256: str
    registries: tuple[str, ...] = ()
    """Hosts that it has credentials for."""
    helpers: tuple[str, ...] = ()
    """Credential helpers and stores that it names, which the kubelet does not know."""


class Certificate(Value):
    """A certificate or key for a registry, in Docker's folder layout."""

    path: str
    registry: str
    """Host and port, as its folder is called."""
    kind: str
    """"ca", "client" or "key"."""
    sha256: Sha256
    mode: Mode = "0644"


class Package(Value):
    """An installed package that owns a part of a runtime."""

    name: Line
    version: Line
    held: bool = False
    """Whether the package manager was told to leave it as it is."""


class Component(Value):
    """A part of a control plane that the host runs by itself, or would."""

    name: Literal["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "control-plane"]
    """The last one where only the tier is known."""
    where: Told
    """Path of its static pod's manifest, or the unit of its process."""


class Transaction(Value):
    """A switch that ran on the host, by its journal."""

    last: str = ""
    """Its last action: "done" and "undone" for one that is over, "broken" for one that a person has to look at,
    "damaged" for one whose journal cannot be read."""
    source: Line = ""
    """The runtime that it left, as the kubelet had reported it."""
    annotation: SocketOrNone = None
    """The Node's cri-socket annotation before it; None too for one that was no socket's place."""
    number: int = 0
    """Its place in the order of this node's switches, as the node counts them; 0 for one that was not counted yet."""
    at: float = 0.0
    """When its last action was written down, by the node's clock; 0 when that is not known."""

    @property
    def open(self) -> bool:
        """Whether it is not over: under way, or it needs a person."""
        return self.last not in {"done", "undone"}


class NodeFacts(Value):
    """Everything that was read from one host in one round trip."""

    schema_version: int
    root: bool
    """Whether the facts were read as root; without it most of them are missing."""
    hostname: Line = ""
    machine_id: Line = ""
    addresses: tuple[Line, ...] = ()
    host: HostFacts = HostFacts()
    kubelet: KubeletFacts = KubeletFacts(version="")
    control_plane: tuple[Component, ...] = ()
    docker: DockerFacts | None = None
    """None when no Docker answers."""
    docker_problem: str = ""
    """Why Docker does not answer although it is installed."""
    docker_units: DockerUnits = DockerUnits()
    docker_callers: tuple[Told, ...] = ()
    """Files of units and scheduled jobs that call Docker now and then."""
    agents: tuple[Told, ...] = ()
    """What changes the host by itself: units that are active, and files of other units and of jobs, each with the
    program that it calls."""
    cri_dockerd: CriDockerdFacts | None = None
    containerd: ContainerdFacts = ContainerdFacts(version="")
    crio: CrioFacts | None = None
    low_level: Mapping[str, str] = {}
    """Version of each low-level runtime that was found, by path, for example {"/usr/sbin/runc": "1.1.5"}."""
    cni: CniFacts = CniFacts()
    credentials: tuple[Credential, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    packages: tuple[Package, ...] = ()
    candidates: Mapping[Line, Line] = {}
    """Where no containerd is installed: the version that the package manager would take, by package."""
    leftovers: tuple[str, ...] = ()
    """Paths that another runtime left: dead sockets, checkpoints, folders in a socket's place (these end in "/")."""
    transactions: Mapping[TransactionId, Transaction] = {}
    """Each switch that ran here, by its id."""
    unwritable: Mapping[Line, Told] = {}
    """What keeps a file that a migration may write from being replaced and put back, by its path, or by the folder that
    it would be in."""
    fleeting: Mapping[Line, Fleeting] = {}
    """What a reboot takes away, by the path of a file that a migration may write, of the folder that it would be in, or
    of a runtime's data."""
    problems: tuple[str, ...] = ()
    """Parts that could not be read, and why: what is missing for such a reason must not be taken for absent."""
    files: Mapping[NodePath, FileFact] = {}
    """By path: every file that a migration may read or write."""

    @property
    def open_switches(self) -> tuple[str, ...]:
        """Name the switches that are not over, the newest last."""
        return tuple(name for name in self._by_number if self.transactions[name].open)

    @property
    def newest_switch(self) -> tuple[str, Transaction]:
        """Give the last switch that ran here, with its id; ("", an empty one) when none did.

        One that is not over counts first. The others are in the node's own order: ids have the times of control hosts.
        """
        name = next(reversed(self.open_switches or self._by_number), "")
        return name, self.transactions.get(name, Transaction())

    @property
    def disputed_switches(self) -> tuple[str, ...]:
        """Name the two that may be the newest, by number and by time, where it makes a difference which one is."""
        counted = [name for name in self._by_number if self.transactions[name].at]
        if self.open_switches or not counted:
            return ()
        by_number, by_time = counted[-1], max(counted, key=lambda name: self.transactions[name].at)
        undone = {self.transactions[name].last for name in (by_number, by_time)} == {"undone"}
        return () if by_number == by_time or undone else (by_number, by_time)

    @property
    def _by_number(self) -> tuple[str, ...]:
        switches = self.transactions
        return tuple(sorted(switches, key=lambda name: (switches[name].number, switches[name].at, name)))

    def file(self, path: str) -> FileFact:
        """Give the file at `path`, which may not exist."""
        return self.files.get(path) or _absent(path)


@lru_cache(maxsize=1024)
def _absent(path: str) -> FileFact:
    """Give a file that does not exist: planning asks for the same ones of thousands of nodes."""
    return FileFact(path=path)
