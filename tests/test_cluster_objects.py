"""The API's JSON becomes our values, whatever an API server leaves out."""

from __future__ import annotations

from typing import Any

import pytest

from migrator.cluster import parse

NODE: dict[str, Any] = {
    "metadata": {
        "name": "worker-1",
        "labels": {"zone": "a"},
        "annotations": {
            "kubeadm.alpha.kubernetes.io/cri-socket": "/var/run/dockershim.sock",
            "migrator/cordoned": "migrator",
            "secret": "s3",
        },
    },
    "spec": {"taints": [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}], "unschedulable": True},
    "status": {
        "nodeInfo": {"machineID": "m", "containerRuntimeVersion": "docker://20.10.24", "kubeletVersion": "v1.20.2"},
        "conditions": [
            {"type": "Ready", "status": "True", "lastHeartbeatTime": "2026-01-01T00:00:00Z"},
            {"type": "DiskPressure", "status": "True"},
            {"type": "MemoryPressure", "status": "False"},
        ],
        "allocatable": {"cpu": "1900m", "memory": "1Gi", "pods": "110"},
        "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
    },
}
POD: dict[str, Any] = {
    "metadata": {"name": "web", "namespace": "shop", "uid": "u"},
    "spec": {"containers": [{"name": "web", "image": "web:1"}]},
}


def test_a_node() -> None:
    """Its cordon is no taint, its room is in millicores and bytes, and of its annotations only ours and the socket are kept."""
    found = parse.node(NODE)

    assert (found.cpu, found.memory, found.room) == (1900, 2**30, 110)
    assert (found.ready, found.unschedulable, found.tainted) == (True, True, False)
    assert found.pressures == ("DiskPressure",)
    assert found.annotations == {
        "kubeadm.alpha.kubernetes.io/cri-socket": "/var/run/dockershim.sock",
        "migrator/cordoned": "migrator",
    }
    assert (found.cordoned_by_us, found.cordoned_by_others) == (True, False)


@pytest.mark.parametrize(
    ("taint", "told"),
    [
        ("node.kubernetes.io/not-ready:NoSchedule", "takes pods"),
        ("node.kubernetes.io/unreachable:NoExecute", "takes pods"),
        ("node.kubernetes.io/disk-pressure:NoSchedule", "tainted"),
        ("dedicated:NoExecute", "tainted"),
        ("dedicated:PreferNoSchedule", "takes pods"),
    ],
)
def test_a_taint(taint: str, told: str) -> None:
    """A node that has just got Ready has the taint of one that is not for some seconds more: its condition is asked."""
    key, _, effect = taint.partition(":")

    found = parse.node({**NODE, "spec": {"taints": [{"key": key, "effect": effect}]}})

    assert ("tainted" if found.tainted else "takes pods") == told


def test_a_pod_with_nothing_but_what_it_must_have() -> None:
    """No status, no volumes, no owner: nothing raises."""
    found = parse.pod(POD)

    assert (found.full_name, found.phase, found.owner, found.cpu, found.host_paths) == ("shop/web", "", "", 0, ())


def spec(**update: Any) -> dict[str, Any]:
    """Give the pod with other fields in its spec."""
    return {**POD, "spec": {**POD["spec"], **update}}


def container(**fields: Any) -> dict[str, Any]:
    """Give a container."""
    return {"name": "c", "image": "i", **fields}


def requests(cpu: str, memory: str = "0") -> dict[str, Any]:
    """Give the resources of a container."""
    return {"requests": {"cpu": cpu, "memory": memory}}


CASES = {
    "containers are summed": (spec(containers=[container(resources=requests("100m", "16Mi")), container(resources=requests("0.5", "1M"))]), {"cpu": 600, "memory": 17777216}),
    "a large init container counts": (spec(initContainers=[container(resources=requests("2"))], containers=[container(resources=requests("100m"))]), {"cpu": 2000}),
    "overhead counts": (spec(overhead={"cpu": "250m", "memory": "1Ki"}), {"cpu": 250, "memory": 1024}),
    "host ports": (spec(containers=[container(ports=[{"containerPort": 80, "hostPort": 8080}, {"containerPort": 81}])]), {"host_ports": (8080,)}),
    "capabilities": (spec(containers=[container(securityContext={"capabilities": {"add": ["NET_RAW"]}})], initContainers=[container(securityContext={"capabilities": {"add": ["SYS_ADMIN"]}})]), {"capabilities": ("NET_RAW", "SYS_ADMIN")}),
    "privileged": (spec(containers=[container(securityContext={"privileged": True})]), {"privileged": True}),
    "runtime class": (spec(runtimeClassName="gvisor"), {"runtime_class": "gvisor"}),
    "host network": (spec(hostNetwork=True), {"host_network": True}),
    "host paths": (spec(volumes=[{"name": "d", "hostPath": {"path": "/run"}}, {"name": "e", "emptyDir": {}}]), {"host_paths": ("/run",), "empty_dirs": ("e",)}),
    "a grace period": (spec(terminationGracePeriodSeconds=0), {"ends_within": 0}),
    "the usual grace period": (spec(), {"ends_within": 30}),
    "priority": (spec(priority=100), {"priority": 100}),
}  # fmt: skip


@pytest.mark.parametrize(("item", "expected"), CASES.values(), ids=CASES)
def test_a_pod(item: dict[str, Any], expected: dict[str, Any]) -> None:
    """Each field that a plan decides by is read."""
    found = parse.pod(item)

    assert {name: getattr(found, name) for name in expected} == expected


def test_a_daemon_set_and_a_runtime_class() -> None:
    """Both are read as far as they matter."""
    item = {
        "metadata": {"namespace": "n", "name": "agent"},
        "spec": {"template": {"spec": spec(volumes=[{"hostPath": {"path": "/"}}])["spec"]}},
    }

    assert parse.daemon_set(item).host_paths == ("/",)
    assert parse.runtime_class({"metadata": {"name": "fast"}, "handler": "crun"}).handler == "crun"


@pytest.mark.parametrize(
    ("status", "violated"),
    [
        ({}, False),
        ({"currentHealthy": 2, "desiredHealthy": 2, "expectedPods": 3}, False),
        ({"currentHealthy": 1, "desiredHealthy": 2, "expectedPods": 3}, True),
        ({"desiredHealthy": 1, "expectedPods": 1}, True),
    ],
)
def test_a_budget_with_too_few_healthy_pods_is_violated(status: dict[str, int], *, violated: bool) -> None:
    """As its controller has counted; one that it has not counted yet is not."""
    item = {"metadata": {"name": "web", "namespace": "shop"}, "spec": {"selector": {"matchLabels": {"app": "web"}}}}

    assert parse.budget({**item, "status": status}, "policy/v1beta1").violated is violated


def test_what_a_drain_goes_by() -> None:
    """Who made a pod, whether it ends already and by when, whether it is static, and what it keeps."""
    meta = {
        "annotations": {"kubernetes.io/config.mirror": "x"}, "deletionTimestamp": "2026-01-01T00:00:00Z",
        "deletionGracePeriodSeconds": 45, "labels": {"app": "web"},
        "ownerReferences": [
            {"kind": "Other", "name": "o"}, {"kind": "ReplicaSet", "name": "web-1", "controller": True},
        ],
    }  # fmt: skip
    volumes = [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]
    status = {
        "phase": "Running", "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [{"containerID": "docker://a"}, {}],
    }  # fmt: skip
    init = [container(image="setup:1")]
    item = {
        "metadata": {**POD["metadata"], **meta},
        "spec": {**POD["spec"], "nodeName": "w1", "volumes": volumes, "initContainers": init},
        "status": status,
    }

    found = parse.pod(item)

    assert (found.mirror, found.terminating, found.grace, found.owner) == (True, True, 45, "ReplicaSet/web-1")
    assert (found.phase, found.ready, found.node, found.labels) == ("Running", True, "w1", {"app": "web"})
    assert (found.claims, found.container_ids, found.images) == (("data",), ("docker://a", ""), ("setup:1", "web:1"))
    plain = parse.pod(POD)
    assert (plain.mirror, plain.terminating, plain.grace, plain.ready) == (False, False, 0, False)


OWNERS = {
    "apps": ("apps/v1", "StatefulSet", "StatefulSet/web"),
    "made long ago": ("extensions/v1beta1", "ReplicaSet", "ReplicaSet/web"),
    "of the core": ("v1", "ReplicationController", "ReplicationController/web"),
    "of OpenKruise": ("apps.kruise.io/v1beta1", "StatefulSet", "StatefulSet.apps.kruise.io/web"),
    "OpenKruise's DaemonSet": ("apps.kruise.io/v1alpha1", "DaemonSet", "DaemonSet/web"),
    "of a name that nobody else has": ("apps.kruise.io/v1alpha1", "CloneSet", "CloneSet/web"),
    "a Job": ("batch/v1", "Job", "Job/web"),
}


@pytest.mark.parametrize(("version", "kind", "owner"), OWNERS.values(), ids=OWNERS)
def test_an_owner_is_known_by_its_group_too(version: str, kind: str, owner: str) -> None:
    """Its name alone may be that of another kind; it is drained, or stays, as that one."""
    owners = [{"apiVersion": version, "kind": kind, "name": "web", "controller": True}]

    found = parse.pod({**POD, "metadata": {**POD["metadata"], "ownerReferences": owners}})

    assert found.owner == owner
    assert found.replicated is (kind in {"StatefulSet", "ReplicaSet", "ReplicationController"})
    assert found.stays is (kind == "DaemonSet")


@pytest.mark.parametrize("owners", [[], [{"kind": "ReplicaSet", "name": "web-1"}], None])
def test_a_pod_without_a_controller_is_nobodys(owners: object) -> None:
    """Nobody would create it again."""
    assert parse.pod({**POD, "metadata": {**POD["metadata"], "ownerReferences": owners}}).owner == ""
