"""Open the real doors for a command, from its options."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from migrator import inventory, survey
from migrator.cluster import Cluster
from migrator.errors import InventoryError, StalePlanError, UsageError
from migrator.hosts import Hosts
from migrator.inventory import Host
from migrator.model.plan import NodePlan, Plan
from migrator.planning import checks


@dataclass(frozen=True)
class Doors:
    """What a command works with."""

    chosen: tuple[Host, ...]
    hosts: Hosts
    cluster: Cluster
    allow: frozenset[str]

    def plan(self) -> Plan:
        """Look at the chosen nodes and plan them."""
        return survey.survey(self.chosen, self.hosts, self.cluster, self.allow)

    def plan_again(self, shown: NodePlan) -> Plan:
        """Look at one node again, whose plan was shown some time ago.

        Raises `StalePlanError` when other files would be written now than were shown.
        """
        host = next(host for host in self.chosen if host.name == shown.host)
        plan = survey.survey([host], self.hosts, self.cluster, self.allow)
        moved = {file.path for node in plan.nodes for file in {*node.files} ^ {*shown.files}}
        if moved:
            raise StalePlanError(f"{shown.node}: changed since the plan was shown: {', '.join(sorted(moved))}")
        return plan


def open_doors(path: Path, nodes: Sequence[str], kubeconfig: str, allow: Collection[str]) -> Doors:
    """Read the inventory and connect. Raises `UsageError`, `InventoryError` or `ClusterError`."""
    unknown = sorted(set(allow) - checks.waivable_ids())
    if unknown:
        known = ", ".join(sorted(checks.waivable_ids()))
        raise UsageError(f"--allow {unknown[0]}: no check of this id can be waived; these can: {known}")
    chosen = inventory.load(path).select(tuple(nodes))
    targets = {(host.target.kubeconfig, host.target.context) for host in chosen}
    if len(targets) > 1:
        raise InventoryError(f"{path}: the hosts belong to different clusters; choose those of one with --node")
    from_inventory, context = next(iter(targets))
    # Imported late: these two take most of the start-up time, and a wrong inventory should be told at once.
    from migrator.cluster import kube
    from migrator.hosts.runner import AnsibleHosts

    cluster = kube.connect(kubeconfig or from_inventory, context)
    timeout = max(host.target.connect_timeout for host in chosen)
    return Doors(chosen, AnsibleHosts(path, connect_timeout=timeout), cluster, frozenset(allow))
