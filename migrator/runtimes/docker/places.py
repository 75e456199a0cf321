"""Where the new runtime has a setting: the file and the key in it, by runtime and version."""

from __future__ import annotations

import re
from collections.abc import Mapping

from migrator.runtimes.containerd import config_versions
from migrator.runtimes.destination import Destination
from migrator.versions import Version

KUBELET = "/var/lib/kubelet/config.yaml"
SYSCTL = "/etc/sysctl.d/zz-migrator.conf"
_UNITS = "/etc/systemd/system"
_ANY: Version = (0, 0)
_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)

_CONTAINERD = {
    "mirrors": ((config_versions.HOSTS_TOML, "/etc/containerd/certs.d/docker.io/hosts.toml"),),
    "registry": ((config_versions.HOSTS_TOML, "/etc/containerd/certs.d/{name}/hosts.toml"),),
    "ulimits": ((config_versions.BASE_SPEC, "/etc/containerd/migrator-spec.json: process.rlimits"),),
    "cgroup driver": ((_ANY, "{config}: {handlers}.runc.options.SystemdCgroup"),),
    "handlers": ((_ANY, "{config}: {handlers}.{name}"),),
    "nri": (((2, 0), "{config}: plugins.'io.containerd.nri.v1.nri'"),),
    "proxy": ((_ANY, f"{_UNITS}/containerd.service.d/zz-migrator.conf: {{name}}"),),
}
"""What is not one key of config.toml, or not called as in `dialects.PLACES`, which has all others."""

_CRIO: Mapping[str, tuple[tuple[Version, str], ...]] = {
    "mirrors": ((_ANY, '/etc/containers/registries.conf.d/zz-migrator.conf: "docker.io"'),),
    "registry": ((_ANY, '/etc/containers/registries.conf.d/zz-migrator.conf: "{name}"'),),
    "ulimits": ((_ANY, "{config}: [crio.runtime] default_ulimits"),),
    "cgroup driver": ((_ANY, "{config}: [crio.runtime] cgroup_manager"),),
    "handlers": ((_ANY, "{config}: [crio.runtime.runtimes.{name}]"),),
    "default_handler": ((_ANY, "{config}: [crio.runtime] default_runtime"),),
    "root": ((_ANY, "{config}: [crio] root"),),
    "storage": ((_ANY, "{config}: [crio] storage_driver"),),
    "storage_options": ((_ANY, "{config}: [crio] storage_option"),),
    "selinux": ((_ANY, "{config}: [crio.runtime] selinux"),),
    "seccomp_profile": ((_ANY, "{config}: [crio.runtime] seccomp_profile"),),
    "log_level": ((_ANY, "{config}: [crio.runtime] log_level"),),
    "metrics_address": ((_ANY, "{config}: [crio.metrics]"),),
    "cdi": (((1, 24), "{config}: [crio.runtime] cdi_spec_dirs"),),
    "cdi_folders": (((1, 24), "{config}: [crio.runtime] cdi_spec_dirs"),),
    "nri": (((1, 30), "{config}: [crio.nri] enable_nri"),),
    "proxy": ((_ANY, f"{_UNITS}/crio.service.d/zz-migrator.conf: {{name}}"),),
}
"""CRI-O's keys (pkg/config/config.go, v1.20 to v1.36), each with the versions that have it, newest first."""

_CONFIGS = {"containerd": "/etc/containerd/config.toml", "crio": "/etc/crio/crio.conf.d/20-migrator.conf"}


def place(what: str, to: Destination, name: str = "") -> str:
    """Name the file and the key of a setting; "" when that runtime, in that version, has none.

    `what` is the setting's field in `RuntimeSettings` where it has one; `name` says which of several, for example
    a registry.
    """
    rows = {"containerd": _CONTAINERD, "crio": _CRIO}[to.runtime].get(what)
    if rows is None:
        return _key(what, to) if to.runtime == "containerd" else ""
    text = next((text for since, text in rows if to.version >= since), "")
    handlers = _key("handlers", to).partition(": ")[2]
    return text.format(config=_CONFIGS[to.runtime], handlers=handlers, name=name) or _before_files(what, to, name)


def _key(field: str, to: Destination) -> str:
    """Give containerd's key in the dialect that is written for this version."""
    if field not in config_versions.PLACES:
        return ""
    number = 3 if to.version >= config_versions.DIALECT_3 else 2
    path = config_versions.place(field, number, to.version)
    dotted = ".".join(part if _BARE.fullmatch(part) else f'"{part}"' for part in path or ())
    return f"{_CONFIGS['containerd']}: {dotted}" if path else ""


def _before_files(what: str, to: Destination, name: str) -> str:
    """Give what containerd 1.4 has where later versions have a file of its own: tables of config.toml."""
    tables = {"mirrors": '{registry}.mirrors."docker.io"', "registry": '{registry}.configs."{name}"'}
    if to.runtime != "containerd" or what not in tables:
        return ""
    return tables[what].format(registry=_key("registry", to), name=name)
