"""How long a node serves nobody, with every proof and without, against the procedure of kubernetes.io as it is written.

Two figures each. From cordon to uncordon: the drain in it is the workloads' own time, the same for all. From drained
to uncordoned, which is ours; budgets: 1.0 of the procedure with every proof, 0.6 without. And how long the kubelet is
away, against a plain restart of it; budget: 1.3. For the lab alone, whose base state is put back before each run, the
three in turn: `python -m lab run .venv/bin/python -m bench.outage [ROUNDS]`.
"""

from __future__ import annotations

import functools
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

from lab import cluster, controlplane, guests, images, shell, waiting, workloads
from lab.settings import Settings
from migrator.cluster import client
from migrator.errors import ClusterError
from migrator.model.kubernetes import Node

NODE = "worker-2"
"""Its cgroup driver is the one of containerd's default configuration, so the procedure works there as it is written."""
ROUNDS = 10
WINDOW = ("cordon", "drain", "switch", "verify", "annotate", "uncordon")
SMALL = 0.1
"""Seconds that are not worth a word."""
CONSENT = ("--allow", "local-storage", "--allow", "docker-socket-mounts")
PROCEDURE = f"""
systemctl stop kubelet
systemctl disable docker.service --now
apt-get -q update
apt-get -q -y install containerd
mkdir -p /etc/containerd
containerd config default > /etc/containerd/config.toml
sed -i -e 's#sandbox_image = .*#sandbox_image = "{images.PAUSE}"#' -e 's#bin_dir = .*#bin_dir = "/usr/lib/cni"#' \\
  /etc/containerd/config.toml
systemctl restart containerd
sed -i 's#"$# --container-runtime=remote --container-runtime-endpoint=unix:///run/containerd/containerd.sock"#' \\
  /var/lib/kubelet/kubeadm-flags.env
systemctl start kubelet
"""
"""Changing the Container Runtime on a Node from Docker Engine to containerd (kubernetes.io, tasks, migrating from
dockershim); the sandbox image and the folder of the plugins are the lab's, as the page tells to set what differs."""
REMOVAL = "DEBIAN_FRONTEND=noninteractive apt-get -q -y purge docker.io\n"
STOPPED = "cut -d' ' -f1 /proc/uptime; systemctl show kubelet -p InactiveEnterTimestampMonotonic --value"


@dataclass
class Seen:
    """When things were so, by this machine's clock; what the API server says is asked four times a second."""

    cordoned: float = 0.0
    drained: float = 0.0
    uncordoned: float = 0.0
    stopped: float = 0.0
    """When the kubelet was stopped."""
    ready: float = 0.0
    """When it was first seen Ready on containerd by a report that its kubelet made after it was stopped."""

    @property
    def window(self) -> float:
        """Seconds out of service."""
        return self.uncordoned - self.cordoned

    @property
    def ours(self) -> float:
        """Seconds out of service without pods."""
        return self.uncordoned - self.drained

    @property
    def away(self) -> float:
        """Seconds without a kubelet."""
        return self.ready - self.stopped


class Watch:
    """Asks for the node four times a second, in a thread of its own."""

    def __init__(self, door: client.KubeCluster) -> None:
        self.seen = Seen()
        self._door = door
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Seen:
        self._thread.start()
        return self.seen

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._look()  # the last thing that was done is seen too

    def _watch(self) -> None:
        while not self._ended.wait(0.25):
            self._look()

    def _look(self) -> None:
        try:
            node = self._door.node(NODE)
        except ClusterError:
            return
        now = time.time()
        if node.unschedulable:
            self.seen.cordoned = self.seen.cordoned or now
        elif self.seen.cordoned:
            self.seen.uncordoned = self.seen.uncordoned or now
        if node.ready and node.runtime.startswith("containerd://"):
            self.seen.ready = self.seen.ready or now


class Way(Protocol):
    """A way to migrate the node."""

    def __call__(self, settings: Settings) -> float:
        """Do it; give when the node was drained."""


def ours(settings: Settings, proof: str, took: dict[str, float]) -> float:
    """Migrate; add where the seconds of the window went."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inventory = folder / "inventory.yml"
        text = cluster.inventory(settings).read_text()
        inventory.write_text(text.replace("  vars:", f"  vars:\n    migrator_proof: {proof}"))
        words = ["-m", "migrator", "apply", "--node", NODE, "--yes", "--runs", str(folder / "runs"), *CONSENT]
        shell.run([sys.executable, *words, str(inventory)], timeout=3600)
        (path,) = folder.glob("runs/*/events.jsonl")
        events = [json.loads(line) for line in path.read_text().splitlines()]
    for what, seconds in spent(events):
        took[what] = took.get(what, 0.0) + seconds
    return at(next(event for event in events if event["step"] == "switch"))


def spent(events: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, float]]:
    """Say how long each step of the window took, the proof in the parts that it tells of."""
    for one, other in pairwise(events):
        if one["step"] in WINDOW:
            what = f"{one['step']} ({one['message'][:30]})" if one["step"] == "verify" else one["step"]
            yield what, at(other) - at(one)


def at(event: Mapping[str, Any]) -> float:
    """Give when it was told."""
    return datetime.fromisoformat(event["at"]).timestamp()


def procedure(settings: Settings) -> float:
    """Do what the page says, without a pause between two steps."""
    node = settings.node(NODE)
    drain = ["drain", NODE, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=600s"]
    shell.run(controlplane.kubectl_command(settings, drain), timeout=700)
    drained = time.time()
    guests.script(settings, node, PROCEDURE, seconds=900)
    annotation = "kubeadm.alpha.kubernetes.io/cri-socket=unix:///run/containerd/containerd.sock"
    controlplane.kubectl(settings, ["annotate", "node", NODE, "--overwrite", annotation])
    door = client.connect(str(settings.kubeconfig))

    def healthy() -> bool:
        found = door.node(NODE)
        return found.ready and found.runtime.startswith("containerd://")

    waiting.until(healthy, f"{NODE} is Ready on containerd", seconds=600, every=0.5)
    guests.script(settings, node, REMOVAL, seconds=900)
    controlplane.kubectl(settings, ["uncordon", NODE])
    return drained


def restarted(settings: Settings, door: client.KubeCluster) -> float:
    """Restart the kubelet; give the seconds until it was seen Ready again by what it reported since."""
    before = reported(door.node(NODE))
    started = time.time()
    guests.script(settings, settings.node(NODE), "systemctl restart kubelet")

    def ready() -> bool:
        node = door.node(NODE)
        return node.ready and reported(node) > before

    waiting.until(ready, f"{NODE} is Ready again", seconds=600, every=0.25)
    return time.time() - started


def reported(node: Node) -> float:
    """Give when the kubelet reported the node, by its own clock."""
    return datetime.fromisoformat(node.heartbeat).timestamp()


def run(settings: Settings, door: client.KubeCluster, way: Way) -> Seen:
    """Put the base state back and do it."""
    cluster.restore(settings)
    waiting.until(lambda: not workloads.unavailable(settings), "the workloads are available", seconds=600, every=1)
    with Watch(door) as seen:
        seen.drained = way(settings)
    up, stopped = map(float, guests.script(settings, settings.node(NODE), STOPPED).split())
    seen.stopped = time.time() - (up - stopped / 1e6)
    return seen


def main() -> None:
    """Measure and print."""
    settings = Settings()
    door = client.connect(str(settings.kubeconfig))
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    ratios: dict[str, list[float]] = {}
    parts: dict[str, dict[str, float]] = {"full": {}, "none": {}}
    for number in range(1, rounds + 1):
        mine = {}
        for proof, took in parts.items():
            mine[proof] = run(settings, door, functools.partial(ours, proof=proof, took=took))
            restart = restarted(settings, door)
            ratios.setdefault(f"kubelet away / plain restart, proof {proof}", []).append(mine[proof].away / restart)
            print(f"{number}. proof {proof}: {told(mine[proof])}; plain restart {restart:.0f} s", flush=True)
        theirs = run(settings, door, procedure)
        print(f"{number}. procedure: {told(theirs)}", flush=True)
        for proof, seen in mine.items():
            ratios.setdefault(f"drained to uncordoned / procedure, proof {proof}", []).append(seen.ours / theirs.ours)
            ratios.setdefault(f"out of service / procedure, proof {proof}", []).append(seen.window / theirs.window)
    for proof, took in parts.items():
        means = (f"{what} {seconds / rounds:.1f} s" for what, seconds in took.items() if seconds / rounds >= SMALL)
        print(f"the window with proof {proof}, means: {', '.join(means)}")
    for what, found in sorted(ratios.items()):
        print(f"{what}: median {statistics.median(found):.2f}, {min(found):.2f} to {max(found):.2f}, {rounds} rounds")


def told(seen: Seen) -> str:
    """Say what was seen."""
    return f"out of service {seen.window:.1f} s, of that drained {seen.ours:.1f} s, kubelet away {seen.away:.1f} s"


if __name__ == "__main__":
    main()
