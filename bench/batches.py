"""Making the batches of 1,000 and 5,000 nodes with twelve pods each, a tenth of them at once. Budget: 3 s.

The pods are of workloads of two to five, on nodes that chance has chosen; in the second case each workload is on two
neighbours, so that nearly every node has another one that it must not leave with.
"""

from __future__ import annotations

import random
import time

from migrator.model.kubernetes import ClusterFacts
from migrator.model.rollout_policy import Policy
from migrator.rollout.schedule import Batch, Group, Member, batches
from migrator.rollout.shared_workloads import crowds
from tests.fakes import values

PODS = 12
SIZES = (1000, 5000)


def cluster(count: int, *, pairs: bool) -> ClusterFacts:
    """Give a cluster; the same one every time."""
    chance = random.Random(count)  # noqa: S311 - to be repeated
    names = [f"node-{number:04}" for number in range(count)]
    nodes = tuple(
        values.node(name=name, zone=f"z{number % 3}", cpu=8000, memory=2**35, room=110)
        for number, name in enumerate(names)
    )
    pods = []
    while len(pods) < count * PODS:
        app, start = len(pods), chance.randrange(count)
        places = [names[start - 1], names[start]] if pairs else chance.sample(names, chance.randint(2, 5))
        pods += [
            values.pod(f"p{app}-{place}", node=place, owner=f"ReplicaSet/a{app}", cpu=50, memory=2**26)
            for place in places
        ]
    return ClusterFacts(nodes=nodes, pods=tuple(pods))


def measure(seen: ClusterFacts) -> tuple[float, tuple[Batch, ...]]:
    """Make the batches; give seconds, the best of three, and batches."""
    names = [node.name for node in seen.nodes]
    group = Group(Policy(batch="10%"), [Member(node.name, node.zone) for node in seen.nodes], frozenset(names))
    best, found = float("inf"), ()
    for _ in range(3):
        started = time.process_time()
        found = batches([group], crowds=crowds(seen, names))
        best = min(best, time.process_time() - started)
    return best, found


def main() -> None:
    """Measure and print."""
    for what, pairs in (("by chance", False), ("in pairs of neighbours", True)):
        seconds = {}
        for size in SIZES:
            seen = cluster(size, pairs=pairs)
            seconds[size], found = measure(seen)
            told = f"{len(seen.pods)} pods, {len(found)} batches of up to {max(len(entry.nodes) for entry in found)}"
            print(f"{what}, {size} nodes, {told}: {seconds[size]:.2f} s")
        print(f"{what}: {seconds[SIZES[1]] / seconds[SIZES[0]]:.1f} times the time")


if __name__ == "__main__":
    main()
