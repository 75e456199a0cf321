"""What may forbid, or should be known of, a migration. Each check has an id and is waived singly.

The catalogue is in `rules`; each other module has the checks of one subject.
"""

from __future__ import annotations

from collections.abc import Iterable

from migrator.model.plan import Finding, Severity
from migrator.planning.checks import (
    cgroups,
    competitors,
    containerd,
    control_plane,
    crio,
    docker,
    docker_unit,
    docker_users,
    draining,
    handlers,
    images,
    in_force,
    kubelet,
    lasting,
    leavings,
    machine,
    network,
    packages,
    releases,
    source,
    upgrades,
    way_back,
    workloads,
)
from migrator.planning.checks.finding import Check
from migrator.planning.checks.rules import RULES
from migrator.planning.situation import Draft, Situation

OF_MIGRATED: tuple[Check, ...] = (machine.right_machine, machine.half_migrated)
"""What still matters on a node that has the runtime already."""

OF_ROLLBACK: tuple[Check, ...] = (
    machine.right_machine,
    control_plane.worker,
    machine.whole,
    way_back.possible,
    way_back.images,
    draining.losses,
    draining.budgets,
    draining.capacity,
)
"""What matters to a node that goes back to its old runtime."""

OF_REBOOT: tuple[Check, ...] = (
    machine.right_machine,
    control_plane.worker,
    machine.healthy,
    machine.half_migrated,
    draining.losses,
    draining.budgets,
    draining.capacity,
)
"""What matters to a node that is rebooted to prove that it comes back."""

OF_CLEANUP: tuple[Check, ...] = (
    machine.right_machine,
    control_plane.worker,
    machine.healthy,
    machine.half_migrated,
    kubelet.dependencies,
    docker_users.callers,
    leavings.unneeded,
    leavings.lost,
    leavings.removable,
)
"""What matters to a node from which Docker is removed."""

CHECKS: tuple[Check, ...] = (
    machine.right_machine,
    control_plane.worker,
    machine.healthy,
    machine.installation,
    machine.clock,
    machine.half_migrated,
    machine.leftovers,
    machine.whole,
    machine.readable,
    machine.writable,
    lasting.files,
    lasting.data,
    source.known_source,
    source.answering,
    releases.fit,
    releases.installed,
    releases.crio,
    releases.cgroup_version,
    releases.known_bugs,
    releases.support,
    upgrades.runtime,
    upgrades.cgroups,
    upgrades.command_line,
    packages.conflicts,
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
    handlers.programs,
    handlers.defaults,
    handlers.runtime_classes,
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
    network.host_ports,
    in_force.service,
    in_force.sysctls,
    in_force.modules,
    docker_users.mounts,
    docker_users.log_agents,
    docker_users.beside_kubernetes,
    docker_users.callers,
    docker_users.units,
    competitors.on_the_host,
    competitors.in_the_cluster,
    competitors.in_the_runtime,
    draining.losses,
    draining.budgets,
    draining.capacity,
    draining.long_ends,
    workloads.capabilities,
    containerd.low_ports,
    workloads.limits,
    images.origins,
    images.room,
    images.zfs,
)
"""All checks, in the order in which their findings are shown."""


def findings(situation: Situation, draft: Draft) -> tuple[Finding, ...]:
    """Run the checks that concern a migration of this node."""
    return judged(OF_MIGRATED if situation.migrated else CHECKS, situation, draft)


def judged(chosen: Iterable[Check], situation: Situation, draft: Draft) -> tuple[Finding, ...]:
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
