"""The history of each node: what its owner told Docker, and the kubelet, over the years.

A migration that drops one of these settings breaks a pod, or lets it run other than before. Nodes beyond
the second have nothing but the cgroup driver that Kubernetes' documentation asks for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lab import keys, registries
from lab.registries import MIRROR, PROXY, VAULT
from lab.settings import SUITE, Node, Settings

DATA = "/data"
"""Folder in which both nodes keep Docker's data."""

_PROXY_URL = "http://{}:{}".format(*PROXY)
_NO_PROXY = ",".join(["localhost", "127.0.0.0/8", "10.0.0.0/8", ".cluster.local", *registries.HOSTS])


@dataclass(frozen=True)
class History:
    """What makes one node differ from a new one."""

    daemon: Mapping[str, Any] = field(default_factory=dict)
    """Docker's daemon.json."""
    drop_ins: Mapping[str, str] = field(default_factory=dict)
    """Drop-ins of docker.service, by file name."""
    cgroup_driver: str = "systemd"
    """The kubelet's; Docker's stands in `daemon`."""
    data_disk: str = ""
    """Size of a disk of its own for `DATA`, for example "3G"; "" for none."""
    registry_keys: bool = False
    """Whether the node holds the client certificate for `registries.VAULT` and a password for `registries.PRIVATE`."""


_HISTORIES = {
    # Most keys in daemon.json, one on the command line, the proxy in a drop-in: all three must be read.
    1: History(
        daemon={
            "data-root": f"{DATA}/docker",
            "exec-opts": ["native.cgroupdriver=systemd"],
            "registry-mirrors": [f"http://{MIRROR.name}"],
            "insecure-registries": [MIRROR.name],
            "log-driver": "json-file",
            "log-opts": {"max-size": "1m", "max-file": "3"},
            "default-ulimits": {"nofile": {"Name": "nofile", "Soft": 4096, "Hard": 8192}},
            "runtimes": {"crun": {"path": "/usr/bin/crun"}},
            "max-concurrent-downloads": 2,
            "live-restore": False,
            "bip": "172.30.0.1/24",
        },
        drop_ins={
            "label.conf": (
                "[Service]\nExecStart=\n"
                "ExecStart=/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock $DOCKER_OPTS "
                "--label=site=lab\n"
            ),
            "proxy.conf": (
                "[Service]\n"
                f'Environment="HTTP_PROXY={_PROXY_URL}"\n'
                f'Environment="HTTPS_PROXY={_PROXY_URL}"\n'
                f'Environment="NO_PROXY={_NO_PROXY}"\n'
            ),
        },
        registry_keys=True,
    ),
    2: History(
        daemon={
            "data-root": f"{DATA}/docker",
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
            "log-driver": "json-file",
            "log-opts": {"max-size": "500k", "max-file": "4"},
        },
        cgroup_driver="cgroupfs",
        data_disk="3G",
    ),
}
_PLAIN = History(daemon={"exec-opts": ["native.cgroupdriver=systemd"]})
"""Of all other nodes on Docker: the one setting that Kubernetes' documentation asks for."""


def history(node: Node) -> History:
    """Give a node's history. Only nodes of the usual suite on Docker have one: another Docker takes other settings."""
    if node.runtime != "docker":
        return History()
    return _HISTORIES.get(node.number, _PLAIN) if node.suite == SUITE else _PLAIN


@dataclass(frozen=True)
class File:
    """A file on a node."""

    path: str
    text: str
    mode: str = "0644"


def files(settings: Settings, node: Node) -> list[File]:
    """Give every file that the history put on the node."""
    past = history(node)
    found = [File(f"/etc/systemd/system/docker.service.d/{name}", text) for name, text in past.drop_ins.items()]
    if past.daemon:
        found.append(File("/etc/docker/daemon.json", json.dumps(past.daemon, indent=2) + "\n"))
    if past.registry_keys:
        folder = f"/etc/docker/certs.d/{VAULT.name}"
        client = keys.certificate(settings, VAULT.authority, f"client-of-{VAULT.host}")
        found += [
            File(f"{folder}/ca.crt", keys.authority(settings, VAULT.authority).certificate.read_text()),
            File(f"{folder}/client.cert", client.certificate.read_text()),
            File(f"{folder}/client.key", client.key.read_text(), "0600"),
            File("/var/lib/kubelet/config.json", registries.credentials("node"), "0600"),
        ]
    return found


def script(settings: Settings, node: Node) -> str:
    """Give the shell script that turns a freshly booted guest into the node with this history, Docker restarted."""
    lines = []
    if history(node).data_disk:
        lines += [
            "mkfs.ext4 -q -L data /dev/vdb",
            f"mkdir -p {DATA}",
            f"echo 'LABEL=data {DATA} ext4 defaults,noatime 0 2' >> /etc/fstab",
            "systemctl daemon-reload",
            f"mount {DATA}",
        ]
    for file in files(settings, node):
        lines.append(f"install -D -m {file.mode} /dev/stdin {file.path} <<'EOF'\n{file.text.rstrip()}\nEOF")
    if lines:
        # What Docker made at its first start, before it had these settings, is of no use to anybody.
        lines += [
            "systemctl daemon-reload",
            "systemctl stop docker.socket docker.service",
            "rm -rf /var/lib/docker",
            "systemctl start docker.service",
        ]
    return "".join(f"{line}\n" for line in lines)


def described(settings: Settings) -> str:
    """Write all histories down as text; another text means that nodes must be made anew."""
    return "".join(f"{node.name} {history(node)}\n{script(settings, node)}" for node in settings.nodes)
