"""The main job on a real node: Docker to containerd, and nothing lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lab import controlplane, images
from tests.lab.conftest import Lab

NODE = "worker-1"
CONSENT = ("--allow", "local-storage", "--allow", "docker-socket-mounts")


class Migrated:
    """A migrated node, and what was seen before and during it."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        """Migrate it once for all tests of this module."""
        lab.fresh()  # pods spread over both nodes again, as most clusters have them
        self.lab = lab
        self.foreign = lab.on(NODE, "docker inspect -f '{{.Id}} {{.State.StartedAt}}' foreign")
        pulled = lab.on(NODE, f"docker image inspect -f '{{{{index .RepoDigests 0}}}}' {images.BUSYBOX}")
        self.by_digest = pulled.strip()
        inventory = lab.configured(folder / "inventory.yml", images=f"[{self.by_digest}]")
        saved = folder / "plan.json"
        planned = lab.migrator("plan", "--node", NODE, "--out", saved, "--detailed-exitcode", *CONSENT, inventory)
        assert planned.returncode == 2, planned.stderr
        (self.plan,) = json.loads(saved.read_text())["nodes"]
        self.applied = lab.migrator("apply", "--yes", saved)
        lab.all_available()

    def pod(self, app: str, *, node: str = NODE, namespace: str = "shop") -> dict[str, Any]:
        """Give a pod of an application on a node."""
        return next(pod for pod in self.lab.pods(node, namespace) if pod["metadata"]["labels"].get("app") == app)


@pytest.fixture(scope="module")
def migrated(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Migrated:
    """Give the migrated node."""
    return Migrated(lab, tmp_path_factory.mktemp("plan"))


def test_apply_succeeds(migrated: Migrated) -> None:
    """Exit 0; the API server shows the new runtime, the node takes pods, kubeadm knows the socket."""
    assert migrated.applied.returncode == 0, migrated.applied.stderr
    node = migrated.lab.node(NODE)

    assert node["runtime"].startswith("containerd://")
    assert (node["ready"], node["unschedulable"]) == (True, False)
    assert node["annotations"]["kubeadm.alpha.kubernetes.io/cri-socket"] == "unix:///run/containerd/containerd.sock"


def test_files_are_byte_for_byte_those_of_the_plan(migrated: Migrated) -> None:
    """What plan showed is what apply wrote."""
    for file in migrated.plan["files"]:
        if file["copies"]:
            source = file["copies"]["path"]
            assert migrated.lab.on(NODE, f"cmp {source} {file['path']} && echo same").strip() == "same", file["path"]
        else:
            assert migrated.lab.on(NODE, f"cat {file['path']}") == file["content"], file["path"]


def test_docker_keeps_only_what_is_not_kubernetes(migrated: Migrated) -> None:
    """No k8s_* container is left; the foreign one was never restarted."""
    assert migrated.lab.on(NODE, "docker ps --all --format '{{.Names}}'").split() == ["foreign"]
    assert migrated.lab.on(NODE, "docker inspect -f '{{.Id}} {{.State.StartedAt}}' foreign") == migrated.foreign


def test_pods_answer_over_the_pod_network(migrated: Migrated) -> None:
    """A pod of the other node, still on Docker, reaches one of the migrated node, and the other way round."""
    here, there = migrated.pod("agent"), migrated.pod("agent", node="worker-2")
    for client, server in ((here, there), (there, here)):
        name, address = client["metadata"]["name"], server["status"]["podIP"]
        # A static busybox has no name service, and its wget dies of that; nc is enough for a page.
        fetch = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 30 {address} 8081"
        answer = migrated.lab.kubectl("-n", "shop", "exec", name, "--", "sh", "-c", fetch)

        assert answer.splitlines()[-1] == server["metadata"]["name"]


def test_logs_and_exec_work(migrated: Migrated) -> None:
    """Also for a pod that kept its log folder from Docker's time."""
    name = migrated.pod("agent")["metadata"]["name"]

    assert migrated.lab.kubectl("-n", "shop", "logs", name).strip() == f"agent on {name}"
    assert migrated.lab.kubectl("-n", "shop", "exec", name, "--", "hostname").strip() == name


def test_the_image_that_existed_only_here_still_runs(migrated: Migrated) -> None:
    """It was carried over: no registry has it."""
    name = migrated.pod("local-tool")["metadata"]["name"]

    assert migrated.lab.kubectl("-n", "shop", "logs", name).strip() == "built on this node"


def test_an_image_by_digest_was_carried_over(migrated: Migrated) -> None:
    """A pod that calls it so, and may not pull it, runs."""
    entry = {
        "name": "one",
        "image": migrated.by_digest,
        "imagePullPolicy": "Never",
        "args": ["-c", "echo here; sleep 5"],
    }
    body = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "by-digest"},
        "spec": {"nodeName": NODE, "restartPolicy": "Never", "containers": [entry]},
    }  # fmt: skip
    shop = ["-n", "shop"]
    controlplane.kubectl(migrated.lab.settings, [*shop, "apply", "-f", "-"], stdin=json.dumps(body))

    def over() -> bool:
        phase = migrated.lab.get(*shop, "pod", "by-digest")["status"]["phase"]
        assert phase != "Failed"
        return bool(phase == "Succeeded")

    migrated.lab.until(over, "the pod that names its image by digest is through")
    assert migrated.lab.kubectl(*shop, "logs", "by-digest").strip() == "here"
    migrated.lab.kubectl(*shop, "delete", "pod", "by-digest")


def test_the_cgroup_is_where_the_kubelet_expects_it(migrated: Migrated) -> None:
    """Under kubepods.slice as cri-containerd-….scope, with the pod's memory limit in it."""
    pod = migrated.pod("agent")
    uid = pod["metadata"]["uid"].replace("-", "_")
    container = pod["status"]["containerStatuses"][0]["containerID"].removeprefix("containerd://")
    top, name = migrated.lab.memory(NODE)
    slice_ = f"{top}/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{uid}.slice"

    limit = migrated.lab.on(NODE, f"cat {slice_}/cri-containerd-{container}.scope/{name}")

    assert int(limit) == 48 * 2**20


def test_no_address_is_leaked(migrated: Migrated) -> None:
    """Every reservation belongs to a sandbox that containerd has."""
    sandboxes = set(migrated.lab.on(NODE, "ctr -n k8s.io containers list -q").split())
    owners = migrated.lab.on(NODE, "head -qn1 /var/lib/cni/networks/lab/10.* | tr -d '\\r'").split()

    assert set(owners) <= sandboxes


def test_a_second_apply_has_nothing_to_do(migrated: Migrated) -> None:
    """It says why, exits with 0, and changes nothing."""
    before = migrated.lab.fingerprint(NODE)

    done = migrated.lab.migrator("apply", "--node", NODE, "--yes", migrated.lab.inventory)

    assert done.returncode == 0, done.stderr
    assert f"{NODE}: nothing to do, the node already runs containerd://" in done.stdout
    assert migrated.lab.fingerprint(NODE) == before


def test_the_node_survives_a_reboot(migrated: Migrated) -> None:
    """Ready again by itself, still on containerd, every workload available, logs and pod network working."""
    migrated.lab.reboot(NODE)
    old = {pod["metadata"]["uid"]: restarts(pod) for pod in migrated.lab.pods(NODE)}
    migrated.lab.until(
        lambda: (
            all(restarts(pod) > old.get(pod["metadata"]["uid"], -1) for pod in migrated.lab.pods(NODE))
            or all(restarts(pod) > 0 for pod in migrated.lab.pods(NODE))
        ),
        f"every pod of {NODE} has been started anew",
    )
    # Its kubelet says NotReady first, and what is true ten seconds later.
    migrated.lab.ready_on(NODE, "containerd://")
    migrated.lab.all_available()

    test_pods_answer_over_the_pod_network(migrated)
    test_docker_keeps_only_what_is_not_kubernetes_after_a_reboot(migrated)


def restarts(pod: dict[str, Any]) -> int:
    """Count a pod's restarts."""
    return sum(entry["restartCount"] for entry in pod["status"].get("containerStatuses", []))


def test_docker_keeps_only_what_is_not_kubernetes_after_a_reboot(migrated: Migrated) -> None:
    """Docker starts its own container again, and none of Kubernetes'."""
    assert migrated.lab.on(NODE, "docker ps --all --format '{{.Names}}'").split() == ["foreign"]
