"""All that is compared."""

from __future__ import annotations

from tests.fuzz import containerd_files, crio_config, daemon_json, hostile, kubelet_flags, registries_conf, units

READERS = (
    units.READER,
    containerd_files.READER,
    daemon_json.READER,
    kubelet_flags.READER,
    crio_config.READER,
    registries_conf.READER,
    hostile.READER,
)
