"""Wait for a state by asking for it; an API server that stumbles, and a node that is away, are asked again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from migrator.engine import timeouts
from migrator.engine.context import StepContext
from migrator.errors import (
    ClusterError,
    HostProblemError,
    HostUnreachableError,
    MigratorError,
    NotFoundError,
    StepFailedError,
    UnaskedError,
)
from migrator.model.clock import EVERY, pace

_Given = TypeVar("_Given")


def retry_on_api_error(run: StepContext, act: Callable[[], _Given]) -> _Given:
    """Do what may be done twice, again and again while the API server does not answer or does not know us.

    Raises `ClusterError` after ten minutes, `NotFoundError` at once.
    """
    return asked_again(run, act, (ClusterError,), seconds=timeouts.API)


def retry_while_unreachable(run: StepContext, act: Callable[[], _Given], *, meanwhile: str = "tries again") -> _Given:
    """Do what may be done twice, again and again while the node is out of reach; say so, and `meanwhile`.

    Raises `HostUnreachableError` when it was away for a quarter of an hour.
    """
    return asked_again(run, act, (HostUnreachableError,), seconds=timeouts.AWAY, meanwhile=meanwhile)


def asked_again(
    run: StepContext,
    act: Callable[[], _Given],
    away: tuple[type[MigratorError], ...],
    *,
    seconds: float,
    meanwhile: str = "tries again",
) -> _Given:
    """Do what may be done twice, until it ends without one of these errors; say once what each time is the same.

    Raises the error when it came for so many `seconds`, counted from the first one: however long a try took before it
    failed, somebody had been there when it began. Raises at once what will not change: `NotFoundError`,
    `HostProblemError`.
    """
    since: float | None = None
    told = ""
    while True:
        try:
            return act()
        except (NotFoundError, HostProblemError):
            raise
        except away as error:
            since = run.clock.now() if since is None else since
            if run.clock.now() - since >= seconds:
                raise
            if str(error) != told:
                told = str(error)
                run.progress(f"{told}; {meanwhile}")
            run.clock.sleep(timeouts.EVERY)


def wait_until(
    run: StepContext, lacking: Callable[[], str], what: str, *, seconds: float, every: float = EVERY
) -> None:
    """Poll until `lacking()` gives "". Raises `StepFailedError` with what was still lacking after `seconds`.

    Every so many seconds, and less often the longer it lasts.

    Time in which the API server cannot be asked does not count: that says nothing about what is waited for. Raises
    `UnaskedError` when that lasts for ten minutes.
    """
    first = answered = run.clock.now()
    deadline = first + seconds
    told = False
    while True:
        began = run.clock.now()
        try:
            missing = lacking()
        except ClusterError as error:
            if run.clock.now() - answered >= timeouts.API:
                raise UnaskedError(f"nobody could be asked for {what}: {error}") from error
            if not told:
                told = True
                run.progress(f"{error}; asks again")
            run.clock.sleep(every)
            deadline += run.clock.now() - began
            continue
        answered, told = run.clock.now(), False
        if not missing:
            return
        if answered >= deadline:
            raise StepFailedError(f"waited {seconds:.0f} s in vain for {what}: {missing}")
        run.clock.sleep(pace(answered - first, every))
