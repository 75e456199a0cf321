"""The checks by their ids. The catalogue says what each means; the other modules have those of one subject each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from migrator.model.evidence import Checked, Outcome
from migrator.proof.catalogue import RULES
from migrator.proof.checks import (
    cgroup,
    cleanup,
    command,
    enforced,
    host,
    isolation,
    namespaces,
    network,
    rootfs,
    runtime,
)
from migrator.proof.checks.inputs import CheckInputs, ContainerCheck, Result, SceneCheck, Subject, UnseenError, unknown

RUNS = "container-runs"

OF_CONTAINERS: Mapping[str, ContainerCheck] = {
    RUNS: command.runs,
    "cgroup-path": cgroup.path,
    "cgroup-name": cgroup.leaf,
    "cgroup-driver": cgroup.driver,
    "cgroup-controllers": cgroup.one_path,
    "memory-limit": cgroup.memory,
    "swap-limit": cgroup.swap,
    "cpu-quota": cgroup.cpu_quota,
    "cpu-weight": cgroup.cpu_weight,
    "pids-limit": cgroup.pids,
    "pod-pids": cgroup.pod_pids,
    "pod-memory": cgroup.pod_memory,
    "pod-cpu-quota": cgroup.pod_cpu_quota,
    "pod-cpu-weight": cgroup.pod_cpu_weight,
    "first-process": command.first_process,
    "own-pid": command.own_pid,
    "oom-score": command.oom_score,
    "capabilities-bounding": command.bounding,
    "capabilities-permitted": command.permitted,
    "capabilities-effective": command.effective,
    "capabilities-inheritable": command.inheritable,
    "capabilities-ambient": command.ambient,
    "seccomp": command.seccomp,
    "apparmor": command.label,
    "no-new-privileges": command.no_new_privileges,
    "open-files": command.open_files,
    "exec-confined": command.exec_confined,
    "net-own": namespaces.own("net"),
    "pid-own": namespaces.own("pid"),
    "mnt-own": namespaces.own("mnt"),
    "uts-own": namespaces.own("uts"),
    "ipc-own": namespaces.own("ipc"),
    "cgroup-own": namespaces.cgroup,
    "user-host": namespaces.user,
    "id-maps": namespaces.id_maps,
    "sandbox-net": namespaces.of_sandbox("net"),
    "sandbox-ipc": namespaces.of_sandbox("ipc"),
    "sandbox-uts": namespaces.of_sandbox("uts"),
    "exec-joined": namespaces.joined,
    "hostname": isolation.hostname,
    "processes-visible": isolation.processes,
    "rootfs-own": rootfs.own,
    "rootfs-kind": rootfs.kind,
    "rootfs-writable": rootfs.writable,
    "rootfs-private": rootfs.private,
    "mounts-standard": rootfs.standard,
    "shm-size": rootfs.shm,
    "masked-paths": rootfs.masked,
    "readonly-paths": rootfs.read_only,
    "sysfs": rootfs.sysfs,
    "devices": rootfs.devices,
    "pod-address": network.address,
    "interfaces": network.interfaces,
}
"""Those that each container has of its own, in the order in which they are shown."""

OF_SESSION: Mapping[str, SceneCheck] = {
    "memory-enforced": enforced.memory,
    "memory-allowed": enforced.memory_allowed,
    "cpu-enforced": enforced.cpu,
    "pids-enforced": enforced.processes,
    "exec": command.executes,
    "logs": command.logs,
    "stops": command.stops,
    "net-shared": namespaces.shared("net"),
    "ipc-shared": namespaces.shared("ipc"),
    "uts-shared": namespaces.uts_shared,
    "pid-private": namespaces.private("pid"),
    "mnt-private": namespaces.private("mnt"),
    "net-apart": namespaces.apart("net"),
    "ipc-apart": namespaces.apart("ipc"),
    "uts-apart": namespaces.apart("uts"),
    "pid-apart": namespaces.apart("pid"),
    "mnt-apart": namespaces.apart("mnt"),
    "port-same": isolation.same_port,
    "port-taken": isolation.port_taken,
    "mount-unseen": isolation.mount,
    "mount-refused": isolation.mount_refused,
    "ipc-host": isolation.host_ipc,
    "ipc-pod": isolation.pod_ipc,
    "shm-file": isolation.host_file,
    "pod-to-pod": network.forth,
    "pod-to-pod-back": network.back,
    "host-to-pod": network.from_host,
    "host-to-peer": network.from_host_to_peer,
    "service": network.as_before("service"),
    "resolve": network.as_before("resolve"),
    "egress": network.as_before("egress"),
    "runtime-answers": runtime.answers,
    "runtime-ready": runtime.condition("RuntimeReady"),
    "network-ready": runtime.condition("NetworkReady"),
    "runtime-name": runtime.name,
    "runtime-driver": runtime.driver,
    "cri-version": runtime.api,
    "lists-containers": runtime.lists,
    "has-image": runtime.image,
    "ip-forward": host.forwarding,
    "forward-policy": host.forward_policy,
    "bridge-netfilter": host.bridges,
    "module-overlay": host.overlay,
    "module-br-netfilter": host.br_netfilter,
    "memory-controller": host.controller("memory"),
    "cpu-controller": host.controller("cpu"),
    "pids-controller": host.controller("pids"),
    "apparmor-on": host.security_module,
    "other-runtime": host.other_runtime,
    "kubelet-service": host.kubelet,
    "runtime-service": host.runtime,
    "left-cgroup": cleanup.nothing("cgroup"),
    "left-process": cleanup.nothing("process"),
    "left-netns": cleanup.nothing("netns"),
    "left-interface": cleanup.nothing("interface"),
    "left-mount": cleanup.nothing("mount"),
    "left-address": cleanup.nothing("address"),
    "left-log": cleanup.nothing("log"),
    "left-container": cleanup.nothing("container"),
    "left-sandbox": cleanup.nothing("sandbox"),
    "left-state": cleanup.nothing("state"),
}
"""Those of the session as a whole, likewise."""


def run(scene: CheckInputs) -> Iterator[Checked]:
    """Run all checks. Of a container that never ran each is unknown, but for the one that says so."""
    for identity, of_container in OF_CONTAINERS.items():
        for subject in scene.subjects:
            if (result := _of_container(identity, of_container, scene, subject)) is not None:
                yield _checked(identity, f"[{subject.where}]", result)
    for identity, of_session in OF_SESSION.items():
        if (result := _of_session(identity, of_session, scene)) is not None:
            yield _checked(identity, "", result)


def _of_container(identity: str, check: ContainerCheck, scene: CheckInputs, subject: Subject) -> Result | None:
    if not subject.ran and identity != RUNS:
        return unknown(RULES[identity].what, f"the container did not run: {subject.seen.problem or 'it was not tried'}")
    try:
        return check(scene, subject)
    except UnseenError as reason:
        return unknown(RULES[identity].what, str(reason))


def _of_session(identity: str, check: SceneCheck, scene: CheckInputs) -> Result | None:
    try:
        return check(scene)
    except UnseenError as reason:
        return unknown(RULES[identity].what, str(reason))


def _checked(identity: str, of: str, result: Result) -> Checked:
    rule = RULES[identity]
    remedy = rule.remedy if result.outcome is Outcome.FAILED else ""
    return Checked(
        id=f"{identity}{of}", job=rule.job, outcome=result.outcome, expected=result.expected, found=result.found,
        source=rule.source, remedy=remedy,
    )  # fmt: skip
