"""A node as the lab's are, to be changed by each test where it matters."""

from __future__ import annotations

from migrator.model.facts import (
    CniFacts,
    ContainerdFacts,
    DockerContainer,
    DockerFacts,
    FileFact,
    KubeletFacts,
    NodeFacts,
)
from migrator.model.objects import CRI_SOCKET, Node, Pod
from migrator.model.target import Target
from migrator.planning.situation import Situation

MACHINE = "0123456789abcdef0123456789abcdef"
KUBEADM_ENV = 'KUBELET_KUBEADM_ARGS="--network-plugin=cni --pod-infra-container-image=registry.example/pause:3.2"\n'
DEBIAN_CONTAINERD = """version = 2

[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    [plugins."io.containerd.grpc.v1.cri".cni]
      bin_dir = "/usr/lib/cni"
      conf_dir = "/etc/cni/net.d"
"""


def file(path: str, content: str) -> FileFact:
    """Give a file of root's."""
    return FileFact(path=path, exists=True, content=content, mode="0644", owner="root", group="root", sha256="x" * 64)


def files(**contents: str) -> dict[str, FileFact]:
    """Give the files that a node of the lab has; a keyword is a short name with other content."""
    names = {
        "kubeadm_env": ("/var/lib/kubelet/kubeadm-flags.env", KUBEADM_ENV),
        "default": ("/etc/default/kubelet", "KUBELET_EXTRA_ARGS=--cni-bin-dir=/usr/lib/cni\n"),
        "config": ("/var/lib/kubelet/config.yaml", "cgroupDriver: systemd\n"),
        "containerd": ("/etc/containerd/config.toml", DEBIAN_CONTAINERD),
        "daemon": ("/etc/docker/daemon.json", ""),
    }
    found = {path: file(path, contents.get(name, content)) for name, (path, content) in names.items()}
    return {path: fact for path, fact in found.items() if fact.content}


def facts(**update: object) -> NodeFacts:
    """Give the facts of a healthy Docker node."""
    healthy = NodeFacts(
        schema_version=1,
        root=True,
        hostname="worker-1",
        machine_id=MACHINE,
        os="Debian GNU/Linux 12 (bookworm)",
        kernel="6.1.0",
        kubelet=KubeletFacts(
            version="1.20.2",
            arguments=(
                "--config=/var/lib/kubelet/config.yaml",
                "--network-plugin=cni",
                "--pod-infra-container-image=registry.example/pause:3.2",
                "--cni-bin-dir=/usr/lib/cni",
            ),
            active=True,
        ),
        docker=DockerFacts(
            version="20.10.24",
            root="/var/lib/docker",
            cgroup_driver="systemd",
            containers=(
                DockerContainer(id="a", name="k8s_web", image="web:1", running=True, pod_uid="uid-web"),
                DockerContainer(id="b", name="foreign", image="other:1", running=True),
            ),
            images=("registry.example/pause:3.2", "web:1", "unused:1"),
        ),
        containerd=ContainerdFacts(version="1.6.20", active=True),
        cni=CniFacts(
            config="10-lab.conflist",
            plugins=("bridge", "host-local", "portmap"),
            folders={"/usr/lib/cni": ("bridge", "host-local", "loopback", "portmap")},
        ),
        files=files(),
    )
    return healthy.model_copy(update=update)


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
        annotations={CRI_SOCKET: "/var/run/dockershim.sock"},
    )
    return healthy.model_copy(update=update)


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
    )
    return running.model_copy(update=update)


def situation(**update: object) -> Situation:
    """Give a node that can be migrated."""
    plain = Situation(host="worker-1", target=Target(), facts=facts(), node=node(), pods=(pod("web"),))
    return plain.model_copy(update=update)
