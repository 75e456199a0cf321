"""The cgroup of a container: where it is, who made it, and what it allows."""
# ruff: noqa: D401 - each function says what must hold

from __future__ import annotations

from migrator.model.evidence import ProbeContainerSpec
from migrator.proof import cgroup_paths, kubelet_resources
from migrator.proof.checks.inputs import CheckInputs, Result, Subject, amount, holds, need, same, unknown
from migrator.proof.limits import UNLIMITED, Limits
from migrator.proof.procfs import status

_FEW_PROCESSES = 128
"""Fewer are no limit that anybody sets for a container that asks for none."""
_ROUNDING = kubelet_resources.PERIOD // 100
"""systemd keeps CPU time in hundredths of a CPU, rounded up (runc, libcontainer/cgroups/systemd)."""


def path(scene: CheckInputs, subject: Subject) -> Result:
    """Look for the container below its pod's cgroup."""
    found = need(cgroup_paths.found(subject.outside), "cgroup of the process, from the host")
    known = scene.circumstances
    if scene.by_kubelet:
        need(known.cgroup_driver or None, "cgroup driver of the kubelet")
        parent = cgroup_paths.pod(known, subject.asked.quality, subject.seen.pod_uid)
        return holds(cgroup_paths.directly_within(found, parent), f"{parent}/…", found)
    root = need(known.cgroup_root or None, "cgroup that was chosen for this session")
    return holds(cgroup_paths.within(found, root), f"{root}/…", found)


def leaf(scene: CheckInputs, subject: Subject) -> Result:
    """Look at the name of the container's own cgroup."""
    found = need(cgroup_paths.found(subject.outside), "cgroup of the process, from the host")
    need(scene.circumstances.cgroup_driver or None, "cgroup driver of the kubelet")
    expected = cgroup_paths.leaf(scene.circumstances, scene.traits, subject.seen.id)
    return same(expected, found.rpartition("/")[2])


def driver(scene: CheckInputs, subject: Subject) -> Result:
    """Tell from the name which driver the runtime used."""
    found = need(cgroup_paths.found(subject.outside), "cgroup of the process, from the host")
    expected = need(scene.circumstances.cgroup_driver or None, "cgroup driver of the kubelet")
    used = cgroup_paths.driver(found)
    if not used:
        return unknown(expected, f"a name that no driver gives: {found}")
    return holds(used == expected, expected, f"{used}: {found}")


def one_path(scene: CheckInputs, subject: Subject) -> Result | None:
    """On v1 every controller has the same path."""
    if scene.circumstances.cgroup == "v2":
        return None
    paths = cgroup_paths.by_controller(subject.outside)
    need(paths or None, "cgroups of the process, from the host")
    odd = {name: found for name, found in paths.items() if found != paths.get("memory", found)}
    return holds(not odd, f"all in {paths.get('memory', 'one path')}", ", ".join(map(": ".join, odd.items())) or "all")


def memory(scene: CheckInputs, subject: Subject) -> Result:
    """Compare the memory limit."""
    found = need(subject.limits.memory, "memory limit of the container")
    return _memory(subject.asked.memory_limit, found, scene)


def _memory(limit: int, found: int, scene: CheckInputs) -> Result:
    whole = kubelet_resources.whole_pages(limit, scene.evidence.host.page_size) if limit else UNLIMITED
    return holds(found in {whole, limit or UNLIMITED}, amount(whole), amount(found))


def swap(scene: CheckInputs, subject: Subject) -> Result | None:
    """A container with a memory limit swaps nothing on top of it."""
    if not subject.asked.memory_limit:
        return None
    found = need(subject.limits.swap, "swap limit of the container (swap is not counted on this kernel)")
    if not found:
        return same("0", "0")
    if status(scene.evidence.host.raw.files.get("/proc/meminfo", "")).get("SwapTotal", "").startswith("0 "):
        return holds(good=True, expected="no swap", found=f"{amount(found)}, on a node that has no swap")
    if found != UNLIMITED and subject.asked.quality == "Burstable":
        return unknown("0", f"{found}: the kubelet may give Burstable pods a share of the swap (NodeSwap)")
    return same("0", amount(found))


def cpu_quota(scene: CheckInputs, subject: Subject) -> Result:
    """Compare the share of CPU time."""
    found, period = subject.limits.quota, subject.limits.period
    return _cpu_quota(scene, subject.asked.cpu_limit, need(found, "CPU quota of the container"), period)


def _cpu_quota(scene: CheckInputs, limit: int, found: int, period: int | None) -> Result:
    if not limit or not scene.circumstances.cpu_quota:
        return same("no limit", amount(found))
    wanted = kubelet_resources.quota(limit)
    period = need(period, "CPU period")
    got = found * kubelet_resources.PERIOD // period if period > 0 else 0
    good = found != UNLIMITED and wanted <= got + 1 and got <= wanted + _ROUNDING
    return holds(good, f"{wanted} in {kubelet_resources.PERIOD} µs", f"{amount(found)} in {period} µs")


def cpu_weight(_: CheckInputs, subject: Subject) -> Result:
    """Compare the share of a busy CPU, by either formula."""
    asked = subject.asked
    return _cpu_weight(kubelet_resources.shares(asked.cpu_request, asked.cpu_limit), subject.limits)


def _cpu_weight(shares: int, found: Limits) -> Result:
    if found.shares is not None:
        return same(f"{shares} shares", f"{found.shares} shares")
    weight = need(found.weight, "CPU weight")
    either = sorted(kubelet_resources.weights(shares))
    return holds(weight in either, f"weight {' or '.join(map(str, either))}", f"weight {weight}")


def pids(scene: CheckInputs, subject: Subject) -> Result:
    """The container's own limit of processes is none, or high enough for what the pod may have."""
    found = need(subject.limits.pids, "limit of processes of the container")
    least = max(scene.circumstances.pods_limit, _FEW_PROCESSES)
    expected = f"none, or at least {least}"
    if _FEW_PROCESSES <= found < least:
        return unknown(expected, f"{found}: lower than the pod's, by the runtime's pids_limit or DefaultTasksMax")
    return holds(found == UNLIMITED or found >= least, expected, amount(found))


def pod_pids(scene: CheckInputs, subject: Subject) -> Result | None:
    """Compare the pod's limit of processes; over CRI only one pod gets one."""
    limit = scene.circumstances.pods_limit
    if not scene.by_kubelet and (not limit or subject.asked.name != "one"):
        return None
    found = need(subject.outside.parent.pids, "limit of processes of the pod")
    if not limit:
        return holds(
            found == UNLIMITED or found >= _FEW_PROCESSES, f"none, or at least {_FEW_PROCESSES}", amount(found)
        )
    return same(amount(limit), amount(found))


def pod_memory(scene: CheckInputs, subject: Subject) -> Result | None:
    """Compare the pod's memory limit, which the kubelet writes."""
    if not scene.by_kubelet:
        return None
    found = need(subject.outside.parent.memory, "memory limit of the pod")
    return _memory(kubelet_resources.pod_memory(_together(scene, subject)), found, scene)


def pod_cpu_quota(scene: CheckInputs, subject: Subject) -> Result | None:
    """Compare the pod's share of CPU time, likewise."""
    if not scene.by_kubelet:
        return None
    parent = subject.outside.parent
    limit = kubelet_resources.pod_cpu_limit(_together(scene, subject))
    return _cpu_quota(scene, limit, need(parent.quota, "CPU quota of the pod"), parent.period)


def pod_cpu_weight(scene: CheckInputs, subject: Subject) -> Result | None:
    """Compare the pod's share of a busy CPU, likewise."""
    if not scene.by_kubelet:
        return None
    request = kubelet_resources.pod_cpu_request(_together(scene, subject))
    return _cpu_weight(kubelet_resources.shares(request), subject.outside.parent)


def _together(scene: CheckInputs, subject: Subject) -> list[ProbeContainerSpec]:
    return [entry.asked for entry in scene.subjects if entry.asked.pod == subject.asked.pod]
