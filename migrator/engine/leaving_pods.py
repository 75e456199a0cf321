"""Which pods have yet to leave a node: looked at in the API server's cache, believed only when it was asked itself.

A cache may be behind: it may lack a pod that was bound to the node a moment ago, and still show one as it was before.
So what would end a drain, that nobody is left or that a pod needs a consent which was not given, is read once more
past the cache (ADR 26).
"""

from __future__ import annotations

from collections.abc import Sequence

from migrator.engine.context import StepContext
from migrator.errors import StepFailedError
from migrator.model.kubernetes import Pod

_SURE_SECONDS = 5.0
"""For which the API server's own word counts more than its cache: where that is far behind, it is not asked at every
look."""


class LeavingPods:
    """The pods of one node, each time they are looked at."""

    def __init__(self, run: StepContext) -> None:
        self._run = run
        self._asked_at: float | None = None
        self.pods: tuple[Pod, ...] = ()
        """All that were there at the last look, those too that stay."""

    def look(self) -> list[Pod]:
        """Give those that must leave and are still there. Raises `StepFailedError` when one needs another consent."""
        now = self._run.clock.now()
        pods = self._run.cluster.pods_on(self._run.plan.node, cached=True)
        if leaving(pods) and not unconsented(self._run, pods):
            self.pods = pods
        elif self._asked_at is None or now - self._asked_at >= _SURE_SECONDS:
            self.pods = self._run.cluster.pods_on(self._run.plan.node)
            self._asked_at = now  # not before it has answered
        if why := unconsented(self._run, self.pods):
            raise StepFailedError(why)
        return leaving(self.pods)


def leaving(pods: Sequence[Pod]) -> list[Pod]:
    """Give those that a drain waits for."""
    return [pod for pod in pods if not pod.stays and not pod.finished]


def unconsented(run: StepContext, pods: Sequence[Pod]) -> str:
    """Say which pod came since the plan and must not be evicted without a consent that is lacking; "" for none."""
    for pod in pods:
        if not pod.leaves:
            continue
        if pod.empty_dirs and "local-storage" not in run.allow:
            return f"{pod.full_name} came after the plan and keeps data in an emptyDir"
        if not pod.owner and "unmanaged-pods" not in run.allow:
            return f"{pod.full_name} came after the plan and nobody would create it again"
    return ""
