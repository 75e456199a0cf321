"""One operator at a time; one that died keeps nobody out for long."""

from __future__ import annotations

import time

import pytest

from migrator.errors import ClusterError, LockedError
from migrator.model.lease import Lease
from migrator.rollout import lock
from tests.fakes.cluster import FakeCluster

NOW = 1_000_000.0
OTHER = Lease(holder="ann on laptop (process 7)", acquired=NOW - 600, renewed=NOW - 10, seconds=60, version="4")


@pytest.fixture
def cluster() -> FakeCluster:
    """Give one that nobody works on."""
    return FakeCluster([])


def test_who_holds_it_is_told(cluster: FakeCluster) -> None:
    """Who, since when, when last heard of, and when that ends; nothing is changed."""
    cluster.held = OTHER

    with pytest.raises(LockedError) as caught:
        lock.acquire(cluster, "ben", lambda: NOW)

    assert str(caught.value) == (
        "ann on laptop (process 7) changes nodes of this cluster since 1970-01-12 13:36:40 UTC and was heard 10 s ago; "
        "a holder that died is forgotten in 110 s, or at once by kubectl -n kube-system delete lease migrator"
    )
    assert cluster.held == OTHER
    assert LockedError.exit_code == 15


def test_a_holder_that_died_is_followed(cluster: FakeCluster) -> None:
    """Two minutes after it was heard of last, by clocks that may differ; one that gave it back at once."""
    cluster.held = OTHER.model_copy(update={"renewed": NOW - 121})
    lock.acquire(cluster, "ben", lambda: NOW).release()
    assert cluster.held is None

    lock.acquire(cluster, "carl", lambda: NOW)
    assert cluster.held is not None


def test_of_two_that_come_at_once_one_goes_on(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """The API server decides, by the version that each has seen."""
    lock.acquire(cluster, "ben", lambda: NOW)
    monkeypatch.setattr(cluster, "lease", lambda: None)

    with pytest.raises(LockedError, match="at this very moment"):
        lock.acquire(cluster, "carl", lambda: NOW)


def test_it_is_renewed_while_work_goes_on(cluster: FakeCluster) -> None:
    """By a thread, through an API server that stumbles; and given back at the end."""
    with lock.held(cluster, "ben", every=0.01) as alone:
        assert cluster.held is not None
        first = cluster.held.renewed
        cluster.failures = ["blip", "blip"]
        deadline = time.monotonic() + 20
        while cluster.held.renewed == first and time.monotonic() < deadline:
            time.sleep(0.01)
        alone.check()
        assert cluster.held.renewed > first

    assert cluster.held is None


def test_one_that_was_taken_over_begins_nothing_more(cluster: FakeCluster) -> None:
    """Nor does it take the other's lease away when it ends."""
    mine = lock.acquire(cluster, "ben", lambda: NOW)
    cluster.held = OTHER.model_copy(update={"version": "9"})

    mine.renew()

    with pytest.raises(LockedError, match=r"taken over by ann on laptop \(process 7\)"):
        mine.check()
    mine.release()
    assert cluster.held is not None


def test_one_that_was_not_heard_for_a_minute_begins_nothing_more(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine may have slept: somebody else may be at work by now, and is asked for first."""
    mine = lock.acquire(cluster, "ben", lambda: NOW)
    later = time.monotonic() + 90
    monkeypatch.setattr(lock.time, "monotonic", lambda: later)

    mine.check()
    later += 90
    cluster.failures = ["no answer"]
    with pytest.raises(ClusterError, match="could not be renewed for a minute"):
        mine.check()
    cluster.held = OTHER.model_copy(update={"version": "9"})
    with pytest.raises(LockedError, match="taken over by ann"):
        mine.check()


def test_one_that_was_not_heard_for_a_minute_ends_by_itself(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever holds it is forgotten by now; an API server that hangs is not waited for at the end of a run."""
    mine = lock.acquire(cluster, "ben", lambda: NOW)
    later = time.monotonic() + 90
    monkeypatch.setattr(lock.time, "monotonic", lambda: later)

    mine.release()

    assert cluster.held is not None


def test_one_that_was_removed_is_made_anew(cluster: FakeCluster) -> None:
    """Somebody tidied up: as long as nobody else has it, it is still ours."""
    mine = lock.acquire(cluster, "ben", lambda: NOW)
    cluster.held = None
    cluster.failures = []

    mine.renew()
    mine.renew()

    mine.check()
    assert cluster.held is not None
