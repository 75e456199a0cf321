"""Nodes are looked at from both sides; one that cannot be planned keeps no other from it."""

from __future__ import annotations

import pytest

from migrator.app import observe
from migrator.app.connections import Connections
from migrator.errors import StalePlanError
from migrator.hosts import HostResult
from migrator.inventory import Host
from migrator.model.facts import NodeFacts
from migrator.model.host_settings import HostSettings
from migrator.model.kubernetes import ClusterFacts, Pod
from migrator.model.observation import Observation
from migrator.model.plan import Plan
from tests.fakes.cluster import FakeCluster
from tests.fakes.hosts import FakeHosts
from tests.fakes.values import facts, files, node, pod

READ = "Read the node"


def read(value: NodeFacts) -> HostResult:
    """Give what the inspect playbook returns for these facts."""
    return HostResult(host="worker-1", results={READ: {"node": value.model_dump(mode="json")}})


def doors(result: HostResult, *names: str) -> Connections:
    """Give doors to hosts of these names, all answering alike, and a cluster that knows worker-1."""
    chosen = tuple(Host(name=name, target=HostSettings()) for name in names or ("worker-1",))
    return Connections(chosen, FakeHosts({"inspect": result}), FakeCluster([node()], [pod("web")]), frozenset())


def test_facts_and_objects_become_a_plan() -> None:
    """One round trip to the hosts, and a node to migrate."""
    it = doors(read(facts()))

    plan = it.plan()

    assert [entry.node for entry in plan.nodes if entry.changes] == ["worker-1"]
    assert it.hosts.names == ["inspect"]


def test_a_host_that_is_no_node_is_told_with_those_that_are() -> None:
    """The others are planned all the same."""
    plan = doors(read(facts()), "worker-9", "worker-1").plan()

    assert [entry.node for entry in plan.nodes] == ["worker-1"]
    assert "no Node worker-9; it has: worker-1" in plan.unplanned[0].problem


PROBLEMS = {
    "unreachable": (HostResult(host="worker-1", problem="the host does not answer"), "does not answer"),
    "not root": (read(NodeFacts(schema_version=2, root=False)), "sudo has to be allowed"),
    "another schema": (HostResult(host="worker-1", results={READ: {"node": {"schema_version": 99}}}), "no facts of the schema"),
    "no facts": (HostResult(host="worker-1"), "no facts of the schema"),
    "broken facts": (HostResult(host="worker-1", results={READ: {"node": {"schema_version": 2}}}), "do not fit their schema"),
}  # fmt: skip


@pytest.mark.parametrize(("result", "said"), PROBLEMS.values(), ids=PROBLEMS)
def test_a_host_that_cannot_be_read_is_told(result: HostResult, said: str) -> None:
    """The problem stands in the plan, which then has no node."""
    plan = doors(result).plan()

    assert plan.nodes == ()
    assert said in plan.unplanned[0].problem


def test_a_node_that_changed_since_it_was_shown_is_refused() -> None:
    """Other bytes than the user agreed to are not written; pods that moved are no reason."""
    shown = doors(read(facts())).plan().nodes[0]

    later = doors(read(facts()))
    later.cluster.pods.clear()
    assert isinstance(later.plan_again([shown]), Plan)

    changed = facts(files=files(default="KUBELET_EXTRA_ARGS=--v=4\n"))
    with pytest.raises(StalePlanError, match="/etc/default/kubelet"):
        doors(read(changed)).plan_again([shown])


def test_probes_of_ours_are_no_workload() -> None:
    """Somebody's `verify` beside a plan does not refuse it; another namespace with such a beginning is somebody's."""
    ours = pod("probe-a", namespace="migrator-probe-5e551011", owner="", images=("migrator.invalid/probe:1",))
    theirs = pod("probe-a", namespace="migrator-probe-of-theirs", owner="")
    seen = Observation(host="worker-1", target=HostSettings(), facts=facts())

    def ids(*pods: Pod) -> set[str]:
        (made,) = observe.plan_all([seen], ClusterFacts(nodes=(node(),), pods=pods), ()).nodes
        return {finding.id for finding in made.findings}

    assert not {"unmanaged-pods", "images-missing"} & (ids(ours) - ids())
    assert "unmanaged-pods" in ids(theirs)
