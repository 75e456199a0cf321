"""What each node's Docker was told still holds after its migration: shown by pods, not by files."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab import controlplane, docker_settings, images
from tests.lab.conftest import Lab
from tests.lab.test_5_migration import CONSENT

SHOP = ("-n", "shop")
LIMIT = "Max open files"
LINE = 999
"""Digits in a line of a talker."""


def on_containerd(lab: Lab, name: str, prepared: str, inventory: Path) -> Lab:
    """Return with the node on containerd and every workload available; migrate it only where it is not so."""
    if not lab.node(name)["runtime"].startswith("containerd://"):
        lab.on(name, prepared)
        done = lab.migrator("apply", "--node", name, "--yes", *CONSENT, lab.configured(inventory, proof="none"))
        assert done.returncode == 0, done.stderr
    lab.all_available()
    return lab


@pytest.fixture(scope="module")
def base(lab: Lab) -> Lab:
    """Give the lab in its base state: what others have carried into containerd stays where they put it."""
    lab.fresh()
    return lab


@pytest.fixture(scope="class")
def migrated(base: Lab, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Give the lab with the node of the test's class on containerd."""
    inventory = tmp_path_factory.mktemp("inventory") / "inventory.yml"
    return on_containerd(base, request.cls.NODE, getattr(request.cls, "PREPARED", ""), inventory)


def running(lab: Lab, node: str, app: str) -> dict[str, Any]:
    """Wait for the one ready pod of an application on a node, and give it."""
    found: list[dict[str, Any]] = []

    def ready() -> bool:
        pods = [pod for pod in lab.pods(node) if pod["metadata"]["labels"].get("app") == app]
        found[:] = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"] and is_ready(pod)]
        return len(found) == 1

    lab.until(ready, f"{app} runs on {node}")
    return found[0]


def is_ready(pod: dict[str, Any]) -> bool:
    """Tell whether the kubelet calls every container ready."""
    entries = pod["status"].get("containerStatuses", [])
    return len(entries) == len(pod["spec"]["containers"]) and all(entry["ready"] for entry in entries)


def container(pod: dict[str, Any]) -> str:
    """Give the id of a pod's first container; containerd must run it."""
    kind, _, identity = pod["status"]["containerStatuses"][0]["containerID"].partition("://")
    assert kind == "containerd"
    return str(identity)


def open_files(lab: Lab, pod: dict[str, Any]) -> list[str]:
    """Give soft and hard limit of a pod's main process."""
    return limit_of_open_files(lab.kubectl(*SHOP, "exec", pod["metadata"]["name"], "--", "cat", "/proc/1/limits"))


def limit_of_open_files(text: str) -> list[str]:
    """Give soft and hard limit of the process whose `limits` this is."""
    (line,) = [line for line in text.splitlines() if line.startswith(LIMIT)]
    return line.removeprefix(LIMIT).split()[:2]


def lines_written(lab: Lab, pod: dict[str, Any]) -> int:
    """Give the number of the last whole line that a talker printed, each of 1000 bytes; 0 just after a rotation.

    While the kubelet rotates, the answer may be several lines instead of the one asked for, the last of them cut.
    """
    answer = lab.kubectl(*SHOP, "logs", "--tail=1", pod["metadata"]["name"])
    return max((int(line) for line in answer.split() if len(line) == LINE), default=0)


def log_sizes(lab: Lab, node: str, pod: dict[str, Any]) -> dict[str, int]:
    """Give the size of every log file of a pod's only container since its last start; each start has its own."""
    meta, name = pod["metadata"], pod["spec"]["containers"][0]["name"]
    folder = f"/var/log/pods/{meta['namespace']}_{meta['name']}_{meta['uid']}/{name}"
    starts = pod["status"]["containerStatuses"][0]["restartCount"]
    listing = lab.on(node, f"stat -c '%s %n' {folder}/{starts}.log*").splitlines()
    return {path.rpartition("/")[2]: int(size) for size, _, path in (line.partition(" ") for line in listing)}


def assert_limited(sizes: dict[str, int], *, limit: int, files: int) -> None:
    """Check that logs were rotated and kept within limits, as exactly as the kubelet does that.

    It looks every ten seconds, in which a talker prints 0.3 MB and an emulated node may be late; while it
    rotates, there is one file more.
    """
    assert len(sizes) > 1, sizes
    assert len(sizes) <= files + 1, sizes
    assert max(sizes.values()) <= limit + 500_000, sizes


@contextmanager
def created(lab: Lab, spec: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    """Create a bare pod, give it when it runs, and delete it in the end."""
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop"}, "spec": spec}
    body["metadata"]["labels"] = {"app": name}
    controlplane.kubectl(lab.settings, ["apply", "-f", "-"], stdin=json.dumps(body))
    try:
        yield running(lab, spec.get("nodeName") or spec["nodeSelector"]["kubernetes.io/hostname"], name)
    finally:
        lab.kubectl(*SHOP, "delete", "pod", name)


class TestWorker1:
    """Mirror, certificates, proxy, limits and a second low-level runtime; the systemd cgroup driver."""

    NODE = "worker-1"

    REGISTRIES = (
        "docker.io/library/tool",
        "vault.lab:5002",
        "private.lab:5003/lab",
        "private.lab:5003/node",
        "far.lab:5004",
    )
    """What the images of the containers of `pulls` are called by."""

    def test_images_are_pulled_anew(self, migrated: Lab) -> None:
        """With the images gone from the node, a new pod gets them from where Docker would have."""
        before = running(migrated, self.NODE, "pulls")["metadata"]["uid"]
        migrated.on(
            self.NODE,
            f"ctr -n k8s.io images list -q | grep -E '^({'|'.join(self.REGISTRIES)})' | "
            "xargs ctr -n k8s.io images remove --sync\n",
        )
        migrated.kubectl(*SHOP, "delete", "pod", "-l", "app=pulls")

        pod = running(migrated, self.NODE, "pulls")
        assert pod["metadata"]["uid"] != before
        assert container(pod)
        names = migrated.on(self.NODE, "ctr -n k8s.io images list -q").splitlines()
        assert all(any(name.startswith(registry) for name in names) for registry in self.REGISTRIES), names

    def test_logs_are_limited(self, migrated: Lab) -> None:
        """Having printed more than 4 MB, the talker has 1 MB in each of at most three files."""
        pod = running(migrated, self.NODE, "talker")
        migrated.until(lambda: lines_written(migrated, pod) > 4_200, "the talker has printed 4.2 MB", seconds=600)

        assert_limited(log_sizes(migrated, self.NODE, pod), limit=1_000_000, files=3)

    def test_limits_of_processes_are_as_before(self, migrated: Lab) -> None:
        """Soft 4096 and hard 8192 open files, and what is executed later cannot have more."""
        pod = running(migrated, self.NODE, "agent")

        assert open_files(migrated, pod) == ["4096", "8192"]
        # runc 1.1.5, compiled with a Go that raises soft limits at its start, sometimes hands that to what it executes;
        # Docker's `exec` goes through the same runc.
        assert (
            migrated.kubectl(*SHOP, "exec", pod["metadata"]["name"], "--", "sh", "-c", "ulimit -Hn").strip() == "8192"
        )

    def test_a_runtime_class_gets_its_runtime(self, migrated: Lab) -> None:
        """A pod of the class crun is run by crun: it keeps another state file than runc."""
        spec = {
            "runtimeClassName": "crun",
            "nodeSelector": {"kubernetes.io/hostname": self.NODE},
            "containers": [
                {
                    "name": "main",
                    "image": images.BUSYBOX,
                    "args": ["-c", "trap 'exit 0' TERM; sleep 1000000 & wait"],
                }
            ],
        }
        with created(migrated, spec, "by-crun") as pod:
            identity = container(pod)
            info = json.loads(migrated.on(self.NODE, f"ctr -n k8s.io containers info {identity}"))
            files = migrated.on(self.NODE, f"ls /run/containerd/*/k8s.io/{identity}").split()

            assert b"/usr/bin/crun" in base64.b64decode(info["Runtime"]["Options"]["value"])
            assert "status" in files
            assert "state.json" not in files

    def test_the_proxy_is_containerds_now(self, migrated: Lab) -> None:
        """Containerd's own process has the three variables that Docker's had."""
        words = migrated.on(self.NODE, "tr '\\0' '\\n' < /proc/$(pidof -s containerd)/environ").splitlines()
        environment = dict(word.partition("=")[::2] for word in words)
        told = docker_settings.history(migrated.settings.node(self.NODE)).drop_ins["proxy.conf"]

        for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
            assert f'"{name}={environment.get(name)}"' in told


class TestWorker2:
    """cgroupfs, and Docker's data on a disk of its own; no container of others keeps containerd where it is."""

    NODE = "worker-2"
    PREPARED = "docker rm -f foreign"

    def test_the_cgroup_driver_is_still_cgroupfs(self, migrated: Lab) -> None:
        """Containers lie in /kubepods with their limits; there is no kubepods.slice."""
        pod = running(migrated, self.NODE, "agent")
        top, limit = migrated.memory(self.NODE)
        folder = f"{top}/kubepods/burstable/pod{pod['metadata']['uid']}/{container(pod)}"

        assert int(migrated.on(self.NODE, f"cat {folder}/{limit}")) == 48 * 2**20
        assert migrated.on(self.NODE, f"cat {folder}/cgroup.procs").split()
        assert migrated.on(self.NODE, "find /sys/fs/cgroup -name 'kubepods*.slice'") == ""
        assert "cgroupDriver: cgroupfs\n" in migrated.on(self.NODE, "cat /var/lib/kubelet/config.yaml")

    def test_containers_are_on_the_data_disk(self, migrated: Lab) -> None:
        """What a container writes lands on the disk that Docker's data were put on."""
        pod = running(migrated, self.NODE, "agent")
        mounts = migrated.on(self.NODE, f"grep '/{container(pod)}/rootfs ' /proc/mounts")
        (upper,) = {word for line in mounts.split("\n") for word in line.split(",") if word.startswith("upperdir=")}
        place = upper.removeprefix("upperdir=")
        same = f"import os; print(os.stat('{place}').st_dev == os.stat('/dev/vdb').st_rdev)"

        assert migrated.on(self.NODE, f'python3 -c "{same}"').strip() == "True"

    def test_logs_are_limited(self, migrated: Lab) -> None:
        """Having printed 1.5 MB, a talker has half a megabyte in each of at most four files."""
        talker = migrated.get(*SHOP, "deployment", "talker")["spec"]["template"]["spec"]
        spec = {"nodeName": self.NODE, "containers": talker["containers"]}
        with created(migrated, spec, "talker-2") as pod:
            migrated.until(lambda: lines_written(migrated, pod) > 1_500, "the talker has printed 1.5 MB", seconds=600)

            assert_limited(log_sizes(migrated, self.NODE, pod), limit=500_000, files=4)

    def test_no_limit_of_the_other_node_came_here(self, migrated: Lab) -> None:
        """This node's Docker had no default ulimits: processes have those of the service, as before."""
        service = limit_of_open_files(migrated.on(self.NODE, "cat /proc/$(pgrep -xo containerd)/limits"))

        assert open_files(migrated, running(migrated, self.NODE, "agent")) == service
        assert service == ["1048576", "1048576"] or migrated.restrained  # then it keeps ours

    def test_verify_calls_the_node_good(self, migrated: Lab) -> None:
        """Pods of our own pass every check that can be judged without a baseline, and nothing of them is left."""
        done = migrated.migrator("verify", "--node", self.NODE, "-o", "json", migrated.inventory)

        (verdict,) = json.loads(done.stdout)["nodes"][0]["verdicts"]
        failed = {check["id"] for check in verdict["checks"] if check["outcome"] == "failed"}
        # Nobody gets a negative score on a machine that itself may give none: there the proof has to say so.
        assert failed == ({"oom-score[b/peer]"} if migrated.restrained else set()), done.stdout[-3000:] + done.stderr
        assert done.returncode == (16 if failed else 0)
        assert [check["outcome"] for check in verdict["checks"]].count("passed") > 200
        assert "migrator-probe" not in migrated.kubectl("get", "namespaces")
