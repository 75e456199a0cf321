"""How long a node is out of service, against the procedure of kubernetes.io as it is written, in turn. Budget: 0.5.

And how long its kubelet is away, against a plain restart of it. Budget: 1.5. For the lab alone, whose base state is put
back before each run: `python -m lab run .venv/bin/python -m bench.outage [PAIRS]`.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from lab import cluster, controlplane, guests, images, shell, waiting, workloads
from lab.settings import Settings
from migrator.cluster import kube
from migrator.errors import ClusterError
from migrator.model.objects import Node

NODE = "worker-2"
"""Its cgroup driver is the one of containerd's default configuration, so the procedure works there as it is written."""
PAIRS = 3
WINDOW = ("drain", "switch", "verify", "annotate", "uncordon")
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
STOPPED = 'date -d "$(systemctl show kubelet -p InactiveEnterTimestamp --value)" +%s'


@dataclass
class Seen:
    """What the API server said of the node meanwhile, by this machine's clock."""

    cordoned: float = 0.0
    uncordoned: float = 0.0
    ready: float = 0.0
    """When it was first seen Ready on containerd by a report that its kubelet made after it was stopped."""

    @property
    def window(self) -> float:
        """Seconds out of service."""
        return self.uncordoned - self.cordoned


class Watch:
    """Asks for the node four times a second, in a thread of its own."""

    def __init__(self, door: kube.KubeCluster) -> None:
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


def ours(settings: Settings) -> None:
    """Migrate with every proof; print where the seconds of the window went."""
    with tempfile.TemporaryDirectory() as runs:
        words = ["-m", "migrator", "apply", "--node", NODE, "--yes", "--runs", runs, *CONSENT]
        shell.run([sys.executable, *words, str(cluster.inventory(settings))], timeout=3600)
        (events,) = Path(runs).glob("*/events.jsonl")
        print(parts([json.loads(line) for line in events.read_text().splitlines()]), flush=True)


def parts(events: Sequence[Mapping[str, Any]]) -> str:
    """Say how long each step of the window took, the proof in the parts that it tells of."""
    took: Counter[str] = Counter()
    for one, other in pairwise(event for event in events if event["step"] in WINDOW):
        what = f"{one['step']} ({one['message'][:30]})" if one["step"] == "verify" else one["step"]
        seconds = datetime.fromisoformat(other["at"]) - datetime.fromisoformat(one["at"])
        took[what] += seconds.total_seconds()
    return ", ".join(f"{what} {seconds:.0f} s" for what, seconds in took.items() if seconds >= 1)


def procedure(settings: Settings) -> None:
    """Do what the page says, without a pause between two steps."""
    node = settings.node(NODE)
    drain = ["drain", NODE, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=600s"]
    shell.run(controlplane.kubectl_command(settings, drain), timeout=700)
    guests.script(settings, node, PROCEDURE, seconds=900)
    annotation = "kubeadm.alpha.kubernetes.io/cri-socket=unix:///run/containerd/containerd.sock"
    controlplane.kubectl(settings, ["annotate", "node", NODE, "--overwrite", annotation])
    door = kube.connect(str(settings.kubeconfig))

    def healthy() -> bool:
        found = door.node(NODE)
        return found.ready and found.runtime.startswith("containerd://")

    waiting.until(healthy, f"{NODE} is Ready on containerd", seconds=600, every=1)
    guests.script(settings, node, REMOVAL, seconds=900)
    controlplane.kubectl(settings, ["uncordon", NODE])


def restarted(settings: Settings, door: kube.KubeCluster) -> float:
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


def run(settings: Settings, door: kube.KubeCluster, act: Callable[[Settings], None]) -> tuple[Seen, float]:
    """Put the base state back and do it; give what was seen, and the seconds without a kubelet."""
    cluster.restore(settings)
    waiting.until(lambda: not workloads.unavailable(settings), "the workloads are available", seconds=600, every=1)
    offset = time.time() - float(guests.script(settings, settings.node(NODE), "date +%s.%N"))
    with Watch(door) as seen:
        act(settings)
    stopped = float(guests.script(settings, settings.node(NODE), STOPPED)) + offset
    return seen, seen.ready - stopped


def main() -> None:
    """Measure and print."""
    settings = Settings()
    door = kube.connect(str(settings.kubeconfig))
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS
    windows, gaps = [], []
    for _ in range(pairs):
        mine, away = run(settings, door, ours)
        restart = restarted(settings, door)
        theirs, theirs_away = run(settings, door, procedure)
        windows.append(mine.window / theirs.window)
        gaps.append(away / restart)
        print(
            f"out of service {mine.window:.0f} s, by the procedure {theirs.window:.0f} s; kubelet away {away:.0f} s, "
            f"by the procedure {theirs_away:.0f} s, plain restart {restart:.0f} s",
            flush=True,
        )
    for what, ratios in (("out of service / procedure", windows), ("kubelet away / plain restart", gaps)):
        print(f"{what}: median {statistics.median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}, {pairs} pairs")


if __name__ == "__main__":
    main()
