"""The neutral settings between readers and writers."""

from __future__ import annotations

import re
from collections.abc import Mapping

from migrator.model.base import Value

_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")


def has_user(url: str) -> bool:
    """Tell whether an address names whom it is used by: a password, or a token that stands alone.

    It may lack a scheme, and a password may hold anything, so that the last @ counts.
    """
    return bool(_SCHEME.sub("", url).rpartition("@")[0].strip(":"))


class Endpoint(Value):
    """One address that images are pulled from."""

    url: str
    """With scheme, host, and possibly port and path; without a trailing slash. The API is at `/v2` below it."""
    override_path: bool = False
    """Whether the API is at the URL itself instead, as for a proxy project of some registries."""
    skip_verify: bool = False
    """Whether its TLS certificate is not checked."""
    fallback_http: bool = False
    """Whether HTTP is tried after HTTPS, because nobody knows which of them it speaks."""
    ca: tuple[str, ...] = ()
    """Paths, on the node, of certificate authorities for it."""
    clients: tuple[tuple[str, str], ...] = ()
    """Paths, on the node, of client certificates and their keys."""


class Registry(Value):
    """Where images of one registry come from."""

    name: str
    """As in image names: host and port, or "docker.io"."""
    server: Endpoint
    """The registry itself, asked when no mirror has the image."""
    mirrors: tuple[Endpoint, ...] = ()
    """Asked first, in this order."""


class Handler(Value):
    """A low-level runtime that pods may ask for by RuntimeClass."""

    name: str
    program: str = ""
    """Its path; "" for the runtime type's own program."""
    kind: str = "io.containerd.runc.v2"
    """containerd's runtime type."""
    options: Mapping[str, str | int | bool] = {}


class Proxy(Value):
    """How the runtime reaches registries through a proxy; the words of the environment variables."""

    http: str = ""
    https: str = ""
    no: str = ""


class RuntimeSettings(Value):
    """What a runtime must be told so that pods run as they did before. Empty means: the runtime's own default."""

    cgroup_driver: str
    """"systemd" or "cgroupfs": what the kubelet uses."""
    cni_bin_dirs: tuple[str, ...] = ("/opt/cni/bin",)
    cni_conf_dir: str = "/etc/cni/net.d"
    pause_image: str = ""
    root: str = ""
    """Folder of the new runtime's persistent data."""
    state: str = ""
    """Folder of its volatile data."""
    storage: str = ""
    """Docker's name of the storage driver, for example "overlay2"."""
    storage_options: tuple[str, ...] = ()
    default_handler: str = ""
    handlers: tuple[Handler, ...] = ()
    registries: tuple[Registry, ...] = ()
    ulimits: Mapping[str, str] = {}
    """Limits inside containers as "soft:hard", by ulimit name; "-1" is infinity."""
    proxy: Proxy = Proxy()
    log_max_size: int = 0
    """Bytes of one log file of a container."""
    log_max_files: int = 0
    seccomp_profile: str = ""
    """Path of the profile that replaces the runtime's default."""
    selinux: bool = False
    unprivileged_ports: bool = False
    """Whether any user in a container may bind ports below 1024 (`ip_unprivileged_port_start=0`)."""
    unprivileged_ping: bool = False
    """Whether any user in a container may ping (`ping_group_range=0 2147483647`)."""
    max_downloads: int = 0
    """Layers of one image pulled at the same time."""
    log_level: str = ""
    log_format: str = ""
    metrics_address: str = ""
    cdi_folders: tuple[str, ...] = ()
    cdi: bool = False
    forwarding: tuple[str, ...] = ()
    """Sysctls that Docker set at its start and that must be set at boot from now on."""


class Written(Value):
    """A file that a writer wants: its text, or the file on the node whose bytes it takes."""

    path: str
    content: str = ""
    copies: str = ""
    """Path of a file on the node, for a certificate or key: its bytes are never read by us. Else ""."""
    mode: str = "0644"
