"""Keep two operators apart: whoever changes nodes of a cluster holds its Lease meanwhile, and renews it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from migrator import log_context
from migrator.cluster import Cluster
from migrator.errors import ClusterError, LockedError
from migrator.model.lease import Lease

_log = logging.getLogger(__name__)

SECONDS = 60.0
"""A holder that was not heard of for so long is taken for dead."""
EVERY = 15.0
"""Seconds between two renewals: three may fail."""
GRACE = 60.0
"""Seconds by which the clocks of two operators may differ."""


class Lock:
    """A lease that is held."""

    def __init__(self, cluster: Cluster, lease: Lease, now: Callable[[], float]) -> None:
        self._cluster = cluster
        self._lease = lease
        self._now = now
        self._lost = ""
        self._heard = time.monotonic()
        """When the API server last had it from us, by a clock that nobody sets."""

    def check(self) -> None:
        """Raise `LockedError` when somebody has taken it over, `ClusterError` while it cannot be renewed.

        Nothing may be begun then.
        """
        if not self._lost and time.monotonic() - self._heard > EVERY:
            self.renew()  # this process may have slept
        if self._lost:
            raise LockedError(f"the lock was taken over by {self._lost}: nothing more is begun here")
        if time.monotonic() - self._heard > SECONDS:
            raise ClusterError("the lock could not be renewed for a minute")

    def renew(self) -> None:
        """Go on holding it. What the API server does not hear now is tried again later."""
        if self._lost:
            return
        with log_context.swallowed(_log, "renew the lock", ClusterError):
            wanted = self._lease.model_copy(update={"renewed": self._now()})
            written = self._cluster.put_lease(wanted)
            if written is None:
                self._found(self._cluster.lease())
            else:
                self._lease = written
                self._heard = time.monotonic()

    def _found(self, other: Lease | None) -> None:
        if other is not None and other.holder == self._lease.holder:
            self._lease = other  # an answer of ours that was not heard
            self._heard = time.monotonic()
        elif other is None:
            self._lease = self._lease.model_copy(update={"version": ""})  # somebody has removed it: made anew next time
        else:
            self._lost = other.holder

    def release(self) -> None:
        """Give it back; one that cannot be given back ends by itself, as one does that was not renewed for so long."""
        if not self._lost and self._lease.version and time.monotonic() - self._heard <= SECONDS:
            with log_context.swallowed(_log, "give the lock back", ClusterError):
                self._cluster.delete_lease(self._lease.version)


def somebody(cluster: Cluster, now: Callable[[], float] = time.time) -> str:
    """Say who changes nodes of the cluster now; "" for nobody. Raises `ClusterError`."""
    found = cluster.lease()
    return found.holder if found is not None and found.ends + GRACE > now() else ""


def acquire(cluster: Cluster, holder: str, now: Callable[[], float] = time.time) -> Lock:
    """Take the lock. Raises `LockedError` when somebody else holds it, `ClusterError` when nobody can be asked."""
    found = cluster.lease()
    if found is not None and found.holder not in {"", holder} and found.ends + GRACE > now():
        raise LockedError(_held(found, now()))
    wanted = Lease(
        holder=holder, acquired=now(), renewed=now(), seconds=SECONDS, version=found.version if found else ""
    )
    written = cluster.put_lease(wanted)
    if written is None:
        raise LockedError("somebody else has taken the lock at this very moment: try again")
    _log.debug("holds the lock as %s", holder)
    return Lock(cluster, written, now)


@contextmanager
def held(cluster: Cluster, holder: str, *, every: float = EVERY) -> Iterator[Lock]:
    """Hold the lock for the `with` block, renewed by a thread of its own. Raises as `acquire` does."""
    lock = acquire(cluster, holder)
    ended = threading.Event()

    def renew() -> None:
        while not ended.wait(every):
            with log_context.swallowed(_log, "renew the lock"):  # `check` finds that nothing was heard
                lock.renew()

    thread = threading.Thread(target=renew, name="lease", daemon=True)
    thread.start()
    try:
        yield lock
    finally:
        ended.set()
        thread.join()
        lock.release()


def _held(lease: Lease, now: float) -> str:
    since = datetime.fromtimestamp(lease.acquired, tz=UTC)
    return (
        f"{lease.holder} changes nodes of this cluster since {since:%Y-%m-%d %H:%M:%S} UTC and was heard "
        f"{max(0.0, now - lease.renewed):.0f} s ago; a holder that died is forgotten in "
        f"{lease.ends + GRACE - now:.0f} s, or at once by kubectl -n kube-system delete lease migrator"
    )
