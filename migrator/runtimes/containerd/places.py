"""Where containerd has a setting: the file and the key in it, by version."""

from __future__ import annotations

import re

from migrator.runtimes.containerd import CONFIG, config_versions
from migrator.versions import Version

_ANY: Version = (0, 0)
_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)

_PLACES = {
    "mirrors": ((config_versions.HOSTS_TOML, "/etc/containerd/certs.d/docker.io/hosts.toml"),),
    "registry": ((config_versions.HOSTS_TOML, "/etc/containerd/certs.d/{name}/hosts.toml"),),
    "ulimits": ((config_versions.BASE_SPEC, "/etc/containerd/migrator-spec.json: process.rlimits"),),
    "cgroup driver": ((_ANY, "{config}: {handlers}.runc.options.SystemdCgroup"),),
    "handlers": ((_ANY, "{config}: {handlers}.{name}"),),
    "nri": (((2, 0), "{config}: plugins.'io.containerd.nri.v1.nri'"),),
    "proxy": ((_ANY, "/etc/systemd/system/containerd.service.d/zz-migrator.conf: {name}"),),
}
"""What is not one key of config.toml, or not called as in `config_versions.PLACES`, which has all others."""
_BEFORE_FILES = {"mirrors": '{registry}.mirrors."docker.io"', "registry": '{registry}.configs."{name}"'}
"""What containerd 1.4 has where later versions have a file of its own: tables of config.toml."""


def place(what: str, version: Version, name: str = "") -> str:
    """Name the file and the key of a setting; "" when this version has none. `name` says which of several."""
    rows = _PLACES.get(what)
    if rows is None:
        return _key(what, version)
    text = next((text for since, text in rows if version >= since), "")
    handlers = _key("handlers", version).partition(": ")[2]
    if found := text.format(config=CONFIG, handlers=handlers, name=name):
        return found
    return _BEFORE_FILES.get(what, "").format(registry=_key("registry", version), name=name)


def _key(field: str, version: Version) -> str:
    """Give the key in the dialect that is written for this version."""
    if field not in config_versions.PLACES:
        return ""
    number = 3 if version >= config_versions.DIALECT_3 else 2
    path = config_versions.place(field, number, version)
    dotted = ".".join(part if _BARE.fullmatch(part) else f'"{part}"' for part in path or ())
    return f"{CONFIG}: {dotted}" if path else ""
