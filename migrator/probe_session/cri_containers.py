"""Probe containers that we start ourselves over a CRI socket that no kubelet looks at.

A kubelet kills every sandbox that belongs to no pod of its own, within two seconds (kubelet 1.20.2,
pkg/kubelet/kubelet_pods.go, HandlePodCleanups), so this is for runtimes that serve no node: a rehearsal.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from migrator.cri import OWNER_LABEL, ContainerSpec, Runtime, SandboxSpec
from migrator.errors import CriError
from migrator.model.evidence import ContainerObservation, ProbeContainerSpec
from migrator.proof.spec import ASKED

_SHARES = 1024
_PERIOD = 100_000
_LEAST_SHARES = 2
_LEAST_QUOTA = 1000
_OOM = {"Guaranteed": -997, "BestEffort": 1000, "Burstable": 999}
MASKED = (
    "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
    "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
)  # fmt: skip
READ_ONLY = ("/proc/asound", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
"""Both as a kubelet sends them for procMount Default (kubelet 1.20.2, pkg/securitycontext/util.go)."""


@dataclass(frozen=True)
class Parents:
    """Below which cgroup each pod goes, in the form that the cgroup driver wants."""

    session: str
    driver: str

    @property
    def root(self) -> str:
        """Path of the cgroup above all pods, as the kernel shows it."""
        name = f"migrator-{self.session}"
        return f"migrator.slice/{name}.slice" if self.driver == "systemd" else name

    def of(self, pod: str) -> str:
        """Give what the runtime is told for a pod; systemd reads the path from a slice's name."""
        if self.driver == "systemd":
            return f"migrator-{self.session}-{pod}.slice"
        return f"/migrator-{self.session}/{pod}"


def start(runtime: Runtime, session: str, image: str, *, driver: str, logs: str) -> tuple[ContainerObservation, ...]:
    """Run the probe's pods, with their logs in a folder of our own: a kubelet removes those of pods it does not know.

    What the runtime refuses becomes a container's problem; a runtime that died or hangs is raised as `CriError`.
    """
    parents = Parents(session, driver)
    seen: list[ContainerObservation] = []
    for pod in dict.fromkeys(asked.pod for asked in ASKED):
        containers = [asked for asked in ASKED if asked.pod == pod]
        spec = _sandbox(session, pod, parents.of(pod), logs, privileged=any(asked.privileged for asked in containers))
        try:
            identity = runtime.run_sandbox(spec)
        except CriError as error:
            if error.fatal:
                raise
            failed = ContainerObservation(asked=containers[0], pod_uid=spec.uid, pod_name=spec.name, problem=str(error))
            seen += [failed.model_copy(update={"asked": asked}) for asked in containers]
            continue
        seen += [_run(runtime, spec, identity, asked, image) for asked in containers]
    return tuple(seen)


def stop(runtime: Runtime, session: str) -> tuple[str, ...]:
    """Stop and remove all that belongs to the session; give the problems met."""
    problems = []
    for sandbox in runtime.sandboxes({OWNER_LABEL: session}):
        try:
            runtime.stop_sandbox(sandbox.id)
            runtime.remove_sandbox(sandbox.id)
        except CriError as error:
            problems.append(str(error))
    return tuple(problems)


def log_path(entry: ContainerObservation, logs: str) -> str:
    """Where the log of a container that `start` made lies on the node."""
    return f"{logs}/{entry.pod_uid}/{entry.asked.name}/0.log"


def _sandbox(session: str, pod: str, parent: str, logs: str, *, privileged: bool) -> SandboxSpec:
    name = f"migrator-probe-{pod}"
    uid = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{session}/{pod}"))
    return SandboxSpec(
        name=name,
        uid=uid,
        hostname=name,
        cgroup_parent=parent,
        log_directory=f"{logs}/{uid}",
        labels={OWNER_LABEL: session},
        privileged=privileged,
    )


def _run(
    runtime: Runtime, within: SandboxSpec, sandbox: str, asked: ProbeContainerSpec, image: str
) -> ContainerObservation:
    seen = ContainerObservation(asked=asked, pod_uid=within.uid, pod_name=within.name, sandbox=sandbox)
    try:
        identity = runtime.create_container(sandbox, within, _container(asked, image, within.labels))
        runtime.start_container(identity)
    except CriError as error:
        if error.fatal:
            raise
        return seen.model_copy(update={"problem": str(error)})
    return seen.model_copy(update={"id": identity})


def _container(asked: ProbeContainerSpec, image: str, labels: Mapping[str, str]) -> ContainerSpec:
    """Say it as a kubelet would (kubelet 1.20.2, pkg/kubelet/cm/helpers_linux.go and qos/policy.go)."""
    request = asked.cpu_request or asked.cpu_limit
    return ContainerSpec(
        name=asked.name,
        image=image,
        args=arguments(asked),
        cpu_shares=max(_LEAST_SHARES, request * _SHARES // 1000),
        cpu_quota=max(_LEAST_QUOTA, asked.cpu_limit * _PERIOD // 1000) if asked.cpu_limit else 0,
        memory=asked.memory_limit,
        oom_score_adj=_OOM[asked.quality],
        privileged=asked.privileged,
        added=asked.added,
        dropped=asked.dropped,
        seccomp=asked.seccomp,
        no_new_privileges=asked.no_new_privileges,
        masked_paths=() if asked.privileged else MASKED,
        readonly_paths=() if asked.privileged else READ_ONLY,
        log_path=f"{asked.name}/0.log",
        labels=labels,
    )


def arguments(asked: ProbeContainerSpec) -> tuple[str, ...]:
    """Give the words after the program for a container's main process."""
    lines = ("--lines", str(asked.lines)) if asked.lines else ()
    port = ("--port", str(asked.port)) if asked.port else ()
    return ("wait", *lines, *port)


def identities(seen: Sequence[ContainerObservation]) -> dict[str, list[str]]:
    """Give every name by which something of these containers could be found on a host."""
    return {
        "ids": sorted({name for entry in seen for name in (entry.id, entry.sandbox) if name}),
        "uids": sorted({entry.pod_uid for entry in seen if entry.pod_uid}),
        "addresses": sorted({entry.pod_address for entry in seen if entry.pod_address}),
        "netns": sorted(
            {
                entry.outside.links["ns/net"].strip("net:[]")
                for entry in seen
                if entry.outside and "ns/net" in entry.outside.links
            }
        ),
    }
