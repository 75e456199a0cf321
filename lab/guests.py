"""Talk to a guest over SSH, and turn a booted guest into a node of the cluster."""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path

from lab import docker_settings, images, kubeadm, network, node_runtimes, shell, waiting
from lab.node_runtimes import written
from lab.settings import USER, Node, Settings

_BOOT_SECONDS = 300
STATIC_POD = "edge"


def ssh_options(settings: Settings) -> list[str]:
    """Give the SSH options that reach a guest: its host key is new with each lab, so it is not pinned."""
    return [
        "-i", str(settings.ssh_key), "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no",
        "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=10",
        "-o", "ServerAliveInterval=15",
    ]  # fmt: skip


def ssh_command(settings: Settings, node: Node, words: list[str], *, user: str = USER) -> list[str]:
    """Give the command line that runs `words` on the guest (an interactive shell when there are none)."""
    command = shlex.join(words) if words else ""
    return network.inside(
        settings, ["ssh", *ssh_options(settings), f"{user}@{node.address}", *([command] if command else [])]
    )


def run(settings: Settings, node: Node, words: list[str], *, stdin: str | None = None, seconds: float = 300) -> str:
    """Run a command on the guest as root and return what it prints."""
    return shell.run(ssh_command(settings, node, ["sudo", *words]), stdin=stdin or "", timeout=seconds)


def script(settings: Settings, node: Node, text: str, *, seconds: float = 600) -> str:
    """Run a shell script on the guest as root; it stops at the first command that fails."""
    return run(settings, node, ["sh", "-eu", "-s"], stdin=text, seconds=seconds)


def answers(settings: Settings, node: Node) -> bool:
    """Tell whether the guest takes SSH connections."""
    return waiting.succeeds(ssh_command(settings, node, ["true"]), seconds=30)


def await_boot(settings: Settings, node: Node) -> None:
    """Return when SSH answers. Raises `LabError` after five minutes."""
    waiting.until(
        lambda: answers(settings, node), f"{node.name} answers to SSH (`lab logs {node.name}`)", seconds=_BOOT_SECONDS
    )


def set_clock(settings: Settings, node: Node) -> None:
    """Put the guest's clock right: a restored guest still believes in the time of its snapshot."""
    run(settings, node, ["date", "-s", f"@{time.time():.0f}"])


def join(settings: Settings, node: Node) -> None:
    """Make the guest a node, as an administrator would: Docker's settings, the network's, then `kubeadm join`."""
    peers = "".join(f"{other.address} {other.name}\n" for other in settings.nodes)
    script(
        settings,
        node,
        f"cat >> /etc/hosts <<'EOF'\n{peers}EOF\n{written('/etc/cni/net.d/10-lab.conflist', _cni(node))}",
    )
    script(settings, node, docker_settings.script(settings, node))
    script(
        settings, node,
        node_runtimes.script(node)
        + "systemctl enable kubelet.service\n"
        + _joining(node, docker_settings.history(node).cgroup_driver)
        + written(f"/etc/kubernetes/manifests/{STATIC_POD}.yaml", _static_pod()),
    )  # fmt: skip


def _joining(node: Node, cgroup_driver: str) -> str:
    """Give the commands that join, with this cgroup driver in the kubelet's file instead of the cluster's.

    kubeadm writes that file and starts the kubelet in one go, and a kubelet whose driver is not Docker's
    ends at once. So the file is changed between the two, by a drop-in that is gone afterwards.
    """
    join = shlex.join(kubeadm.join_command(node)) + "\n"
    if cgroup_driver == kubeadm.CGROUP_DRIVER:
        return join
    folder = "/run/systemd/system/kubelet.service.d"
    change = f"s/^cgroupDriver:.*/cgroupDriver: {cgroup_driver}/"
    return (
        f"mkdir -p {folder}\n"
        + written(f"{folder}/join.conf", f"[Service]\nExecStartPre=/bin/sed -i '{change}' /var/lib/kubelet/config.yaml")
        + f"systemctl daemon-reload\n{join}rm -r {folder}\nsystemctl daemon-reload\n"
    )


def add_docker_only_things(settings: Settings, node: Node) -> None:
    """Give a node on Docker what Kubernetes knows nothing of: a container of its owner's, and on worker-1 an image."""
    if node.runtime != "docker":
        return
    script(
        settings, node,
        f"docker pull -q {images.BUSYBOX}\n"
        f"docker run -d --name foreign --restart=always {images.BUSYBOX} -c 'trap \"exit 0\" TERM; "
        "sleep 1000000 & wait'\n",
    )  # fmt: skip
    if node.number == 1:
        script(
            settings, node,
            "folder=$(mktemp -d)\ncd $folder\necho built on this node > note\n"
            f"printf 'FROM {images.BUSYBOX}\\nCOPY note /note\\n' > Dockerfile\n"
            "docker build -q -t local/only-here:1 .\ncd /\nrm -r $folder\n",
        )  # fmt: skip


def _cni(node: Node) -> str:
    return json.dumps(
        {
            "cniVersion": "0.4.0",
            "name": "lab",
            "plugins": [
                {
                    "type": "bridge",
                    "bridge": "cni0",
                    "isGateway": True,
                    "ipMasq": False,
                    "hairpinMode": True,
                    "ipam": {
                        "type": "host-local",
                        "ranges": [[{"subnet": node.pod_subnet}]],
                        "routes": [{"dst": "0.0.0.0/0"}],
                    },
                },
                {"type": "portmap", "capabilities": {"portMappings": True}},
            ],
        },
        indent=2,
    )


def _static_pod() -> str:
    return f"""apiVersion: v1
kind: Pod
metadata: {{name: {STATIC_POD}, namespace: kube-system, labels: {{app: {STATIC_POD}}}}}
spec:
  priorityClassName: system-node-critical
  containers:
  - name: {STATIC_POD}
    image: {images.BUSYBOX}
    args: ["-c", "trap 'exit 0' TERM; sleep 1000000 & wait"]
    resources: {{requests: {{cpu: 10m, memory: 8Mi}}, limits: {{memory: 32Mi}}}}"""


def console_tail(path: Path, lines: int) -> str:
    """Give the last lines of a log file."""
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
