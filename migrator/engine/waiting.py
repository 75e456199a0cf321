"""Wait for a state of the cluster by asking for it; an API server that stumbles meanwhile is asked again."""

from __future__ import annotations

from collections.abc import Callable

from migrator.engine.run import Run
from migrator.errors import ClusterError, NotFoundError, RefusedError, StepFailedError

_EVERY = 1.0
_PATIENCE = 120.0
"""Seconds for an API server that stumbles: one that is restarted or fails over is back by then."""


def patiently(run: Run, act: Callable[[], None]) -> None:
    """Do what may be done twice, again and again while the API server does not answer.

    Raises `ClusterError` after two minutes, `RefusedError` and `NotFoundError` at once.
    """
    deadline = run.clock.now() + _PATIENCE
    while True:
        try:
            act()
        except (RefusedError, NotFoundError):
            raise
        except ClusterError:
            if run.clock.now() >= deadline:
                raise
            run.clock.sleep(2 * _EVERY)
        else:
            return


def until(run: Run, lacking: Callable[[], str], what: str, *, seconds: float, every: float = _EVERY) -> None:
    """Poll until `lacking()` gives "". Raises `StepFailedError` with what was still lacking after `seconds`."""
    deadline = run.clock.now() + seconds
    while True:
        try:
            missing = lacking()
        except ClusterError as error:
            missing = str(error)
        if not missing:
            return
        if run.clock.now() >= deadline:
            raise StepFailedError(f"waited {seconds:.0f} s in vain for {what}: {missing}")
        run.clock.sleep(every)
