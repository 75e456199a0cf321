"""Wait for a state by asking for it; an API server that stumbles, and a node that is away, are asked again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from migrator.engine.run import Run
from migrator.errors import ClusterError, LineError, MigratorError, NotFoundError, RefusedError, StepFailedError

_EVERY = 1.0
_PATIENCE = 120.0
"""Seconds for an API server that stumbles: one that is restarted or fails over is back by then."""
_Given = TypeVar("_Given")


def patiently(run: Run, act: Callable[[], None]) -> None:
    """Do what may be done twice, again and again while the API server does not answer.

    Raises `ClusterError` after two minutes, `RefusedError` and `NotFoundError` at once.
    """
    _again(run, act, ClusterError, seconds=_PATIENCE, every=2 * _EVERY, told=lambda _: None)


def in_reach(run: Run, act: Callable[[], _Given], *, seconds: float, meanwhile: str = "tries again") -> _Given:
    """Do what may be done twice, again and again while the node is out of reach; say so each time, and `meanwhile`.

    Raises `LineError` after `seconds`.
    """
    return _again(
        run, act, LineError, seconds=seconds, every=5 * _EVERY, told=lambda why: run.progress(f"{why}; {meanwhile}")
    )


def _again(
    run: Run,
    act: Callable[[], _Given],
    away: type[MigratorError],
    *,
    seconds: float,
    every: float,
    told: Callable[[MigratorError], None],
) -> _Given:
    deadline = run.clock.now() + seconds
    while True:
        try:
            return act()
        except (RefusedError, NotFoundError):
            raise
        except away as error:
            if run.clock.now() >= deadline:
                raise
            told(error)
            run.clock.sleep(every)


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
