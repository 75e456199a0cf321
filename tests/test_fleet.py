"""What the rest of a cluster means for one node."""

from __future__ import annotations

from migrator.model.kubernetes import ClusterFacts
from migrator.planning.cluster_capacity import Resources, fleet, pods_by_node
from tests.fakes.values import node, pod


def room(name: str, **update: object) -> object:
    """Give a node with room."""
    return node(name=name, cpu=1000, memory=1000, room=10, **update)


def test_what_is_free_beside_a_node() -> None:
    """Requests of unfinished pods are taken off; nodes that take no pods count for nothing."""
    cluster = ClusterFacts(
        nodes=(room("a"), room("b"), room("cordoned", unschedulable=True), room("tainted", tainted=True), room("down", ready=False)),
        pods=(
            pod("one", node="a", cpu=300, memory=100),
            pod("two", node="b", cpu=200, memory=900),
            pod("done", node="b", cpu=500, phase="Succeeded"),
        ),
    )  # fmt: skip

    around = fleet(cluster)

    assert around.total == Resources(cpu=1500, memory=1000, pods=18)
    assert around.beside("a") == Resources(cpu=800, memory=100, pods=9)
    assert around.beside("cordoned") == around.total


def test_replicas_of_each_owner_are_counted_over_all_nodes() -> None:
    """By namespace and owner."""
    cluster = ClusterFacts(pods=(pod("x", node="a"), pod("y", node="b"), pod("z", namespace="other")))

    assert fleet(cluster).replicas == {("shop", "ReplicaSet/web"): 2, ("other", "ReplicaSet/web"): 1}


def test_pods_are_found_by_their_node() -> None:
    """A node without pods has no entry."""
    assert {
        name: [entry.name for entry in pods]
        for name, pods in pods_by_node(ClusterFacts(pods=(pod("x", node="a"), pod("y", node="b")))).items()
    } == {"a": ["x"], "b": ["y"]}
