"""Settings and files for containerd, for unit tests and for real containerds (tests/lab/test_0_parsers.py)."""

from typing import Any

from migrator.nodeconf.settings import Endpoint, Handler, Registry, RuntimeSettings

VERSIONS = [(1, 4), (1, 5), (1, 6), (1, 7), (2, 0), (2, 1), (2, 2), (2, 3)]
PLAIN = RuntimeSettings(
    cgroup_driver="systemd", cni_bin_dirs=("/usr/lib/cni",), pause_image="registry.example/pause:3.2"
)
MIRRORED = (
    Registry(
        name="docker.io",
        server=Endpoint(url="https://registry-1.docker.io"),
        mirrors=(
            Endpoint(url="https://mirror.example:5000/hub", ca=("/etc/docker/certs.d/mirror.example:5000/ca.crt",)),
            Endpoint(url="http://plain.example"),
        ),
    ),
    Registry(name="lab.example:5000", server=Endpoint(url="https://lab.example:5000", skip_verify=True, fallback_http=True)),
    Registry(
        name="signed.example",
        server=Endpoint(url="https://signed.example", clients=(("/etc/docker/certs.d/signed.example/client.cert", "/etc/docker/certs.d/signed.example/client.key"),)),
    ),
)  # fmt: skip
SETTINGS = {
    "systemd": PLAIN,
    "cgroupfs": PLAIN.model_copy(update={"cgroup_driver": "cgroupfs"}),
    "two CNI folders": PLAIN.model_copy(update={"cni_bin_dirs": ("/opt/cni/bin", "/usr/lib/cni"), "cni_conf_dir": "/etc/cni/other.d"}),
    "other folders": PLAIN.model_copy(update={"root": "/srv/containerd", "state": "/run/other"}),
    "handlers": PLAIN.model_copy(
        update={
            "default_handler": "crun",
            "handlers": (
                Handler(name="crun", program="/usr/bin/crun"),
                Handler(name="kata", kind="io.containerd.kata.v2", options={"ConfigPath": "/etc/kata.toml"}),
                Handler(name="nvidia", program="/usr/bin/nvidia-container-runtime", options={"NoPivotRoot": True}),
            ),
        }
    ),
    "registries": PLAIN.model_copy(update={"registries": MIRRORED}),
    "vfs": PLAIN.model_copy(update={"storage": "vfs"}),
    "what pods may": PLAIN.model_copy(update={"unprivileged_ports": True, "unprivileged_ping": True, "cdi": True, "cdi_folders": ("/etc/cdi", "/srv/cdi")}),
    "SELinux": PLAIN.model_copy(update={"selinux": True}),
    "for operators": PLAIN.model_copy(update={"max_downloads": 7, "log_level": "debug", "log_format": "json", "metrics_address": "127.0.0.1:1338"}),
}  # fmt: skip
"""What containerd is told, by what is special about it."""

DEBIAN = """version = 2

[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    [plugins."io.containerd.grpc.v1.cri".cni]
      bin_dir = "/usr/lib/cni"
      conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.internal.v1.opt"]
    path = "/var/lib/containerd/opt"
"""
DOCKER = """#   Licensed to you, as is.

disabled_plugins = ["cri"]

#root = "/var/lib/containerd"
#state = "/run/containerd"
#oom_score = 0

#[grpc]
#  address = "/run/containerd/containerd.sock"

#[debug]
#  level = "info"
"""
USERS = """version = 2 # since 2021
root = "/data/containerd" # the big disk

[grpc]
  address = "/run/containerd/containerd.sock"

# everything of CRI
[plugins."io.containerd.grpc.v1.cri"]
  # from our mirror
  sandbox_image = "mirror.example/pause:3.1"
  stream_server_port = "10010" # open in the firewall
  restrict_oom_score_adj = true # inside a container
  [plugins."io.containerd.grpc.v1.cri".containerd]
    # faster
    discard_unpacked_layers = true
    default_runtime_name = "nvidia"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.nvidia]
      # for the GPUs
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.nvidia.options]
        BinaryName = "/usr/bin/nvidia-container-runtime"
"""
SCATTERED = """version = 2
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
[debug]
level = "warn"
# the rest of CRI
[plugins."io.containerd.grpc.v1.cri"]
# of ours
sandbox_image = "x"
"""
MIRRORS = """version = 2
[plugins."io.containerd.grpc.v1.cri".registry.mirrors."docker.io"]
  endpoint = ["https://hub.example/v2/proxy", "https://registry-1.docker.io"]
[plugins."io.containerd.grpc.v1.cri".registry.configs."hub.example".tls]
  ca_file = "/etc/ssl/hub.crt"
[plugins."io.containerd.grpc.v1.cri".registry.configs."hub.example".auth]
  username = "user"
"""
FILES = {
    "none": "",
    "Debian's": DEBIAN,
    "Docker's": DOCKER,
    "a user's": USERS,
    "mirrors": MIRRORS,
    "scattered": SCATTERED,
}
"""Files that are found on nodes."""
_CRI = 'plugins."io.containerd.grpc.v1.cri"'
LAYOUTS = {
    "comments behind headers": f"""version = 2
[{_CRI}.containerd.runtimes.runc] # the handler
runtime_type = "io.containerd.runc.v2"
[grpc]
gid = 0
[{_CRI}.containerd] # all of it
default_runtime_name = "runc"
""",
    "registries apart, and empty": f"""version = 2
[{_CRI}.registry.mirrors]
[timeouts]
[{_CRI}.registry.configs] # none
""",
    "plugins in two places": f"""version = 2
# comment above
  [plugins.'io.containerd.grpc.v1.cri']
    stream_server_address = '127.0.0.1'
    [plugins.'io.containerd.grpc.v1.cri'.cni]
# about bin_dir
      bin_dir="/srv/h8/opt/cni/bin"
  [plugins."io.containerd.snapshotter.v1.aufs"]
[plugins]
  "io.containerd.snapshotter.v1.devmapper".base_image_size = "x"
  'io.containerd.snapshotter.v1.overlayfs' = {{}}
      [{_CRI}.containerd.runtimes] # t
  [plugins."io.containerd.runtime.v2.task"]
""",
    "no mirrors": f"version = 2\n[{_CRI}.registry.mirrors]\n",
    "no configs": f"version = 2\n[{_CRI}.registry.configs]\n",
    "a handler with dots": f"""version = 2
[{_CRI}.containerd.runtimes]
nvidia.runtime_type = "io.containerd.runc.v2" # as the vendor says
""",
    "all inline": """version = 2
plugins = {"io.containerd.grpc.v1.cri" = {containerd = {runtimes = {nvidia = {runtime_type = "io.containerd.runc.v2"}}}}} # short
""",
    "kata by default": f"""version = 2
[{_CRI}.containerd]
default_runtime_name = "kata"
[{_CRI}.containerd.runtimes.kata]
runtime_type = "io.containerd.kata.v2"
""",
}
"""Layouts that containerd reads, and that an editor stumbles over."""

CRI = ("plugins", "io.containerd.grpc.v1.cri")
RUNTIME = ("plugins", "io.containerd.cri.v1.runtime")
IMAGES = ("plugins", "io.containerd.cri.v1.images")
TRANSFER = ("plugins", "io.containerd.transfer.v1.local")


def at(document: dict[str, Any], *path: str) -> Any:
    """Give the value at a path, None where there is none."""
    for name in path:
        document = document.get(name, {}) if isinstance(document, dict) else {}
    return None if document == {} else document
