"""The cgroup driver: one for kubelet and runtime, before and after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from migrator.model.plan import Finding
from migrator.nodeconf import kubelet
from migrator.planning.checks.findings import found
from migrator.planning.checks.lenient_reads import has_kubelet, table, toml
from migrator.planning.inputs import NodeInputs, Translation
from migrator.runtimes import containerd

_CRI_TABLE: Mapping[int, str] = {2: "io.containerd.grpc.v1.cri", 3: "io.containerd.cri.v1.runtime"}
"""Where a dialect of containerd's configuration has the driver; a later one than 3 has it where 3 has it."""
_RUNC = "io.containerd.runc.v2"


def now_the_same(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """The new runtime gets the kubelet's driver; Docker having another one means that something is wrong."""
    driver = _of_kubelet(now)
    if not driver or now.facts.docker is None:
        return
    if now.facts.docker.cgroup_driver not in {driver, ""}:
        yield found(
            "cgroup-driver",
            f"the kubelet uses {driver}, Docker {now.facts.docker.cgroup_driver}",
            "make them the same first",
        )
    if driver == "cgroupfs" and now.facts.host.systemd:
        yield found(
            "cgroupfs-on-systemd",
            "the kubelet uses cgroupfs on a host that systemd runs; the new runtime is given cgroupfs too",
            "change both to systemd later, as a step of its own: every pod of the node starts anew",
        )


def afterwards_the_same(now: NodeInputs, draft: Translation) -> Iterator[Finding]:
    """A runtime with another driver starts pods that escape their limits, and the node is Ready nevertheless."""
    driver = _of_kubelet(now)
    if not driver or draft.settings is None:
        return
    written = _written(draft)
    for what, value in (
        ("the settings drafted for it say", draft.settings.cgroup_driver),
        (containerd.CONFIG, written),
    ):
        if value not in {driver, ""}:
            yield found(
                "cgroup-driver-after",
                f"the kubelet uses {driver}; for the new runtime, {what} {value}",
                "this is a mistake of migrator: report it with the plan",
            )
            return


def _of_kubelet(now: NodeInputs) -> str:
    if not has_kubelet(now.facts):
        return ""
    try:
        return kubelet.cgroup_driver(now.facts)
    except ValueError:
        return ""  # `unreadable-file` says so


def _written(draft: Translation) -> str:
    """Give the driver that containerd will read out of the drafted file; "" when none is drafted."""
    text = next((change.content for change in draft.files if change.path == containerd.CONFIG), "")
    document = toml(text)
    dialect = document.get("version")
    if not document or not isinstance(dialect, int):
        return ""
    cri = table(document, "plugins", _CRI_TABLE.get(min(dialect, 3), "cri"), "containerd")
    handler = table(cri, "runtimes", str(cri.get("default_runtime_name") or "runc"))
    if handler.get("runtime_type", _RUNC) != _RUNC:
        return ""  # other runtime types take no such option
    systemd = table(handler, "options").get("SystemdCgroup", False)
    return "systemd" if systemd is True else "cgroupfs"
