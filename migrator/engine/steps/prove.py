"""Prove the node, before Docker is removed and after, or to verify its new runtime."""

from __future__ import annotations

from collections.abc import Callable

from migrator.engine import proof, readiness
from migrator.engine.context import StepContext


def act(run: StepContext, *, stays: bool = False) -> str:
    """See the node Ready on its runtime, and prove it by pods of our own; where they do not stay, they leave nothing.

    They are asked as soon as its kubelet runs them and what stays: that it is Ready it may say only ten seconds later
    (`nodeStatusUpdateFrequency`), as its first status comes before it has looked at its runtime.
    """

    def wait(running: Callable[[], bool]) -> None:
        readiness.await_ready(run, or_else=running)
        run.progress(f"what stays runs on {readiness.runtime(run)}")

    readiness.await_node(run)
    proved = proof.prove(run, wait=wait, stays=stays)
    return f"{readiness.confirm_ready(run)}; {proved}"
