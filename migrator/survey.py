"""Look at nodes from both sides and plan them: the part that `plan` and `apply` share."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from pydantic import ValidationError

from migrator.cluster import Cluster
from migrator.engine.steps import STEPS
from migrator.hosts import HostResult, Hosts
from migrator.inventory import Host
from migrator.model.facts import SCHEMA, NodeFacts
from migrator.model.objects import Budget, Node
from migrator.model.plan import NodePlan, Plan, Unplanned
from migrator.planning import plan
from migrator.planning.situation import Situation

_READ_TASK = "Read the node"


def survey(chosen: Sequence[Host], hosts: Hosts, cluster: Cluster, allow: Collection[str]) -> Plan:
    """Inspect the chosen hosts in one round trip each, ask the cluster about them, and plan each.

    A host that cannot be planned does not keep the others from it. Raises `ClusterError`.
    """
    nodes = {node.name: node for node in cluster.nodes()}
    budgets = cluster.budgets()
    results = hosts.play("inspect", [host.name for host in chosen], {})
    planned: list[NodePlan] = []
    unplanned: list[Unplanned] = []
    for host in chosen:
        entry = _plan_one(host, results[host.name], nodes, cluster, budgets, allow)
        if isinstance(entry, NodePlan):
            planned.append(entry)
        else:
            unplanned.append(entry)
    return Plan(nodes=tuple(planned), unplanned=tuple(unplanned))


def _plan_one(
    host: Host,
    result: HostResult,
    nodes: Mapping[str, Node],
    cluster: Cluster,
    budgets: tuple[Budget, ...],
    allow: Collection[str],
) -> NodePlan | Unplanned:
    if host.node not in nodes:
        known = ", ".join(sorted(nodes)) or "none"
        return Unplanned(
            host=host.name,
            problem=f"the cluster has no Node {host.node}; it has: {known}. Set migrator_node_name if its name differs",
        )
    if result.problem:
        return Unplanned(host=host.name, problem=result.problem)
    facts = _facts(result)
    if isinstance(facts, str):
        return Unplanned(host=host.name, problem=facts)
    situation = Situation(
        host=host.name,
        target=host.target,
        facts=facts,
        node=nodes[host.node],
        pods=cluster.pods_on(host.node),
        budgets=budgets,
        allow=frozenset(allow) | frozenset(host.target.allow),
    )
    return plan.make(situation, STEPS)


def _facts(result: HostResult) -> NodeFacts | str:
    document = next((answer["node"] for task, answer in result.results.items() if task.endswith(_READ_TASK)), None)
    if document is None or document.get("schema_version") != SCHEMA:
        return "the host gave no facts of the schema that this version reads"
    try:
        facts = NodeFacts.model_validate(document)
    except ValidationError as error:
        return f"the host's facts do not fit their schema: {error.errors()[0]['msg']}"
    return facts if facts.root else "the node was read without root rights: sudo has to be allowed for ansible_user"
