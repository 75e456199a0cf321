"""Which cgroup driver a runtime uses, from what it tells of its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from migrator.cri import api_pb2

SYSTEMD, CGROUPFS = "systemd", "cgroupfs"
_RUNC = ("io.containerd.runc.", "io.containerd.runtime.v1.linux")
"""Kinds of handlers whose options name a driver (containerd, internal/cri/config)."""


def answered(given: api_pb2.RuntimeConfigResponse) -> str:
    """Read RuntimeConfig's answer. One without a Linux part does not mean systemd, though that is 0."""
    if not given.HasField("linux"):
        return ""
    return {api_pb2.SYSTEMD: SYSTEMD, api_pb2.CGROUPFS: CGROUPFS}.get(given.linux.cgroup_driver, "")


def configured(info: Mapping[str, Any]) -> str:
    """Read the verbose status of a containerd or CRI-O; "" when it does not tell."""
    config = _table(info, "config")
    crio = _table(config, "crio")
    if crio:
        manager = crio.get("CgroupManagerName")
        return manager if manager in {SYSTEMD, CGROUPFS} else ""
    containerd = _table(config, "containerd")
    name = containerd.get("defaultRuntimeName") or "runc"
    handler = _table(_table(containerd, "runtimes"), name)
    if not str(handler.get("runtimeType", "")).startswith(_RUNC):
        return ""
    if config.get("systemdCgroup"):  # of handlers of the first kind, for all at once
        return SYSTEMD
    options = handler.get("options")
    if options == {}:  # containerd 1.4 has some, and shows them so
        return ""
    return SYSTEMD if isinstance(options, dict) and options.get("SystemdCgroup") else CGROUPFS


def _table(tables: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = tables.get(name)
    return found if isinstance(found, dict) else {}
