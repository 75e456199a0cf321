"""Which nodes have which policy, from the inventory and the cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from migrator.inventory import Host
from migrator.model.kubernetes import Node
from migrator.model.plan import NodePlan
from migrator.rollout.schedule import Group, Member


def groups(
    todo: Sequence[NodePlan], everyone: Iterable[Host], nodes: Iterable[Node], allow: frozenset[str] = frozenset()
) -> tuple[Group, ...]:
    """Give the groups of the nodes to be worked on, as the inventory has them; zones are those of the cluster.

    `allow` are the ids of checks that the user waives on all nodes.
    """
    zones = {node.name: node.zone for node in nodes}
    wanted = {plan.host for plan in todo}
    by_group: dict[str, list[Host]] = {}
    for host in everyone:
        if host.node in zones or host.name in wanted:
            by_group.setdefault(host.target.group, []).append(host)
    found = (_group(hosts, wanted, zones, allow) for hosts in by_group.values())
    return tuple(group for group in found if group.members)


def _group(hosts: Sequence[Host], wanted: set[str], zones: Mapping[str, str], allow: frozenset[str]) -> Group:
    return Group(
        policy=hosts[0].target.policy,
        members=tuple(
            Member(
                host.node,
                zones.get(host.node, ""),
                canary=host.target.canary,
                allow=allow.union(host.target.allow),
            )
            for host in hosts
            if host.name in wanted
        ),
        everyone=frozenset(host.node for host in hosts),
    )
