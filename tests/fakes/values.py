"""A node as the lab's are, to be changed by each test where it matters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import TypeVar

from migrator.model.base import Value
from migrator.model.facts import SCHEMA as FACTS_SCHEMA
from migrator.model.facts import (
    CniFacts,
    ContainerdFacts,
    Disk,
    DockerContainer,
    DockerFacts,
    DockerImage,
    FileFact,
    HostFacts,
    KubeletFacts,
    NodeFacts,
    Package,
    UnitFacts,
)
from migrator.model.host_settings import HostSettings
from migrator.model.kubernetes import CRI_SOCKET, Node, Pod
from migrator.nodeconf.settings import Handler, RuntimeSettings
from migrator.planning.cluster_capacity import ClusterCapacity, Resources
from migrator.planning.inputs import NodeInputs, Translation
from migrator.runtimes.destination import Destination

MACHINE = "0123456789abcdef0123456789abcdef"
ADDRESS = "10.77.0.11"
CLOCK = 1_767_225_600.0
"""When the facts were read, on both sides."""
GIB = 1024**3
PAUSE = "registry.example/pause:3.2"
KUBEADM_ENV = f'KUBELET_KUBEADM_ARGS="--network-plugin=cni --pod-infra-container-image={PAUSE}"\n'
KUBELET_UNIT = "/lib/systemd/system/kubelet.service"
KUBELET_DROP_IN = "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf"
DOCKER_UNIT = "/lib/systemd/system/docker.service"
CONTAINERD_UNIT = "/lib/systemd/system/containerd.service"
UNIT_TEXT = """[Service]
ExecStart=/usr/bin/kubelet
Restart=always
"""
DROP_IN_TEXT = r"""[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf \
--kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
"""
DOCKER_UNIT_TEXT = """[Unit]
Wants=containerd.service

[Service]
ExecStart=/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock
LimitNOFILE=1048576
"""
CONTAINERD_UNIT_TEXT = """[Service]
ExecStart=/usr/bin/containerd
LimitNOFILE=1048576
"""
DEBIAN_CONTAINERD = """version = 2

[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    [plugins."io.containerd.grpc.v1.cri".cni]
      bin_dir = "/usr/lib/cni"
      conf_dir = "/etc/cni/net.d"
"""
_FILES = {
    "kubeadm_env": ("/var/lib/kubelet/kubeadm-flags.env", KUBEADM_ENV),
    "default": ("/etc/default/kubelet", "KUBELET_EXTRA_ARGS=--cni-bin-dir=/usr/lib/cni\n"),
    "config": ("/var/lib/kubelet/config.yaml", "cgroupDriver: systemd\n"),
    "containerd": ("/etc/containerd/config.toml", DEBIAN_CONTAINERD),
    "daemon": ("/etc/docker/daemon.json", ""),
    "kubelet_unit": (KUBELET_UNIT, UNIT_TEXT),
    "kubelet_drop_in": (KUBELET_DROP_IN, DROP_IN_TEXT),
    "docker_unit": (DOCKER_UNIT, DOCKER_UNIT_TEXT),
    "containerd_unit": (CONTAINERD_UNIT, CONTAINERD_UNIT_TEXT),
}

AnyValue = TypeVar("AnyValue", bound=Value)


def changed(value: AnyValue, update: Mapping[str, object]) -> AnyValue:
    """Give `value` with other fields; a name that it does not have is a mistake of the test."""
    unknown = set(update) - set(type(value).model_fields)
    if unknown:
        raise TypeError(f"{type(value).__name__} has no {', '.join(sorted(unknown))}")
    return value.model_copy(update=update)


def file(path: str, content: str) -> FileFact:
    """Give a file of root's."""
    return FileFact(path=path, exists=True, content=content, mode="0644", owner="root", group="root", sha256="x" * 64)


def files(**contents: str) -> dict[str, FileFact]:
    """Give the files that a node of the lab has; a keyword is a short name with other content, "" for no file."""
    if unknown := set(contents) - set(_FILES):
        raise TypeError(f"no file is called {', '.join(sorted(unknown))}")
    found = {path: file(path, contents.get(name, content)) for name, (path, content) in _FILES.items()}
    return {path: fact for path, fact in found.items() if fact.content}


def kubelet(**update: object) -> KubeletFacts:
    """Give the kubelet of the healthy node; `arguments`, `active` and other words of its unit go there."""
    healthy = KubeletFacts(
        version="1.20.2",
        installation="kubeadm",
        user="system:node:worker-1",
        unit=UnitFacts(
            name="kubelet.service",
            active=True,
            enabled=True,
            fragments=(KUBELET_UNIT, KUBELET_DROP_IN),
            environment_files=("/var/lib/kubelet/kubeadm-flags.env", "/etc/default/kubelet"),
            program="/usr/bin/kubelet",
            arguments=(
                "--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf",
                "--kubeconfig=/etc/kubernetes/kubelet.conf",
                "--config=/var/lib/kubelet/config.yaml",
                "--network-plugin=cni",
                f"--pod-infra-container-image={PAUSE}",
                "--cni-bin-dir=/usr/lib/cni",
            ),
        ),
    )
    return _with_unit(healthy, update)


def docker(**update: object) -> DockerFacts:
    """Give the Docker of the healthy node; words of its unit go there."""
    healthy = DockerFacts(
        version="20.10.24",
        root="/var/lib/docker",
        cgroup_driver="systemd",
        unit=UnitFacts(
            name="docker.service",
            active=True,
            enabled=True,
            fragments=(DOCKER_UNIT,),
            program="/usr/sbin/dockerd",
            arguments=("-H", "fd://", "--containerd=/run/containerd/containerd.sock"),
            wants=("containerd.service",),
        ),
        runtimes={"runc": "runc"},
        containers=(
            DockerContainer(id="a", name="k8s_web", image="web:1", running=True, pod_uid="uid-web", runtime="runc"),
            DockerContainer(id="b", name="foreign", image="other:1", running=True, runtime="runc"),
        ),
        images=(image(PAUSE), image("web:1"), image("unused:1")),
        containerd="/run/containerd/containerd.sock",
        limits={"nofile": "1048576:1048576"},
    )
    return _with_unit(healthy, update)


def containerd(**update: object) -> ContainerdFacts:
    """Give the containerd of the healthy node, which Docker uses too; words of its unit go there."""
    healthy = ContainerdFacts(
        version="1.6.20",
        unit=UnitFacts(
            name="containerd.service",
            active=True,
            enabled=True,
            fragments=(CONTAINERD_UNIT,),
            program="/usr/bin/containerd",
            limits={"nofile": "1048576:1048576"},
        ),
        effective=DEBIAN_CONTAINERD,
        cri="ok",
    )
    return _with_unit(healthy, update)


def image(tag: str, **update: object) -> DockerImage:
    """Give an image that was pulled once; its tag stands for its contents too."""
    identity = f"sha256:{sha256(tag.encode()).hexdigest()}"
    repository = tag.rpartition(":")[0]
    pulled = DockerImage(id=identity, tags=(tag,), digests=(f"{repository}@{identity}",), size=50_000_000)
    return changed(pulled, update)


def facts(**update: object) -> NodeFacts:
    """Give the facts of a healthy Docker node."""
    healthy = NodeFacts(
        schema_version=FACTS_SCHEMA,
        root=True,
        hostname="worker-1",
        machine_id=MACHINE,
        addresses=(ADDRESS,),
        host=HostFacts(
            os="Debian GNU/Linux 12 (bookworm)",
            os_id="debian",
            kernel="6.1.0",
            architecture="x86_64",
            security_modules=("apparmor",),
            modules=("br_netfilter", "overlay"),
            sysctls={"net.bridge.bridge-nf-call-iptables": "1", "net.ipv4.ip_forward": "1"},
            forward_policy="ACCEPT",
            disks=(
                Disk(path="/var/lib/docker", mount="/", kind="ext4", size=40 * GIB, free=30 * GIB),
                Disk(path="/var/lib/containerd", mount="/", kind="ext4", size=40 * GIB, free=30 * GIB),
            ),
            clock=CLOCK,
        ),
        kubelet=kubelet(),
        docker=docker(),
        containerd=containerd(),
        low_level={"/usr/sbin/runc": "1.1.5"},
        cni=CniFacts(
            config="10-lab.conflist",
            configs=("10-lab.conflist",),
            plugins=("bridge", "host-local", "portmap"),
            folders={"/usr/lib/cni": ("bridge", "host-local", "loopback", "portmap")},
        ),
        packages=(
            Package(name="containerd", version="1.6.20~ds1-1+deb12u3"),
            Package(name="docker.io", version="20.10.24+dfsg1-1+deb12u1"),
            Package(name="runc", version="1.1.5+ds1-1+deb12u1"),
        ),
        files=files(),
    )
    return changed(healthy, update)


def node(**update: object) -> Node:
    """Give the Node object of the same node."""
    healthy = Node(
        name="worker-1",
        machine_id=MACHINE,
        runtime="docker://20.10.24",
        kubelet_version="v1.20.2",
        ready=True,
        unschedulable=False,
        heartbeat="2026-01-01T00:00:00Z",
        addresses=(ADDRESS,),
        annotations={CRI_SOCKET: "/var/run/dockershim.sock"},
        cpu=4000,
        memory=8 * GIB,
        room=110,
    )
    return changed(healthy, update)


def pod(name: str, **update: object) -> Pod:
    """Give a running pod of a Deployment."""
    running = Pod(
        namespace="shop",
        name=name,
        uid=f"uid-{name}",
        node="worker-1",
        phase="Running",
        owner="ReplicaSet/web",
        ready=True,
        labels={"app": name},
        images=("web:1",),
        container_ids=("docker://a",),
        cpu=100,
        memory=64 * 1024**2,
    )
    return replace(running, **update)  # type: ignore[arg-type]  # a test says which fields, of any type


def fleet(**update: object) -> ClusterCapacity:
    """Give a cluster of two workers with room, in which the Deployment of `pod` has two pods."""
    free = {"worker-1": Resources(3900, 7 * GIB, 100), "worker-2": Resources(3900, 7 * GIB, 100)}
    plain = ClusterCapacity(free=free, total=Resources(7800, 14 * GIB, 200), replicas={("shop", "ReplicaSet/web"): 2})
    return replace(plain, **update)  # type: ignore[arg-type]


def situation(**update: object) -> NodeInputs:
    """Give a node that can be migrated."""
    plain = NodeInputs(
        host="worker-1",
        target=HostSettings(),
        facts=facts(),
        node=node(),
        pods=(pod("web"),),
        fleet=fleet(),
        observed_at=CLOCK,
    )
    return replace(plain, **update)  # type: ignore[arg-type]


def settings(**update: object) -> RuntimeSettings:
    """Give the neutral settings of the healthy node."""
    plain = RuntimeSettings(
        cgroup_driver="systemd",
        cni_bin_dirs=("/usr/lib/cni",),
        cni_conf_dir="/etc/cni/net.d",
        pause_image=PAUSE,
        storage="overlay2",
        default_handler="runc",
        handlers=(Handler(name="runc"),),
    )
    return changed(plain, update)


def draft(**update: object) -> Translation:
    """Give what was drafted for the healthy node."""
    plain = Translation(
        destination=Destination(runtime="containerd", version=(1, 6), kubelet=(1, 20)),
        settings=settings(),
        images=(PAUSE, "web:1"),
    )
    return replace(plain, **update)  # type: ignore[arg-type]


def _with_unit(value: AnyValue, update: Mapping[str, object]) -> AnyValue:
    """Change `value`; what it has no field for belongs to its unit."""
    own = set(type(value).model_fields)
    outer = {name: given for name, given in update.items() if name in own}
    inner = {name: given for name, given in update.items() if name not in own}
    if inner:
        unit: UnitFacts = value.unit  # type: ignore[attr-defined]
        outer["unit"] = changed(unit, inner)
    return changed(value, outer)
