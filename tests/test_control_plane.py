"""A control-plane node is known by what runs on it, whatever its labels say; a worker is not taken for one."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import ansible.module_utils
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from migrator import data_files
from migrator.app import observe
from migrator.engine.migration import CLEANUP, REBOOT, ROLLBACK, STEPS
from migrator.model.docker_removal import Removal
from migrator.model.facts import Component, NodeFacts
from migrator.model.kubernetes import ClusterFacts, Pod
from migrator.planning import cleanup, plan, reboot, rollback
from migrator.planning.checks.control_plane import known_by
from migrator.planning.cluster_capacity import fleet as summed
from migrator.planning.inputs import NodeInputs
from tests.fakes.values import ADDRESS, facts, fleet, node, pod, situation
from tests.test_node_facts import Tree, put

ansible.module_utils.__path__.append(str(data_files.folder("roles") / "inspect" / "module_utils"))
control = importlib.import_module("ansible.module_utils.migrator_inspect_control")

COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


def static(name: str, **update: Any) -> Pod:
    """Give the mirror of a static pod."""
    given = {"namespace": "kube-system", "owner": "Node/worker-1", "mirror": True, "labels": {}, "images": ("x:1",)}
    return pod(f"{name}-worker-1", **given | update)


def kept(*components: tuple[str, str]) -> NodeFacts:
    """Give facts of a host that has these parts."""
    return facts(control_plane=tuple(Component.model_validate({"name": n, "where": w}) for n, w in components))


KNOWN: Mapping[str, tuple[NodeInputs, str]] = {
    "by its labels": (situation(node=node(control_plane=True)), "its Node's labels"),
    "kubeadm's labels on pods": (situation(pods=(static("x", labels={"component": "etcd", "tier": "control-plane"}),)), "kube-system/x-worker-1"),
    "the tier alone": (situation(pods=(static("x", labels={"tier": "control-plane"}),)), "kube-system/x-worker-1"),
    "its name alone": (situation(pods=(static("kube-apiserver"),)), "kube-system/kube-apiserver-worker-1"),
    "kops' name": (situation(pods=(static("etcd-manager-main"),)), "etcd-manager-main"),
    "OpenShift's name": (situation(pods=(static("openshift-kube-scheduler"),)), "openshift-kube-scheduler"),
    "its image alone": (situation(pods=(static("store", images=("registry.example:5000/k8s/etcd:3.4.13-0",)),)), "store"),
    "its image by digest": (situation(pods=(static("store", images=(f"k8s.gcr.io/kube-apiserver@sha256:{'0' * 64}",)),)), "store"),
    "an image of one architecture": (situation(pods=(static("store", images=("k8s.gcr.io/etcd-amd64:3.2",)),)), "store"),
    "one that does not run": (situation(pods=(static("etcd", phase="Failed", ready=False),)), "etcd"),
    "a manifest": (situation(facts=kept(("etcd", "/etc/kubernetes/manifests/etcd.yaml"))), "etcd (/etc/kubernetes/manifests/etcd.yaml)"),
    "a process": (situation(facts=kept(("kube-apiserver", "kube-apiserver.service"))), "kube-apiserver (kube-apiserver.service)"),
    "an address of the API server": (situation(fleet=fleet(api_servers=("10.9.9.9", ADDRESS))), ADDRESS),
    "the address in another spelling": (situation(node=node(addresses=("fd00::1",)), facts=facts(addresses=("fd00::1",)), fleet=fleet(api_servers=("fd00:0:0::0001",))), "fd00::1"),
}  # fmt: skip


@pytest.mark.parametrize(("now", "said"), KNOWN.values(), ids=KNOWN)
def test_a_control_plane_node_is_refused(now: NodeInputs, said: str) -> None:
    """By apply, rollback, cleanup and the reboot of verify; the finding says what it was known by, and nobody can waive it."""
    allowed = replace(now, allow=frozenset({"control-plane"}), removal=Removal(root="/var/lib/docker"))

    for made in (
        plan.make(allowed, STEPS),
        rollback.make(allowed, ROLLBACK),
        cleanup.make(allowed, CLEANUP),
        reboot.make(allowed, REBOOT),
    ):
        (found,) = [entry for entry in made.blockers if entry.id == "control-plane"]
        assert said in found.evidence


WORKERS: Mapping[str, NodeInputs] = {
    "a worker": situation(),
    "its static pods": situation(pods=(static("static-web"), static("nginx-proxy", images=("nginx:1.19",), labels={"k8s-app": "kube-nginx"}))),
    "kube-proxy as a static pod": situation(pods=(static("kube-proxy", images=("k8s.gcr.io/kube-proxy:v1.20.2",)),)),
    "kube-proxy of RKE2": situation(pods=(static("kube-proxy", labels={"component": "kube-proxy", "tier": "control-plane"}),)),
    "an etcd of somebody's": situation(pods=(pod("etcd-0", images=("bitnami/etcd:3.5",), labels={"component": "etcd"}, owner="StatefulSet/etcd"),)),
    "a virtual cluster": situation(pods=(pod("kube-apiserver-abc", images=("k8s.gcr.io/kube-apiserver:v1.20.2",), labels={"tier": "control-plane"}),)),
    "a static pod named after it": situation(pods=(static("etcd-exporter"), static("kube-scheduler-simulator-ui"))),
    "an API server elsewhere": situation(fleet=fleet(api_servers=("10.77.0.1",))),
    "an address that only its host has": situation(facts=facts(addresses=(ADDRESS, "10.77.0.1")), fleet=fleet(api_servers=("10.77.0.1",))),
    "a load balancer by name": situation(node=node(addresses=(ADDRESS, "worker-1")), fleet=fleet(api_servers=("worker-1",))),
}  # fmt: skip


@pytest.mark.parametrize("now", WORKERS.values(), ids=WORKERS)
def test_a_worker_is_not_taken_for_one(now: NodeInputs) -> None:
    """Whatever it runs that only sounds so."""
    assert not [entry for entry in plan.make(now, STEPS).findings if entry.id == "control-plane"]


@given(st.sampled_from(COMPONENTS), st.sampled_from(["labels", "name", "image"]), st.integers(0, 5))
def test_each_part_is_known_each_way_among_other_pods(component: str, way: str, others: int) -> None:
    """By one of them alone."""
    by = {
        "labels": static("a", labels={"component": component}),
        "name": static(component),
        "image": static("a", images=("pause:3", f"r.example/x/{component}:v1")),
    }[way]

    assert known_by(facts(), node(), [*map(pod, "abcdefg"[:others]), by], [])


def test_the_addresses_of_the_api_server_reach_the_plan() -> None:
    """From the cluster to each node of it."""
    seen = ClusterFacts(nodes=(node(),), api_servers=("10.0.0.1",))

    assert summed(seen).api_servers == ("10.0.0.1",)


def test_a_hosts_words_are_not_taken_for_a_part() -> None:
    """What a node names is one of the known parts, or its facts are refused."""
    with pytest.raises(ValidationError):
        Component.model_validate({"name": "etcd\x1b[2J", "where": "x"})


def test_facts_that_were_recorded_before_are_read() -> None:
    """They have no such field, and their schema is the same."""
    document = facts().model_dump(mode="json")
    document.pop("control_plane")

    assert NodeFacts.model_validate(document).control_plane == ()


# The node's side.

KUBEADM = """\
apiVersion: v1
kind: Pod
metadata:
  labels:
    component: {0}
    tier: control-plane
  name: {0}
  namespace: kube-system
spec:
  containers:
  - command:
    - {0}
    - --advertise-client-urls=https://10.0.0.1:2379
    image: k8s.gcr.io/{0}:v1
    name: {0}
"""
PROXY = """\
apiVersion: v1
kind: Pod
metadata:
  name: nginx-proxy
  labels: {addonmanager.kubernetes.io/mode: Reconcile, k8s-app: kube-nginx}
spec:
  hostNetwork: true
  containers:
  - name: nginx-proxy   # balances kube-apiserver
    image: docker.io/library/nginx:1.19
  # image: k8s.gcr.io/kube-apiserver:v1
  volumes:
  - name: etc-nginx
    hostPath: {path: /etc/nginx}
"""
MANIFESTS = "etc/kubernetes/manifests"
HOSTS: Mapping[str, tuple[dict[str, str], list[str], list[tuple[str, str]]]] = {
    "kubeadm": ({f"{MANIFESTS}/{name}.yaml": KUBEADM.format(name) for name in COMPONENTS}, [], [(name, f"/{MANIFESTS}/{name}.yaml") for name in COMPONENTS]),
    "an odd file name": ({f"{MANIFESTS}/store.bak": KUBEADM.format("etcd")}, [], [("etcd", f"/{MANIFESTS}/store.bak")]),
    "its image alone": ({f"{MANIFESTS}/a": 'spec: {containers: [{"name": "a", "image": "r:5000/etcd-amd64:3"}]}'}, [], [("etcd", f"/{MANIFESTS}/a")]),
    "JSON on one line": ({f"{MANIFESTS}/a": json.dumps({"spec": {"containers": [{"name": "a", "image": "r/kube-scheduler@sha256:1"}]}})}, [], [("kube-scheduler", f"/{MANIFESTS}/a")]),
    "its command alone": ({f"{MANIFESTS}/a": "spec:\n  containers:\n  - name: a\n    command:\n    - /usr/local/bin/kube-apiserver\n    - --x\n"}, [], [("kube-apiserver", f"/{MANIFESTS}/a")]),
    "its command in a list": ({f"{MANIFESTS}/a": 'command: ["kube-controller-manager", "--x"]'}, [], [("kube-controller-manager", f"/{MANIFESTS}/a")]),
    "its tier alone": ({f"{MANIFESTS}/a": 'metadata: {labels: {tier: "control-plane"}}'}, [], [("control-plane", f"/{MANIFESTS}/a")]),
    "a file that cannot be read": ({f"{MANIFESTS}/etcd.manifest": "#" * 2_000_000}, [], [("etcd", f"/{MANIFESTS}/etcd.manifest")]),
    "a folder of the command line": ({"srv/pods/e": KUBEADM.format("etcd")}, ["--pod-manifest-path=/srv/pods/"], [("etcd", "/srv/pods/e")]),
    "a file of the command line": ({"srv/etcd.json": KUBEADM.format("etcd")}, ["--pod-manifest-path", "/srv/etcd.json"], [("etcd", "/srv/etcd.json")]),
    "a folder of the configuration": ({"var/lib/kubelet/config.yaml": "a: b\nstaticPodPath: '/srv/pods' # x\n", "srv/pods/e": KUBEADM.format("etcd")}, [], [("etcd", "/srv/pods/e")]),
    "a configuration in JSON": ({"var/lib/kubelet/config.yaml": '{"kind":"KubeletConfiguration","staticPodPath":"/srv/pods"}', "srv/pods/e": KUBEADM.format("etcd")}, [], [("etcd", "/srv/pods/e")]),
    "a folder of a drop-in": ({"etc/k.d/9.conf": "staticPodPath: /srv/pods\n", "srv/pods/e": KUBEADM.format("etcd")}, ["--config-dir=/etc/k.d"], [("etcd", "/srv/pods/e")]),
    "the default beside another": ({"srv/pods/web": PROXY, f"{MANIFESTS}/e": KUBEADM.format("etcd")}, ["--pod-manifest-path=/srv/pods"], [("etcd", f"/{MANIFESTS}/e")]),
    "a unit's process": ({"proc/9/cmdline": "/usr/local/bin/etcd\0--name\0x\0", "proc/9/cgroup": "0::/system.slice/etcd.service\n"}, [], [("etcd", "etcd.service")]),
    "a unit's process, cgroup v1": ({"proc/9/cmdline": "kube-apiserver\0", "proc/9/cgroup": "2:cpu:/\n1:name=systemd:/system.slice/snap.kube-apiserver.daemon.service\n"}, [], [("kube-apiserver", "snap.kube-apiserver.daemon.service")]),
    "somebody's process": ({"proc/9/cmdline": "./etcd\0", "proc/9/cgroup": "0::/user.slice/user-0.slice/session-1.scope\n"}, [], [("etcd", "a process of the host")]),
    "hyperkube": ({"proc/9/cmdline": "/hyperkube\0apiserver\0", "proc/9/cgroup": "0::/system.slice/k.service\n"}, [], [("kube-apiserver", "k.service")]),
    # workers
    "nothing": ({}, [], []),
    "a proxy to the API server": ({f"{MANIFESTS}/nginx-proxy.yml": PROXY}, [], []),
    "kube-proxy": ({f"{MANIFESTS}/kube-proxy.yaml": KUBEADM.format("kube-proxy")}, [], []),
    "a hidden file": ({f"{MANIFESTS}/.etcd.yaml": KUBEADM.format("etcd")}, [], []),
    "a folder that nobody reads": ({"root/backup/etcd.yaml": KUBEADM.format("etcd"), f"{MANIFESTS}/old/etcd.yaml": KUBEADM.format("etcd")}, [], []),
    "an etcd in a pod": ({"proc/9/cmdline": "etcd\0", "proc/9/cgroup": "0::/kubepods.slice/kubepods-burstable.slice/cri-containerd-1.scope\n"}, [], []),
    "an etcd in a pod, cgroupfs": ({"proc/9/cmdline": "etcd\0", "proc/9/cgroup": "11:cpu:/kubepods/besteffort/pod1/2\n"}, [], []),
    "an etcd in Docker": ({"proc/9/cmdline": "etcd\0", "proc/9/cgroup": "0::/system.slice/docker-1.scope\n"}, [], []),
    "clients": ({"proc/9/cmdline": "etcdctl\0get\0", "proc/8/cmdline": "/usr/bin/tail\0-f\0kube-apiserver\0", "proc/7/cmdline": ""}, [], []),
}  # fmt: skip


@pytest.mark.parametrize(("contents", "words", "found"), HOSTS.values(), ids=HOSTS)
def test_what_a_host_runs_is_read(
    contents: dict[str, str], words: list[str], found: list[tuple[str, str]], tmp_path: Path
) -> None:
    """From the kubelet's own folders and the processes outside containers."""
    seen = control.control_plane(Tree(str(put(tmp_path, contents))), words, "/var/lib/kubelet/config.yaml")

    assert [(entry["name"], entry["where"]) for entry in seen] == found
    assert all(Component.model_validate(entry) for entry in seen)


def test_a_process_of_another_pid_namespace_is_a_containers(tmp_path: Path) -> None:
    """Whatever its cgroup is called."""
    put(tmp_path, {"proc/9/cmdline": "etcd\0", "proc/9/cgroup": "0::/default/x\n"})
    for pid, namespace in (("1", "pid:[1]"), ("9", "pid:[2]")):
        (tmp_path / "proc" / pid / "ns").mkdir(parents=True)
        (tmp_path / "proc" / pid / "ns" / "pid").symlink_to(namespace)

    assert control.control_plane(Tree(str(tmp_path)), [], "/none") == []


def test_how_much_a_host_can_tell_is_bounded(tmp_path: Path) -> None:
    """A folder of thousands is none of thousands of findings."""
    put(tmp_path, {f"{MANIFESTS}/{number}": KUBEADM.format("etcd") for number in range(200)})

    assert len(control.control_plane(Tree(str(tmp_path)), [], "/none")) == control.MOST


def test_a_worker_with_lost_labels_is_planned_from_both_sides() -> None:
    """The finding names each way that it is known by."""
    seen = situation(
        node=node(addresses=("10.0.0.1",)), facts=replace_addresses(), pods=(static("etcd"),),
        fleet=fleet(api_servers=("10.0.0.1",)),
    )  # fmt: skip

    (found,) = [entry for entry in observe.migration(seen).blockers if entry.id == "control-plane"]

    assert "static pods: kube-system/etcd-worker-1; what its host runs: etcd (/m/etcd.yaml)" in found.evidence
    assert "an address of the API server's: 10.0.0.1" in found.evidence


def replace_addresses() -> NodeFacts:
    """Give facts of a host with that address and a manifest."""
    return kept(("etcd", "/m/etcd.yaml")).model_copy(update={"addresses": ("10.0.0.1",)})
