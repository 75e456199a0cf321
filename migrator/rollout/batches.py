"""The batches of a plan: made once, shown, and done."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from migrator.inventory import Host
from migrator.model.kubernetes import ClusterFacts
from migrator.model.plan import NodePlan, Plan, PlannedBatch
from migrator.rollout.groups import groups
from migrator.rollout.schedule import Batch, batches
from migrator.rollout.shared_workloads import crowds


def make_batches(
    todo: Sequence[NodePlan],
    everyone: Iterable[Host],
    cluster: ClusterFacts,
    allow: Collection[str] = (),
    most: int = 0,
    *,
    serving: bool = False,
) -> tuple[Batch, ...]:
    """Give the batches in which nodes are worked on: the same ones whenever the same is known.

    `everyone` are all hosts of the inventory, `allow` the ids of checks that are waived on all nodes, `most` is how
    many nodes shall be worked on, 0 for all. Where they serve meanwhile no pod leaves, and nothing follows from pods.
    """
    found = groups(todo, everyone, cluster.nodes, frozenset(allow))
    # Whoever goes alone needs no look at the pods of the whole cluster.
    several = [entry.node for group in found if group.size > 1 and not serving for entry in group.members]
    return batches(found, most, crowds(cluster, several) if several else None)


def with_batches(plan: Plan, ordered: Iterable[Batch]) -> Plan:
    """Give a plan with these batches, in which its nodes would be worked on."""
    batches = tuple(
        PlannedBatch(group=batch.group.policy.group, nodes=batch.nodes, canary=batch.canary, findings=batch.findings)
        for batch in ordered
    )
    return plan.model_copy(update={"batches": batches})


def scheduled(plan: Plan, everyone: Iterable[Host], cluster: ClusterFacts, allow: Collection[str] = ()) -> Plan:
    """Give a plan with the batches in which all would be worked on of its nodes on which anything would be done."""
    return with_batches(plan, make_batches(plan.changing, everyone, cluster, allow))
