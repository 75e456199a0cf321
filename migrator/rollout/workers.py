"""Work on nodes side by side, each in a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from queue import Empty, SimpleQueue

from migrator import log_context
from migrator.errors import MigratorError, StoppedError
from migrator.model.plan import NodePlan
from migrator.rollout.results import Ending, NodeResult

_log = logging.getLogger(__name__)

Replanned = Mapping[str, NodePlan | MigratorError]


class NodeWorkers:
    """Looks at nodes that shall be begun once more, all together, and works on each."""

    def __init__(
        self,
        plans: Sequence[NodePlan],
        look: Callable[[Sequence[NodePlan]], Replanned],
        work: Callable[[NodePlan], str],
    ) -> None:
        """Take the plans as they were shown, what makes them anew, and what does one and says how it went."""
        self._plans = {plan.node: plan for plan in plans}
        self._look = look
        self._work = work
        self._threads: list[threading.Thread] = []
        self._came: SimpleQueue[NodeResult] = SimpleQueue()
        self.results: dict[str, NodeResult] = {}
        """What became of those that have ended, in that order."""

    def begin(self, nodes: Sequence[str]) -> None:
        """Begin with these."""
        self._start(self._party, tuple(nodes))

    def ended(self, seconds: float) -> Mapping[str, Ending]:
        """Give those that have ended since the last time; wait for one, at most so long."""
        found: dict[str, NodeResult] = {}
        try:
            entry = self._came.get(timeout=seconds) if seconds else self._came.get_nowait()
            while True:
                found[entry.node] = entry
                entry = self._came.get_nowait()
        except Empty:
            self.results.update(found)
            return {name: entry.end for name, entry in found.items()}

    def join(self) -> None:
        """Wait for all, and hear of those that ended meanwhile."""
        for thread in self._threads:
            thread.join()
        self.ended(0)

    def _start(self, target: Callable[..., None], *words: object) -> None:
        thread = threading.Thread(target=target, args=words, name=f"node {words[0]}")
        thread.start()
        self._threads.append(thread)

    def _party(self, nodes: Sequence[str]) -> None:
        left = list(nodes)
        try:
            looked = self._look([self._plans[node] for node in nodes])
            for node in nodes:
                found = looked[node]
                if isinstance(found, MigratorError):
                    self._came.put(_failure(node, found))
                else:
                    self._start(self._one, node, found)
                left.remove(node)
        except BaseException as error:  # noqa: BLE001 - whatever it is, each of them must be told of
            _log.debug("nodes cannot be begun: %s", ", ".join(left), exc_info=True)
            for node in left:
                self._came.put(_failure(node, error))

    def _one(self, node: str, plan: NodePlan) -> None:
        try:
            with log_context.at(node_name=node):
                self._came.put(NodeResult(node, Ending.DONE, self._work(plan)))
        except BaseException as error:  # noqa: BLE001 - a thread has nobody above it: it is raised where all are awaited
            _log.debug("%s ends", node, exc_info=True)
            self._came.put(_failure(node, error))


def _failure(node: str, error: BaseException) -> NodeResult:
    end = Ending.STOPPED if isinstance(error, StoppedError | KeyboardInterrupt) else Ending.FAILED
    told = [text for text in (str(error), *getattr(error, "__notes__", ())) if text]
    return NodeResult(node, end, "\n".join(told) or type(error).__name__, error)
