"""After a node: what left it is available again, wherever it runs now, and the node stays well for a while."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator

from migrator.engine import polling
from migrator.engine.context import StepContext
from migrator.errors import ClusterError, StepFailedError
from migrator.model.kubernetes import Pod

_Owner = tuple[str, str]
"""Namespace and "Kind/name"."""
_EVERY = 5.0
_BLINK = 60.0
"""Seconds for which a node may be out of sight while it is watched: an API server that stumbles is no failure."""


def remember(run: StepContext, leaving: Iterable[Pod]) -> None:
    """Note how many ready pods each owner of `leaving` has in the cluster, before any of them leaves."""
    owners = {(pod.namespace, pod.owner) for pod in leaving if pod.owner} - set(run.left)
    for namespace in {namespace for namespace, _ in owners}:
        ready = Counter(pod.owner for pod in run.cluster.pods_in(namespace, cached=True) if pod.serves)
        run.left.update({(place, owner): ready[owner] for place, owner in owners if place == namespace})


def act(run: StepContext) -> str:
    """Wait for that, then watch the node. Raises `StepFailedError`."""
    away = set(run.left)

    def lacking() -> str:
        found = dict(_lacking(run, away, cached=True))
        away.intersection_update(found)  # the others were seen there, and their namespaces need not be read again
        if not found:
            # A cache may still show the pods that have left as ready: once more past it, and all of them together.
            found = dict(_lacking(run, run.left))
            away.update(found)
        return "; ".join(found.values())

    polling.wait_until(
        run, lacking, "the workloads that left to be available again", seconds=run.target.settle_timeout, every=_EVERY
    )
    run.neighbours.settled(run.plan.node)
    settled = f"{len(run.left)} workloads that left are available again" if run.left else "nothing had left the node"
    return f"{settled}; {_watched(run)}" if run.target.soak else settled


def _lacking(run: StepContext, owners: Collection[_Owner], *, cached: bool = False) -> Iterator[tuple[_Owner, str]]:
    """Give each of these that has fewer ready pods than before, and than it shall have, with a sentence about it."""
    present: Counter[_Owner] = Counter()
    ready: Counter[_Owner] = Counter()
    for namespace in sorted({place for place, _ in owners}):
        for pod in run.cluster.pods_in(namespace, cached=cached):
            present[namespace, pod.owner] += not pod.finished and not pod.terminating
            ready[namespace, pod.owner] += pod.serves
    for owner in sorted(owners):
        before = run.left[owner]
        if ready[owner] >= before:
            continue
        wanted = min(before, _wanted(run, owner, present[owner], cached=cached))
        if ready[owner] < wanted:
            yield owner, f"{'/'.join(owner)} has {ready[owner]} of {wanted} pods ready"


def _wanted(run: StepContext, owner: _Owner, present: int, *, cached: bool) -> int:
    """Give how many pods there shall be: it may have been scaled down, or be gone, since they were counted."""
    replicas = run.cluster.replicas(*owner, cached=cached)
    return present if replicas is None else replicas


def _watched(run: StepContext) -> str:
    started = seen = run.clock.now()
    why = ""
    while (now := run.clock.now()) - started < run.target.soak or why:
        if run.stopping():
            return f"watched for {now - started:.0f} of {run.target.soak:.0f} s, as somebody wants an end"
        try:
            node = run.cluster.node(run.plan.node)
            why = "" if node.ready else "it is not Ready"
        except ClusterError as error:
            why = str(error)
        seen = now if not why else seen
        if now - seen > _BLINK:
            raise StepFailedError(f"{run.plan.node} did not stay well after {now - started:.0f} s: {why}")
        run.clock.sleep(_EVERY)
    return f"Ready for {run.target.soak:.0f} s"
