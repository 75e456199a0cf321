"""Docker's log drivers: what rotates goes to the kubelet, which rotates for every CRI runtime.

moby, daemon/logger/jsonfilelog, daemon/logger/local and daemon/logger/factory.go; kubelet, pkg/kubelet/logs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from migrator.runtimes.docker import sizes as docker_sizes
from migrator.runtimes.docker.places import KUBELET
from migrator.runtimes.docker.rule_results import Case, RuleResult, carried, lost, moved, never, unknown

DRIVERS = {"json-file": (0, 1), "local": (20 * 1024**2, 5)}
"""Drivers that keep logs on the node: bytes and number of their files by default; 0 bytes is no limit."""
FEWEST = 2
"""Files that the kubelet keeps at least (`containerLogMaxFiles`, KubeletConfiguration v1beta1)."""

_SIZE = f"{KUBELET}: containerLogMaxSize"
_FILES = f"{KUBELET}: containerLogMaxFiles"
_ATTRIBUTES = frozenset({"labels", "labels-regex", "env", "env-regex", "tag"})


def limits(options: Mapping[str, Any]) -> tuple[int, int]:
    """Give the bytes and the number of one container's log files, for the kubelet; zeros where Docker had no limit."""
    size, files = DRIVERS.get(driver(options), (0, 0))
    wanted = options.get("log-opts") or {}
    if driver(options) in DRIVERS and "max-size" in wanted:
        size = docker_sizes.human(wanted["max-size"])
    return (size, max(int(wanted.get("max-file", files)), FEWEST)) if size else (0, 0)


def driver(options: Mapping[str, Any]) -> str:
    """Give the driver that containers have."""
    return options.get("log-driver") or "json-file"


def judge_driver(value: str, _case: Case) -> RuleResult:
    """Keep files as files; logs that went elsewhere do not get there any more."""
    if value == "json-file":
        return carried("/var/log/pods", "the files are in CRI's format, which a log shipper must be told to expect")
    if value == "local":
        return moved(_SIZE, "logs are files in CRI's format; the kubelet rotates them at the size that this driver had")
    if value == "none":
        return lost("logs were thrown away; now they are files under /var/log/pods, which the kubelet rotates")
    return lost(f"logs no longer go to {value}: they are files under /var/log/pods, for a shipper to send on")


def judge_options(value: Mapping[str, str], case: Case) -> Mapping[str, RuleResult]:
    """Judge each option by the driver that it is for."""
    return {name: _option(name, value, driver(case.source.given)) for name in value}


def _option(name: str, options: Mapping[str, str], of: str) -> RuleResult:
    if name in {"mode", "max-buffer-size"}:
        return _mode(options.get("mode", "blocking"))
    if name.startswith("cache-"):
        return never("it is for the copy that Docker keeps of logs which it sends elsewhere")
    if of not in DRIVERS:
        other = lost(f"it belongs to the log driver {of}, which is lost")
        return never("without logs it had no effect") if of == "none" else other
    return _of_files(name, options, of)


def _of_files(name: str, options: Mapping[str, str], of: str) -> RuleResult:
    """Judge an option of a driver that keeps files."""
    if name in _ATTRIBUTES:
        return lost("lines of CRI's format have no attributes; shippers take them from the pod's metadata")
    if name in {"max-size", "max-file"}:
        return _rotation(name, options, of)
    if name == "compress":
        return moved(_FILES, "the kubelet always compresses files that it rotated away")
    return unknown(f"no Docker of 1.13 to 29 has this option for the log driver {of}")


def _rotation(name: str, options: Mapping[str, str], of: str) -> RuleResult:
    size, files = limits({"log-driver": of, "log-opts": options})
    if name == "max-size":
        return moved(_SIZE, f"{size} bytes: Docker's units are decimal")
    if not size:
        return never("without max-size Docker never begins a second file")
    few = int(options["max-file"]) < FEWEST
    return moved(_FILES, f"{files} files, the fewest that the kubelet accepts" if few else "")


def _mode(mode: str) -> RuleResult:
    if mode == "non-blocking":
        return lost("a container that writes faster than the disk takes it waits, instead of losing lines")
    return never("containers wait for their logs with every CRI runtime")
