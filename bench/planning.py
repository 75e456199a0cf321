"""Planning 500 and 5,000 nodes from recorded facts. Budgets: 11 times the time, 10 s, 500 MB.

The recording is one node of the unit tests with a rich Docker configuration, multiplied: every host has its own name,
machine-id and thirty pods, and one of twenty different configurations, as a fleet that grew has.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from migrator.model.host_settings import HostSettings
from migrator.model.kubernetes import ClusterFacts, Node, Pod
from migrator.model.observation import Observation
from migrator.store import fact_store
from tests.fakes import values

KINDS = 20
PODS = 30
DAEMON_JSON = "/etc/docker/daemon.json"


def fleet(folder: Path, count: int) -> None:
    """Write the recording of a cluster with `count` nodes."""
    names = [f"node-{number:04}" for number in range(count)]
    cluster = ClusterFacts(
        nodes=tuple(_node(number, name) for number, name in enumerate(names)),
        pods=tuple(_pod(name, index) for name in names for index in range(PODS)),
    )
    fact_store.save(folder, (_host(number, name) for number, name in enumerate(names)), cluster)


def _node(number: int, name: str) -> Node:
    return values.node(name=name, machine_id=f"{number:032x}", cpu=8000, memory=2**35, room=110)


def _pod(node: str, index: int) -> Pod:
    owner = "DaemonSet/agent" if index < 5 else f"ReplicaSet/app-{index}"
    return values.pod(f"pod-{index}-{node}", node=node, owner=owner, cpu=50, memory=2**26, images=(f"app:{index}",))


def _host(number: int, name: str) -> Observation:
    settings = {
        "registry-mirrors": ["https://mirror.example"],
        "insecure-registries": ["old.example:5000"],
        "log-opts": {"max-size": f"{number % KINDS + 1}m", "max-file": "3"},
        "default-ulimits": {"nofile": {"Name": "nofile", "Soft": 4096, "Hard": 8192}},
        "runtimes": {"crun": {"path": "/usr/bin/crun"}},
        "live-restore": True,
    }
    model = values.facts()
    files = {**model.files, DAEMON_JSON: values.file(DAEMON_JSON, json.dumps(settings, indent=1))}
    facts = model.model_copy(update={"machine_id": f"{number:032x}", "hostname": name, "files": files})
    return Observation(host=name, target=HostSettings(), facts=facts, observed_at=facts.host.clock)


def measure(folder: Path) -> tuple[float, float]:
    """Plan a recording in a process of its own; give seconds and MB at its largest."""
    started = time.perf_counter()
    words = [sys.executable, "-m", "migrator", "plan", "--facts", str(folder)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, _, used = os.wait4(process.pid, 0)
    return time.perf_counter() - started, used.ru_maxrss / 1024


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        sizes = (500, 5000)
        for size in sizes:
            # In a process of its own: a child's memory counts from what its parent had when it was made.
            subprocess.run([sys.executable, __file__, str(Path(folder) / str(size)), str(size)], check=True)
        figures = {size: measure(Path(folder) / str(size)) for size in sizes}
    for size, (seconds, megabytes) in figures.items():
        print(f"{size} nodes: {seconds:.1f} s, {megabytes:.0f} MB")
    print(f"{sizes[1]} / {sizes[0]} nodes: {figures[sizes[1]][0] / figures[sizes[0]][0]:.1f} times the time")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        fleet(Path(sys.argv[1]), int(sys.argv[2]))
    else:
        main()
