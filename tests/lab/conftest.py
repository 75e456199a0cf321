"""The lab's cluster, put back to its base state where a test needs that."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab import cluster, container, controlplane, guests, lone, machines, network, waiting, workloads
from lab.errors import LabError
from lab.settings import Settings
from tests.lab.nodeside import Node

ROOT = Path(__file__).parents[2]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.lab)


class Lab:
    """What tests ask of the lab."""

    def __init__(self, settings: Settings, *, fresh: bool = False) -> None:
        """Use the running lab; it may be in its base state."""
        self.settings = settings
        self._fresh = fresh
        self.inventory = cluster.inventory(settings)

    def migrator(
        self, *words: str | Path, python: str = sys.executable, cwd: Path = ROOT
    ) -> subprocess.CompletedProcess[str]:
        """Run the command as an operator would, where the guests can be reached."""
        self._fresh = self._fresh and not {"apply", "rollback", "cleanup"} & set(map(str, words))
        environment = {key: value for key, value in os.environ.items() if key != "KUBECONFIG"}
        return subprocess.run(
            network.inside(self.settings, [python, "-m", "migrator", *words]),
            capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=cwd, env=environment, check=False,
        )  # fmt: skip

    def configured(self, path: Path, **variables: str | int) -> Path:
        """Write the inventory with more variables to `path`; their names are given without `migrator_`."""
        more = "".join(f"\n    migrator_{name}: {value}" for name, value in variables.items())
        path.write_text(self.inventory.read_text().replace("  vars:", f"  vars:{more}"))
        return path

    def kubectl(self, *words: str) -> str:
        """Run kubectl as administrator."""
        return controlplane.kubectl(self.settings, list(words))

    def get(self, *words: str) -> Any:
        """Get objects as JSON."""
        return json.loads(self.kubectl("get", *words, "-o", "json"))

    def on(self, name: str, script: str) -> str:
        """Run a shell script on a guest as root."""
        return guests.script(self.settings, self.settings.node(name), script)

    @property
    def restrained(self) -> bool:
        """Tell whether nodes may neither raise limits nor give negative oom scores, as this machine may not."""
        return machines.kind(self.settings) == "container" and not container.capable()

    def memory(self, name: str) -> tuple[str, str]:
        """Give where a node's memory cgroups are, and what the file of a limit is called: cgroup v2, or v1."""
        kind = self.on(name, "test ! -d /sys/fs/cgroup/memory || echo v1").strip()
        return ("/sys/fs/cgroup/memory", "memory.limit_in_bytes") if kind else ("/sys/fs/cgroup", "memory.max")

    def node(self, name: str) -> dict[str, Any]:
        """Describe a node: ready, said (when, RFC 3339), runtime, unschedulable, annotations; not ready, on "" if gone."""
        found = cluster.nodes(self.settings).get(name)
        if not found:
            return {"ready": False, "said": "", "runtime": "", "unschedulable": False, "annotations": {}}
        ready = next(entry for entry in found["status"]["conditions"] if entry["type"] == "Ready")
        return {
            "ready": ready["status"] == "True",
            "said": ready["lastHeartbeatTime"],
            "runtime": found["status"]["nodeInfo"]["containerRuntimeVersion"],
            "unschedulable": bool(found["spec"].get("unschedulable")),
            "annotations": found["metadata"]["annotations"],
        }

    def ready_on(self, name: str, runtime: str = "", seconds: float = 300, since: str = "") -> None:
        """Return when a node is Ready, on that runtime where one is given; `since` asks for a status after that time.

        A kubelet that has started says first, and for ten seconds, that it is not Ready; before that, the API server
        has what it said before its start.
        """

        def reached() -> bool:
            found = self.node(name)
            return bool(found["ready"]) and found["runtime"].startswith(runtime) and found["said"] >= since

        self.until(reached, f"{name} is Ready{f' on {runtime}' if runtime else ''}", seconds)

    def restart_kubelet(self, name: str) -> None:
        """Return when the kubelet has started anew and says that it is Ready."""
        stopped = self.on(name, "systemctl stop kubelet; sleep 1; date -u +%FT%TZ")  # a status has whole seconds
        self.on(name, "systemctl start kubelet")
        self.ready_on(name, since=stopped.strip())

    def reboot(self, name: str) -> None:
        """Return when it has booted again."""
        boot = self.on(name, "cat /proc/sys/kernel/random/boot_id")
        self.on(name, "systemctl --no-block reboot")

        def came_back() -> bool:
            try:
                return self.on(name, "cat /proc/sys/kernel/random/boot_id") != boot
            except Exception:  # noqa: BLE001 - a node that reboots answers with every error there is
                return False

        self.until(came_back, f"{name} boots again")

    def pods(self, node: str, namespace: str = workloads.NAMESPACE) -> list[dict[str, Any]]:
        """Give the pods of a node that are not finished."""
        items = self.get("-n", namespace, "pods", "--field-selector", f"spec.nodeName={node}")["items"]
        return [item for item in items if item["status"]["phase"] not in {"Succeeded", "Failed"}]

    def until(self, reached: Callable[[], bool], what: str, seconds: float = 300) -> None:
        """Poll."""
        waiting.until(reached, what, seconds=seconds, every=1)

    def all_available(self) -> None:
        """Return when every workload is available."""
        missing: list[str] = []

        def none() -> bool:
            missing[:] = workloads.unavailable(self.settings)
            return not missing

        try:
            self.until(none, "all workloads are available")
        except LabError as error:
            error.add_note(f"{'; '.join(missing)}\n{self.kubectl('get', 'pods', '--all-namespaces', '-o', 'wide')}")
            raise

    def restore(self) -> None:
        """Put the base state back."""
        cluster.restore(self.settings)
        self._fresh = True

    def fresh(self) -> None:
        """Put the base state back, unless that was done last and nothing was migrated since."""
        if not self._fresh:
            self.restore()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Have the cluster's guests stand still meanwhile, and the processors to oneself; the base state afterwards."""
        for node in self.settings.nodes:
            machines.of(self.settings).pause(self.settings, node)
        try:
            yield
        finally:
            self.restore()

    def on_docker(self) -> bool:
        """Tell whether every node is Ready on Docker and takes pods, and every workload is available."""
        nodes = [self.node(node.name) for node in self.settings.nodes]
        good = all(node["ready"] and not node["unschedulable"] and "docker" in node["runtime"] for node in nodes)
        return good and not workloads.unavailable(self.settings)

    def tree(self, name: str) -> dict[str, str]:
        """Give the hash of each file below /etc and of the kubelet's own two, and where each link leads."""
        paths = "/etc /var/lib/kubelet/config.yaml /var/lib/kubelet/kubeadm-flags.env -xdev"
        # One process for all files: an emulated guest starts a few dozen a second.
        script = f"find {paths} -type l -printf '%l  %p\\n'; find {paths} -type f -print0 | xargs -0 sha256sum"
        return {path: what for what, _, path in (line.partition("  ") for line in self.on(name, script).splitlines())}

    def fingerprint(self, name: str) -> tuple[dict[str, str], str]:
        """Give what a migration could change on a node: files, units, containers, images, journals."""
        return self.tree(name), self.on(
            name,
            "test -e /var/lib/migrator && find /var/lib/migrator || true\n"
            "systemctl is-active kubelet docker containerd\n"
            "systemctl is-enabled kubelet docker containerd\n"
            "docker ps --no-trunc -q | sort\n"
            "ctr -n k8s.io images list -q | sort\n",
        )


@pytest.fixture(scope="session")
def lab() -> Lab:
    """Give the lab, started when it is not up."""
    settings = Settings()
    return Lab(settings, fresh=cluster.up(settings))


@pytest.fixture(scope="module")
def fresh_lab(lab: Lab) -> Lab:
    """Give the lab with every node on Docker."""
    if not lab.on_docker():
        lab.restore()
    return lab


@pytest.fixture(scope="session")
def lone_node(worker_id: str) -> Iterator[Node]:
    """Give a node that belongs to no cluster, one for each process that runs tests."""
    settings = Settings(name=f"{Settings().name}-{worker_id}")
    if machines.kind(settings) != "container":
        pytest.skip("needs nodes that are containers")
    with lone.lone(settings) as made:
        yield Node(made)


@pytest.fixture
def node(lone_node: Node) -> Iterator[Node]:
    """Give it on Docker, with nothing of another test."""
    yield lone_node
    try:
        lone_node.tidy()
    except Exception:  # noqa: BLE001 - whatever it was: the next test gets a new one
        lone_node.lone.renew()
