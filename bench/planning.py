"""Planning 500 and 5,000 nodes from recorded facts. Budgets: 11 times the time, 10 s, 500 MB.

The recording is one real node, multiplied: every host has its own name, machine-id and addresses, and one of twenty
different configurations, as a fleet that grew has.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from migrator import recorded
from migrator.model.objects import ClusterFacts
from migrator.model.observation import Observation

RECORDING = Path(__file__).parents[1] / "tests" / "cases" / "facts"
KINDS = 20


def fleet(folder: Path, count: int) -> None:
    """Write the recording of a cluster with `count` nodes like the recorded one."""
    cluster = recorded.cluster(RECORDING)
    model = next(entry for entry in recorded.observations(RECORDING) if entry.host == "worker-1")
    node = next(entry for entry in cluster.nodes if entry.name == "worker-1")
    pods = [pod for pod in cluster.pods if pod.node == "worker-1"]
    names = [f"node-{number:04}" for number in range(count)]
    big = ClusterFacts(
        nodes=tuple(
            node.model_copy(update={"name": name, "machine_id": f"{number:032x}"}) for number, name in enumerate(names)
        ),
        pods=tuple(
            pod.model_copy(update={"name": f"{pod.name}-{number}", "uid": f"{pod.uid}-{number}", "node": name})
            for number, name in enumerate(names)
            for pod in pods
        ),
        budgets=cluster.budgets,
        runtime_classes=cluster.runtime_classes,
        daemon_sets=cluster.daemon_sets,
    )
    recorded.save(folder, (_host(model, number, name) for number, name in enumerate(names)), big)


def _host(model: Observation, number: int, name: str) -> Observation:
    facts = model.facts
    assert facts is not None  # noqa: S101 - the recording has it
    assert facts.docker is not None  # noqa: S101
    path = facts.docker.config
    content = facts.file(path).content.replace('"1m"', f'"{number % KINDS + 1}m"')
    files = {**facts.files, path: facts.file(path).model_copy(update={"content": content})}
    seen = facts.model_copy(update={"machine_id": f"{number:032x}", "hostname": name, "files": files})
    return model.model_copy(update={"host": name, "facts": seen})


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
            fleet(Path(folder) / str(size), size)
        figures = {size: measure(Path(folder) / str(size)) for size in sizes}
    for size, (seconds, megabytes) in figures.items():
        print(f"{size} nodes: {seconds:.1f} s, {megabytes:.0f} MB")
    print(f"{sizes[1]} / {sizes[0]} nodes: {figures[sizes[1]][0] / figures[sizes[0]][0]:.1f} times the time")


if __name__ == "__main__":
    main()
