"""Both nodes at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

WORKERS = ("worker-1", "worker-2")
"""systemd's cgroup driver, and cgroupfs."""


@contextmanager
def side_by_side() -> Iterator[Mapping[str, ThreadPoolExecutor]]:
    """Give each node a thread of its own: what is done on one node needs one processor, and there are two."""
    with ExitStack() as stack:
        yield {node: stack.enter_context(ThreadPoolExecutor(1)) for node in WORKERS}


def each(work: Callable[[str], object], nodes: Iterable[str] = WORKERS) -> None:
    """Do something on both nodes, side by side. The first failure is raised when both are done."""
    with side_by_side() as pools:
        done = [pools[node].submit(work, node) for node in nodes]
    for future in done:
        future.result()
