"""The neutral settings between a reader and the writers."""

from __future__ import annotations

from migrator.model.value import Value


class RuntimeSettings(Value):
    """What a runtime must be told so that pods run as they did before."""

    cgroup_driver: str
    """"systemd" or "cgroupfs": what the kubelet uses."""
    cni_bin_dir: str
    cni_conf_dir: str
    pause_image: str
