"""What the next Kubernetes version would break on this node after the migration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from migrator import versions
from migrator.model.plan import Finding
from migrator.planning.checks.findings import found, listed
from migrator.planning.checks.lenient_reads import flags, new_runtime
from migrator.planning.inputs import NodeInputs, Translation


def remaining(now: NodeInputs) -> tuple[versions.Flag, ...]:
    """Give the flags that stay on the command line after the migration and that a later kubelet does not know.

    `--container-runtime` is one that the migration writes: kubelets before 1.24 need it.
    """
    version = versions.parse(now.facts.kubelet.version)
    after = set(flags(now.facts)) - versions.doomed_flags(version) - set(versions.RUNTIME_FLAGS)
    if version < versions.RUNTIME_FLAG_OPTIONAL:
        after.add("--container-runtime")
    return tuple(flag for flag in versions.OTHER_FLAGS if flag.name in after and version < flag.removed_in)


def aim(now: NodeInputs) -> versions.Version | None:
    """Give the Kubernetes version that is aimed at; None when it is none, or not a later one."""
    wanted = versions.parse(now.target.kubernetes_target)
    return wanted if wanted > max(versions.FIRST_KUBELET, versions.parse(now.facts.kubelet.version)) else None


def cgroups(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """The next kubelet must like the host's cgroups, and know the driver."""
    wanted, new, cgroup = aim(now), new_runtime(now), now.facts.host.cgroup
    if wanted is None:
        return
    if versions.cgroup_state(versions.KUBELET_CGROUPS, wanted, cgroup) == "off":
        since = next(row.since for row in versions.KUBELET_CGROUPS if row.state == "off")
        yield found(
            "kubernetes-target-cgroup-v1",
            f"the host has cgroup {cgroup}, which kubelets from {dotted(since)} on refuse",
            f"boot it with cgroup v2 before Kubernetes {dotted(since)}",
        )
    tells = now.runtime.tells_driver.release if now.runtime.tells_driver else (0, 0)
    last = versions.LAST_FOR_CONTAINERD_1.release
    if new.version and versions.parse(new.version) < tells and wanted > last:
        required = versions.DRIVER_FROM_CRI["required"].release
        yield found(
            "kubernetes-target-cgroup-driver",
            f"{new.title} {new.version} cannot tell the kubelet its cgroup driver: supported until Kubernetes "
            f"{dotted(last)}, and by what is announced kubelets from {dotted(required)} on rely on it",
            f"upgrade {new.title} to {dotted(tells)} or later before leaving Kubernetes {dotted(last)}",
        )


def command_line(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """Flags that stay must not kill a later kubelet unannounced."""
    left, wanted = remaining(now), aim(now)
    fatal = [flag for flag in left if wanted and flag.removed_in <= wanted]
    if fatal:
        yield found(
            "kubernetes-target-flags",
            f"these flags stay, and kubelets do not start with them: {_removals(fatal)}",
            "remove each from the kubelet's environment files when the kubelet is upgraded to that version",
        )
    elif left:
        yield found(
            "removed-flags",
            f"these flags stay, and later kubelets do not start with them: {_removals(left)}",
            "remove each when the kubelet is upgraded to that version",
        )


def _removals(gone: Iterable[versions.Flag]) -> str:
    return listed(
        f"{flag.name} ({'probably ' if flag.guess else ''}from {dotted(flag.removed_in)} on)" for flag in gone
    )


def dotted(version: versions.Version) -> str:
    """Write a version as people do."""
    return f"{version[0]}.{version[1]}"
