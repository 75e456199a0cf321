"""A batch is judged as a whole: no workload is away because its pods were on nodes of one batch, and there is room."""

from __future__ import annotations

import gc
import json
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrator.cli import plan as cli
from migrator.cli.options import PlanOutput
from migrator.errors import PlanRefusedError
from migrator.inventory import Host
from migrator.model.host_settings import HostSettings
from migrator.model.kubernetes import ClusterFacts, Node, Pod
from migrator.model.observation import Observation
from migrator.model.plan import MigrationPlan, NodePlan, Plan, Severity
from migrator.model.rollout_policy import Policy
from migrator.planning.cluster_capacity import Resources, fleet, requested
from migrator.report import markdown, text
from migrator.rollout.batches import make_batches, scheduled
from migrator.rollout.schedule import Batch, Group, Member, batches, spread
from migrator.rollout.shared_workloads import crowds
from migrator.store import fact_store
from tests.fakes import values
from tests.fakes.values import node, pod

Apps = dict[tuple[str, str], list[Pod]]


def cluster(pods: Sequence[Pod], count: int = 3, **update: object) -> ClusterFacts:
    """Give a cluster of so many nodes with these pods."""
    plain: dict[str, object] = {"cpu": 10_000, "memory": 2**34, "room": 110}
    return ClusterFacts(
        nodes=tuple(node(name=f"w{number}", **(plain | update)) for number in range(1, count + 1)), pods=tuple(pods)
    )


def on(place: str, name: str = "web", **update: Any) -> Pod:
    """Give a pod of a ReplicaSet on a node."""
    return pod(f"{name}-{place}", **({"node": place, "owner": f"ReplicaSet/{name}"} | update))


def made(seen: ClusterFacts, *allow: str, **policy: Any) -> tuple[Batch, ...]:
    """Give the batches of all nodes of a cluster."""
    names = [entry.name for entry in seen.nodes]
    members = [Member(entry.name, entry.zone, allow=frozenset(allow)) for entry in seen.nodes]
    group = Group(Policy(**({"canaries": 0} | policy)), members, frozenset(names))
    return batches([group], crowds=crowds(seen, names))


def names(found: Sequence[Batch]) -> list[tuple[str, ...]]:
    """Give the nodes of each."""
    return [batch.nodes for batch in found]


def told(found: Sequence[Batch]) -> list[tuple[str, Severity]]:
    """Give what was found, batch by batch."""
    return [(entry.id, entry.severity) for batch in found for entry in batch.findings]


APART: dict[str, tuple[tuple[Pod, ...], list[tuple[str, ...]]]] = {
    "both replicas": ((on("w1"), on("w2")), [("w1", "w3"), ("w2",)]),
    "a third elsewhere": ((on("w1"), on("w2"), on("w3")), [("w1", "w2"), ("w3",)]),
    "a third that is not ready": ((on("w1"), on("w2"), on("w3", ready=False)), [("w1", "w3"), ("w2",)]),
    "a third that ends": ((on("w1"), on("w2"), on("w3", terminating=True)), [("w1", "w3"), ("w2",)]),
    "a third on no node of ours": ((on("w1"), on("w2"), on("elsewhere")), [("w1", "w2"), ("w3",)]),
    "one of them gets ready yet": ((on("w1"), on("w2", ready=False)), [("w1", "w3"), ("w2",)]),
    "both on one node": ((on("w1"), replace(on("w1"), uid="2")), [("w1", "w2"), ("w3",)]),
    "two workloads": ((on("w1"), on("w2"), on("w1", "db"), on("w3", "db")), [("w1",), ("w2", "w3")]),
    "a StatefulSet": ((on("w1", owner="StatefulSet/db"), on("w2", owner="StatefulSet/db")), [("w1", "w3"), ("w2",)]),
    "a DaemonSet": ((on("w1", owner="DaemonSet/a"), on("w2", owner="DaemonSet/a")), [("w1", "w2"), ("w3",)]),
    "a Job": ((on("w1", owner="Job/a"), on("w2", owner="Job/a")), [("w1", "w2"), ("w3",)]),
    "of two namespaces": ((on("w1"), on("w2", namespace="other")), [("w1", "w2"), ("w3",)]),
    "of two ReplicaSets of a Deployment": (
        (
            on("w1", owner="ReplicaSet/web-5f", labels={"pod-template-hash": "5f"}),
            on("w2", owner="ReplicaSet/web-7c", labels={"pod-template-hash": "7c"}),
        ),
        [("w1", "w3"), ("w2",)],
    ),
    "of two ReplicaSets that are nobody's": (
        (on("w1", owner="ReplicaSet/web-5f"), on("w2", owner="ReplicaSet/web-7c")),
        [("w1", "w2"), ("w3",)],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("pods", "expected"), APART.values(), ids=APART)
def test_nodes_that_hold_a_workload_by_themselves_go_apart(
    pods: tuple[Pod, ...], expected: list[tuple[str, ...]]
) -> None:
    """Batches of two of three nodes; without a reason they are taken in order."""
    assert names(made(cluster(pods), batch="2")) == expected


def test_why_a_node_is_not_in_a_batch_is_told() -> None:
    """With the workload, and what could be done about it."""
    (first, _) = made(cluster((on("w1"), on("w2"))), batch="2")

    (finding,) = first.findings
    assert (finding.id, finding.severity) == ("batch-replicas", Severity.INFORMS)
    assert finding.evidence == "without w2: all ready pods of shop/ReplicaSet/web would leave at once"
    assert "--allow batch-replicas" in finding.remedy


def test_whoever_allows_it_has_them_together() -> None:
    """And is told what becomes of the workload."""
    found = made(cluster((on("w1"), on("w2"))), "batch-replicas", batch="2")

    assert names(found) == [("w1", "w2"), ("w3",)]
    assert told(found) == [("batch-replicas", Severity.WARNS)]
    assert found[0].findings[0].evidence == "all ready pods of shop/ReplicaSet/web leave at once"


def test_a_batch_is_no_larger_than_the_room_elsewhere() -> None:
    """Each node's pods fit beside the others, and not beside those of its batch that leave with it."""
    full = cluster([on(f"w{number}", f"app{number}", cpu=600) for number in range(1, 5)], 4, cpu=1000)

    assert names(made(full, batch="3")) == [("w1",), ("w2",), ("w3",), ("w4",)]
    assert told(made(full, batch="3"))[0] == ("batch-capacity", Severity.INFORMS)
    assert "room for 800 of 1200 mCPU that leave" in made(full, batch="3")[0].findings[0].evidence
    assert names(made(full, "capacity", batch="3")) == [("w1", "w2", "w3"), ("w4",)]


def test_nodes_that_take_no_pods_are_no_room() -> None:
    """Somebody has cordoned one, or it is away: what is free there helps nobody."""
    pods = [on("w1", "a", cpu=600), on("w2", "b", cpu=600)]
    seen = cluster(pods, 4, cpu=1000)
    away = seen.model_copy(
        update={"nodes": (*seen.nodes[:3], seen.nodes[3].model_copy(update={"unschedulable": True}))}
    )

    assert names(made(seen, batch="2")) == [("w1", "w2"), ("w3", "w4")]
    assert names(made(away, batch="2")) == [("w1",), ("w2",), ("w3", "w4")]


def test_one_after_the_other_nothing_changes() -> None:
    """Whatever pods there are; nobody looks at them."""
    found = made(cluster((on("w1", cpu=10_000), on("w2", cpu=10_000))), batch="1")

    assert names(found) == [("w1",), ("w2",), ("w3",)]
    assert told(found) == []


@st.composite
def worlds(draw: st.DrawFn) -> tuple[ClusterFacts, int]:
    """Give a cluster, some of its nodes short of room, whose workloads are spread as it happens; and a size."""
    count = draw(st.integers(2, 12))
    size = draw(st.integers(1, count))
    place = st.integers(1, count + 1)  # one more than there are to be worked on
    pods = []
    for app in range(draw(st.integers(0, 12))):
        owner = draw(
            st.sampled_from(("ReplicaSet", "ReplicaSet", "StatefulSet", "ReplicationController", "DaemonSet", "Job"))
        )
        several = draw(st.booleans())
        for index, where in enumerate(draw(st.lists(place, min_size=1, max_size=5))):
            mark = str(index % 2 if several else 0)
            hashed = {"pod-template-hash": mark} if owner == "ReplicaSet" else {}
            pods.append(
                pod(
                    f"a{app}-{index}",
                    node=f"w{where}",
                    owner=f"{owner}/a{app}-{mark if hashed else 0}",
                    labels=hashed,
                    ready=draw(st.sampled_from((True, True, True, False))),
                    cpu=draw(st.sampled_from((0, 100, 400))),
                    terminating=draw(st.sampled_from((False, False, False, False, True))),
                )
            )
    nodes = tuple(
        node(name=f"w{number}", zone=draw(st.sampled_from(("a", "b", "c"))), cpu=draw(st.sampled_from((1000, 4000))))
        for number in range(1, count + 1)
    )
    return ClusterFacts(nodes=nodes, pods=tuple(pods)), size


def ready_places(seen: ClusterFacts) -> dict[tuple[str, str], set[str]]:
    """Say where each workload that has several replicas is ready; written once more, with other means."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for entry in seen.pods:
        kind, _, name = entry.owner.partition("/")
        if kind in {"ReplicaSet", "StatefulSet", "ReplicationController"} and entry.ready and not entry.terminating:
            found[kind, name[: name.rindex("-")]].add(entry.node)
    return found


@settings(max_examples=400)
@given(world=worlds(), canaries=st.integers(0, 2), seed=st.integers(0, 2**32))
def test_no_batch_takes_all_of_a_workload_or_more_than_there_is_room_for(
    world: tuple[ClusterFacts, int], canaries: int, seed: int
) -> None:
    """A node alone can always go, so another grouping exists wherever several nodes do harm together.

    Zones and sizes are kept: nodes go in the order in which zones are taken in turn, and a node is later than it could
    be only because of a workload or for lack of room. The order in which pods are listed changes nothing.
    """
    seen, size = world
    found = made(seen, batch=str(size), canaries=canaries)
    order = spread([Member(entry.name, entry.zone) for entry in seen.nodes])
    ready, around = ready_places(seen), fleet(seen)

    assert sorted(name for batch in found for name in batch.nodes) == sorted(order)
    assert names(found)[:canaries] == [(name,) for name in order[:canaries]]
    for place, batch in enumerate(found):
        assert len(batch.nodes) <= size
        assert list(batch.nodes) == sorted(batch.nodes, key=order.index)
        together = set(batch.nodes)
        if len(together) > 1:
            assert not [key for key, nodes in ready.items() if len(nodes) > 1 and nodes <= together]
            assert not lacks(seen, around.total, around.free, together)
        if batch.canary or len(together) == size:
            continue
        for late in {name for later in found[place + 1 :] for name in later.nodes}:
            kept = any(entry.id == "batch-replicas" for entry in batch.findings)
            short = any(entry.id == "batch-capacity" for entry in batch.findings)
            assert kept or short, f"{late} could have been in {batch.nodes}"
    shuffled = random.Random(seed).sample(seen.pods, len(seen.pods))  # noqa: S311 - to be repeated
    assert made(seen.model_copy(update={"pods": tuple(shuffled)}), batch=str(size), canaries=canaries) == found


def lacks(seen: ClusterFacts, total: Resources, free: Any, together: set[str]) -> bool:
    """Tell whether the pods of these nodes find no room on the others."""
    wanted = requested(entry for entry in seen.pods if entry.node in together and entry.leaves and entry.owner)
    own = [free[name] for name in together if name in free]
    return wanted.cpu > total.cpu - sum(room.cpu for room in own)


@settings(max_examples=100)
@given(world=worlds())
def test_without_a_reason_batches_are_what_they_always_were(world: tuple[ClusterFacts, int]) -> None:
    """One of each zone in turn, as many as may be."""
    seen, size = world
    bare = seen.model_copy(update={"pods": ()})
    order = spread([Member(entry.name, entry.zone) for entry in seen.nodes])

    found = made(bare, batch=str(size))

    assert names(found) == [tuple(order[start : start + size]) for start in range(0, len(order), size)]
    assert told(found) == []


def hosts(seen: ClusterFacts, **target: Any) -> list[Host]:
    """Give the inventory's hosts of these nodes."""
    return [Host(name=entry.name, target=HostSettings(**target)) for entry in seen.nodes]


def plans(nodes: Sequence[Node]) -> tuple[NodePlan, ...]:
    """Give plans by which something is done."""
    step = {"id": "switch", "title": "Switch", "phase": "window", "needed": True, "reason": ""}
    return tuple(
        MigrationPlan.model_validate(
            {"host": entry.name, "node": entry.name, "machine_id": "", "source": "", "target": "", "endpoint": ""}
            | {"steps": (step,)}
        )
        for entry in nodes
    )


def test_what_a_plan_shows_is_what_is_done() -> None:
    """The same batches, from the same facts; `--max-nodes` takes the first of them."""
    seen = cluster((on("w2"), on("w3")), 5)
    everyone = hosts(seen, batch="2", group="workers")
    todo = plans(seen.nodes)

    plan = scheduled(Plan(nodes=todo), everyone, seen)

    assert [entry.nodes for entry in plan.batches] == [("w1",), ("w2", "w4"), ("w3", "w5")]
    assert names(make_batches(todo, everyone, seen)) == [entry.nodes for entry in plan.batches]
    assert names(make_batches(todo, everyone, seen, most=2)) == [("w1",), ("w2",)]
    assert [(entry.group, entry.canary) for entry in plan.batches[:2]] == [("workers", True), ("workers", False)]


def test_an_allowance_is_one_of_the_command_line_or_of_the_inventory() -> None:
    """`migrator_allow` of a host holds for that host."""
    seen = cluster((on("w1"), on("w2")), 4)
    todo = plans(seen.nodes[:3])
    plain, allowing = hosts(seen, batch="3", canaries=0), hosts(seen, batch="3", canaries=0, allow=("batch-replicas",))

    assert names(make_batches(todo, plain, seen)) == [("w1", "w3"), ("w2",)]
    assert names(make_batches(todo, plain, seen, ["batch-replicas"])) == [("w1", "w2", "w3")]
    assert names(make_batches(todo, allowing, seen)) == [("w1", "w2", "w3")]


def test_a_recording_is_planned_in_batches_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A share is one of all hosts that were recorded, however few are asked for."""
    monkeypatch.setattr(gc, "disable", lambda: None)  # the command has its process for itself
    seen = cluster((on("w2"), on("w3")), 4)
    target = HostSettings(batch="50%", canaries=0)
    facts = values.facts()
    found = (Observation(host=entry.name, target=target, facts=facts, observed_at=1.0) for entry in seen.nodes)
    fact_store.save(tmp_path, found, seen)

    with pytest.raises(PlanRefusedError):  # all of them are on the same machine
        cli.command(facts=tmp_path, node=["w2", "w3", "w4"], output=PlanOutput.JSON)

    told = json.loads(capsys.readouterr().out)["batches"]
    assert [entry["nodes"] for entry in told] == [["w2", "w4"], ["w3"]]


def test_batches_are_shown() -> None:
    """Nodes, canaries and why a batch is as it is; of many equal ones the first, and each that harms somebody."""
    seen = cluster((on("w2"), on("w3")), 5)
    plan = scheduled(Plan(nodes=plans(seen.nodes)), hosts(seen, batch="2", group="workers"), seen)
    shown = text.batches(plan)

    assert shown.splitlines() == [
        "Batches, one after the other",
        "  1  workers, canary: w1",
        "  2  workers: w2, w4 (2 nodes)",
        "     · batch-replicas informs: without w3: all ready pods of shop/ReplicaSet/web would leave at once",
        "         spread these pods over more nodes, or --allow batch-replicas to have them away together",
        "  3  workers: w3, w5 (2 nodes)",
    ]
    assert shown in text.plan(plan)
    assert "## Batches, one after the other" in markdown.plan(plan)
    assert "3  workers: w3, w5 (2 nodes)" in markdown.plan(plan)


def test_many_batches_are_counted() -> None:
    """A node alone needs no list."""
    seen = cluster((on("w11"), on("w12")), 20)
    plan = scheduled(Plan(nodes=plans(seen.nodes)), hosts(seen, batch="2"), seen, ["batch-replicas"])
    alone = scheduled(Plan(nodes=plans(seen.nodes[:1])), hosts(seen), seen)

    assert text.batches(plan).splitlines()[-1] == "  … and 3 more: the plan's JSON (-o json) has each"
    assert text.batches(alone) == ""
    assert text.batches(Plan()) == ""
