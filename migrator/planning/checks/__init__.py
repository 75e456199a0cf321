"""What may forbid, or should be known of, a migration. Each check has an id and is waived singly.

The catalogue is in `rules`; each other module has the checks of one subject.
"""

from __future__ import annotations

from collections.abc import Iterable

from migrator.model.plan import Finding, Severity
from migrator.planning.checks import (
    cgroups,
    cleanup,
    competitors,
    containerd,
    containerd_versions,
    control_plane,
    crio,
    docker,
    docker_unit,
    docker_users,
    drain,
    images,
    kubelet,
    lasting,
    network,
    next_kubernetes,
    node_state,
    overrides,
    packages,
    rollback,
    runtime_handlers,
    source_runtime,
    versions,
    workloads,
)
from migrator.planning.checks.catalogue import RULES
from migrator.planning.checks.findings import Check
from migrator.planning.inputs import NodeInputs, Translation

OF_MIGRATED: tuple[Check, ...] = (node_state.right_machine, node_state.half_migrated)
"""What still matters on a node that has the runtime already."""

OF_ROLLBACK: tuple[Check, ...] = (
    node_state.right_machine,
    control_plane.worker,
    node_state.whole,
    rollback.possible,
    rollback.images,
    drain.losses,
    drain.budgets,
    drain.capacity,
)
"""What matters to a node that goes back to its old runtime."""

OF_REBOOT: tuple[Check, ...] = (
    node_state.right_machine,
    control_plane.worker,
    node_state.healthy,
    node_state.half_migrated,
    drain.losses,
    drain.budgets,
    drain.capacity,
)
"""What matters to a node that is rebooted to prove that it comes back."""

OF_CLEANUP: tuple[Check, ...] = (
    node_state.right_machine,
    control_plane.worker,
    node_state.healthy,
    node_state.half_migrated,
    kubelet.dependencies,
    docker_users.callers,
    cleanup.unneeded,
    cleanup.lost,
    cleanup.removable,
)
"""What matters to a node from which Docker is removed."""

CHECKS: tuple[Check, ...] = (
    node_state.right_machine,
    control_plane.worker,
    node_state.healthy,
    node_state.installation,
    node_state.clock,
    node_state.half_migrated,
    node_state.leftovers,
    node_state.whole,
    node_state.readable,
    node_state.writable,
    lasting.files,
    lasting.data,
    source_runtime.known_source,
    source_runtime.answering,
    versions.fit,
    versions.installed,
    versions.supported,
    crio.version,
    versions.cgroup_version,
    containerd_versions.known_bugs,
    containerd_versions.support,
    containerd_versions.next_kubernetes,
    next_kubernetes.cgroups,
    next_kubernetes.command_line,
    packages.conflicts,
    containerd_versions.docker_packages,
    packages.held,
    packages.jump,
    packages.place,
    kubelet.known_flags,
    kubelet.dependencies,
    kubelet.configuration,
    docker.settings,
    docker.store,
    docker.remote_api,
    docker.containerd_of_docker,
    docker.registries,
    docker.credentials,
    docker_unit.environment,
    docker_unit.settings,
    runtime_handlers.programs,
    runtime_handlers.defaults,
    runtime_handlers.runtime_classes,
    containerd.state,
    containerd.elsewhere,
    containerd.imports,
    containerd.shared,
    containerd.selinux,
    crio.configuration,
    crio.registries,
    cgroups.now_the_same,
    cgroups.afterwards_the_same,
    network.inherited,
    network.order,
    network.forwarding,
    network.addresses,
    containerd.host_ports,
    overrides.service,
    overrides.sysctls,
    overrides.modules,
    docker_users.mounts,
    docker_users.log_agents,
    docker_users.beside_kubernetes,
    docker_users.callers,
    docker_users.units,
    competitors.on_the_host,
    competitors.in_the_cluster,
    competitors.in_the_runtime,
    drain.losses,
    drain.budgets,
    drain.capacity,
    drain.long_ends,
    crio.capabilities,
    containerd.low_ports,
    workloads.limits,
    images.origins,
    images.room,
    containerd.zfs,
)
"""All checks, in the order in which their findings are shown."""


def findings(situation: NodeInputs, draft: Translation) -> tuple[Finding, ...]:
    """Run the checks that concern a migration of this node."""
    return judged(OF_MIGRATED if situation.migrated else CHECKS, situation, draft)


def judged(chosen: Iterable[Check], situation: NodeInputs, draft: Translation) -> tuple[Finding, ...]:
    """Run these checks; a waived one that would block becomes a warning."""
    found = (finding for check in chosen for finding in check(situation, draft))
    return tuple(_waived(finding, situation.allow) for finding in found)


def waivable_ids() -> frozenset[str]:
    """Give the ids that `--allow` takes."""
    return frozenset(rule.id for rule in RULES.values() if rule.waivable)


def _waived(finding: Finding, allow: frozenset[str]) -> Finding:
    if finding.waivable and finding.id in allow and finding.severity is Severity.BLOCKS:
        return finding.model_copy(update={"severity": Severity.WARNS, "remedy": "allowed by the user"})
    return finding
