"""Where CRI-O has a setting: the file and the key in it, by version."""

from __future__ import annotations

from collections.abc import Mapping

from migrator.runtimes.crio import CONFIG
from migrator.versions import Version

_ANY: Version = (0, 0)

_PLACES: Mapping[str, tuple[tuple[Version, str], ...]] = {
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
    "proxy": ((_ANY, "/etc/systemd/system/crio.service.d/zz-migrator.conf: {name}"),),
}
"""CRI-O's keys (pkg/config/config.go, v1.20 to v1.36), each with the versions that have it, newest first."""


def place(what: str, version: Version, name: str = "") -> str:
    """Name the file and the key of a setting; "" when this version has none. `name` says which of several."""
    text = next((text for since, text in _PLACES.get(what, ()) if version >= since), "")
    return text.format(config=CONFIG, name=name)
