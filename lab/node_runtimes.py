"""What a node's kubelet talks to: Docker, cri-dockerd, containerd or CRI-O, as an administrator sets them up."""

from __future__ import annotations

from lab import images, services
from lab.settings import Node

_CONTAINERD_1 = f"""version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{images.PAUSE}"
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "/etc/cni/net.d"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = true
"""
_CONTAINERD_2 = f"""version = 3
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "{images.PAUSE}"
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ["/usr/lib/cni"]
  conf_dir = "/etc/cni/net.d"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
  SystemdCgroup = true
"""
_CRIO = f"""[crio]
storage_driver = "overlay"
[crio.runtime]
cgroup_manager = "systemd"
conmon_cgroup = "system.slice"
default_runtime = "runc"
[crio.runtime.runtimes.runc]
runtime_path = "/usr/sbin/runc"
monitor_path = "/usr/bin/conmon"
[crio.image]
pause_image = "{images.PAUSE}"
[crio.network]
network_dir = "/etc/cni/net.d"
plugin_dirs = ["/usr/lib/cni"]
"""
_CRIO_UNIT = """[Unit]
Wants=network-online.target
Before=kubelet.service
After=network-online.target

[Service]
Type=notify
ExecStart=/usr/local/bin/crio
Restart=on-failure
LimitNOFILE=1048576
LimitNPROC=1048576
TasksMax=infinity
Delegate=yes
KillMode=process

[Install]
WantedBy=multi-user.target
"""
_CRI_DOCKERD_UNIT = f"""[Unit]
After=docker.service
Requires=docker.service
Before=kubelet.service

[Service]
ExecStart=/usr/local/bin/cri-dockerd --container-runtime-endpoint unix:///var/run/cri-dockerd.sock \
--network-plugin=cni --cni-bin-dir=/usr/lib/cni --cni-conf-dir=/etc/cni/net.d --pod-infra-container-image={images.PAUSE}
Restart=always
Delegate=yes
KillMode=process

[Install]
WantedBy=multi-user.target
"""
_NO_DOCKER = "dpkg --purge docker.io docker-cli >/dev/null 2>&1\n"
_SECONDS = 60


def script(node: Node) -> str:
    """Give the shell script that sets the node's runtime up, and ends when it answers."""
    lines = _SCRIPTS[node.runtime](node)
    if node.dockershim:
        return lines
    path = node.socket.removeprefix("unix://")
    return f"{lines}for _ in $(seq {_SECONDS}); do test ! -S {path} || break; sleep 1; done\ntest -S {path}\n"


def _docker(node: Node) -> str:
    serving = "until docker version >/dev/null 2>&1; do sleep 1; done\n"
    if node.dockershim:
        return serving
    unit = written("/etc/systemd/system/cri-docker.service", _CRI_DOCKERD_UNIT)
    return serving + _fetched("cri-dockerd") + unit + _started("cri-docker")


def _containerd(_: Node) -> str:
    return _NO_DOCKER + written("/etc/containerd/config.toml", _CONTAINERD_1) + _started("containerd")


def _containerd_2(_: Node) -> str:
    package = f"/root/{services.CONTAINERD_2}"
    return (
        _NO_DOCKER
        + f"curl -sSf -o {package} {services.PROGRAMS}/{services.CONTAINERD_2}\n"
        # It is another Debian's, and asks for libraries as new as that one's; it runs with older ones.
        + f"dpkg --install --force-depends --force-confnew {package} >/dev/null 2>&1\n"
        + written("/etc/containerd/config.toml", _CONTAINERD_2)
        + _started("containerd")
    )


def _crio(_: Node) -> str:
    return (
        "apt-get -q update >/dev/null\napt-get -q -y --no-install-recommends install conmon skopeo >/dev/null\n"
        + _NO_DOCKER
        + "systemctl disable -q --now containerd\n"
        + _fetched("crio", "pinns")
        + written("/etc/crio/crio.conf.d/10-lab.conf", _CRIO)
        + written("/etc/containers/policy.json", '{"default": [{"type": "insecureAcceptAnything"}]}')
        + written("/etc/containers/registries.conf", 'unqualified-search-registries = ["docker.io"]')
        + written("/etc/systemd/system/crio.service", _CRIO_UNIT)
        + _started("crio")
    )


_SCRIPTS = {"docker": _docker, "containerd": _containerd, "containerd-2": _containerd_2, "cri-o": _crio}


def _fetched(*names: str) -> str:
    return "".join(
        f"curl -sSf -o /usr/local/bin/{name} {services.PROGRAMS}/{name}\nchmod 755 /usr/local/bin/{name}\n"
        for name in names
    )


def _started(unit: str) -> str:
    return f"systemctl daemon-reload\nsystemctl enable -q {unit}.service\nsystemctl restart {unit}.service\n"


def written(path: str, text: str) -> str:
    """Give the lines of a shell script that write a file, and its folder."""
    return f"install -D -m 0644 /dev/stdin {path} <<'END'\n{text.rstrip()}\nEND\n"
