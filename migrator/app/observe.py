"""Look at nodes from both sides and plan them: the part that the commands share."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from pydantic import ValidationError

from migrator.engine.migration import CLEANUP, REBOOT, ROLLBACK, STEPS
from migrator.engine.steps import remove
from migrator.hosts import HostResult, Hosts
from migrator.inventory import Host
from migrator.model.docker_removal import Removal
from migrator.model.facts import SCHEMA, NodeFacts
from migrator.model.kubernetes import ClusterFacts
from migrator.model.node_requests import Cleanup, Inspect
from migrator.model.observation import Observation
from migrator.model.plan import NodePlan, Plan, Unplanned
from migrator.model.untrusted_text import mistake
from migrator.planning import cleanup as cleanup_plan
from migrator.planning import plan
from migrator.planning import reboot as reboot_plan
from migrator.planning import rollback as rollback_plan
from migrator.planning.cluster_capacity import fleet, pods_by_node
from migrator.planning.inputs import NodeInputs

_log = logging.getLogger(__name__)
_READ_TASK = "Read the node"


def observe(chosen: Sequence[Host], hosts: Hosts) -> Iterator[Observation]:
    """Inspect hosts in one round trip each. A host that gives no facts is given with its problem."""
    results = hosts.play(Inspect(), [host.name for host in chosen])
    for host in chosen:
        result = results[host.name]
        facts = result.problem or _facts(result)
        if isinstance(facts, str):
            yield Observation(host=host.name, target=host.target, problem=facts)
        else:
            yield Observation(host=host.name, target=host.target, facts=facts, observed_at=result.at)


def migration(situation: NodeInputs) -> NodePlan:
    """Plan a node's migration."""
    return plan.make(situation, STEPS)


def rollback(situation: NodeInputs) -> NodePlan:
    """Plan a node's way back."""
    return rollback_plan.make(situation, ROLLBACK)


def reboot(situation: NodeInputs) -> NodePlan:
    """Plan a node's reboot."""
    return reboot_plan.make(situation, REBOOT)


def cleanup(chosen: Sequence[Host], hosts: Hosts) -> Callable[[NodeInputs], NodePlan]:
    """Look at what is left of Docker on hosts; give what plans its removal from each."""
    results = hosts.play(Cleanup(state="look"), [host.name for host in chosen])

    def make(situation: NodeInputs) -> NodePlan:
        result = results[situation.host]
        seen = result.results.get(remove.TASK, {}).get("removal")
        removal = Removal.model_validate(seen) if seen else Removal(refusal=result.problem or "it was not looked at")
        return cleanup_plan.make(replace(situation, removal=removal), CLEANUP)

    return make


def plan_all(
    observations: Iterable[Observation],
    cluster: ClusterFacts,
    allow: Collection[str],
    make: Callable[[NodeInputs], NodePlan] = migration,
) -> Plan:
    """Plan each host by itself: one that cannot be planned does not keep the others from it."""
    nodes = {node.name: node for node in cluster.nodes}
    pods = pods_by_node(cluster)
    around = fleet(cluster)
    planned: list[NodePlan] = []
    unplanned: list[Unplanned] = []
    for entry in observations:
        if entry.facts is None:
            unplanned.append(Unplanned(host=entry.host, problem=entry.problem))
        elif entry.node not in nodes:
            unplanned.append(Unplanned(host=entry.host, problem=_no_node(entry.node, nodes)))
        else:
            situation = NodeInputs(
                host=entry.host,
                target=entry.target,
                facts=entry.facts,
                node=nodes[entry.node],
                pods=tuple(pod for pod in pods.get(entry.node, ()) if not pod.probes),
                fleet=around,
                observed_at=entry.observed_at,
                allow=frozenset(allow) | frozenset(entry.target.allow),
            )
            try:
                planned.append(make(situation))
            except Exception as error:  # noqa: BLE001 - whatever one node says, the others are planned
                _log.debug("%s cannot be planned", entry.host, exc_info=True)
                unplanned.append(Unplanned(host=entry.host, problem=_unplannable(error)))
    return Plan(nodes=tuple(planned), unplanned=tuple(unplanned))


def _unplannable(error: Exception) -> str:
    if isinstance(error, ValueError):
        return f"what it says of itself cannot be understood: {error}"
    return f"what it says of itself makes no plan, please report it: {error!r}"


def _no_node(name: str, nodes: Collection[str]) -> str:
    known = sorted(nodes)
    named = ", ".join(known[:20]) + (f" and {len(known) - 20} more" if len(known) > 20 else "")
    return f"the cluster has no Node {name}; it has: {named or 'none'}. Set migrator_node_name if its name differs"


def _facts(result: HostResult) -> NodeFacts | str:
    document = result.results.get(_READ_TASK, {}).get("node")
    if not isinstance(document, dict) or document.get("schema_version") != SCHEMA:
        return "the host gave no facts of the schema that this version reads"
    try:
        facts = NodeFacts.model_validate(document)
    except ValidationError as error:
        return f"the host's facts do not fit their schema: {mistake(error)}"
    return facts if facts.root else "the node was read without root rights: sudo has to be allowed for ansible_user"
