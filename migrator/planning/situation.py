"""Everything that a plan for one node is made from, in one value."""

from __future__ import annotations

from migrator.model.facts import NodeFacts
from migrator.model.objects import Budget, Node, Pod
from migrator.model.target import Target
from migrator.model.value import Value


class Situation(Value):
    """A node as it was observed on both sides, and what is asked for it."""

    host: str
    """Its name in the inventory."""
    target: Target
    facts: NodeFacts
    node: Node
    pods: tuple[Pod, ...] = ()
    budgets: tuple[Budget, ...] = ()
    allow: frozenset[str] = frozenset()
    """Ids of checks that the user waives."""

    @property
    def migrated(self) -> bool:
        """Whether the kubelet already reports the runtime that is asked for."""
        return self.node.runtime.startswith(f"{self.target.runtime}://")

    @property
    def leaving(self) -> tuple[Pod, ...]:
        """The pods that a drain would evict."""
        return tuple(pod for pod in self.pods if not pod.stays)
