"""What a run notes on the Node that it is at work on."""

from __future__ import annotations

from datetime import UTC, datetime

from migrator.app.progress_annotation import ProgressAnnotation
from migrator.model.event import Event
from migrator.model.kubernetes import PROGRESS
from tests.fakes.cluster import FakeCluster
from tests.fakes.values import node

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
RUN = "20251231-235900-7"


def begun() -> tuple[FakeCluster, ProgressAnnotation]:
    """Give a cluster with the node, and what notes things there."""
    cluster = FakeCluster([node(name="worker-1")])
    return cluster, ProgressAnnotation(cluster, "worker-1", RUN, lambda: MOMENT)


def tell(standing: ProgressAnnotation, *events: tuple[str, str]) -> None:
    """Have it hear of these kinds and steps."""
    for kind, step in events:
        standing.event(Event(node="worker-1", step=step, kind=kind))


def noted(cluster: FakeCluster) -> str | None:
    """Read the annotation."""
    return cluster.by_name["worker-1"].annotations.get(PROGRESS)


def test_the_step_at_work_is_noted_until_the_run_is_over() -> None:
    """With the time; what is only told of a step is not written again."""
    cluster, standing = begun()

    tell(standing, ("start", "cordon"), ("changed", "cordon"), ("start", "drain"), ("progress", "drain"))

    assert noted(cluster) == "at drain (2026-01-01T00:00:00Z, run 20251231-235900-7)"
    assert len(cluster.calls) == 2
    standing.over()
    assert noted(cluster) is None


def test_what_failed_stays_to_be_read() -> None:
    """However far the rest was taken back."""
    cluster, standing = begun()

    tell(standing, ("start", "verify"), ("failed", "verify"), ("undone", "switch"), ("undone", "cordon"))

    assert noted(cluster) == "failed at verify; cordon is taken back (2026-01-01T00:00:00Z, run 20251231-235900-7)"


def test_an_api_server_that_is_away_holds_nothing_up() -> None:
    """It is not asked again; the next note may come through."""
    cluster, standing = begun()
    cluster.failures = ["no answer"]

    tell(standing, ("start", "cordon"), ("start", "drain"))

    assert noted(cluster) == "at drain (2026-01-01T00:00:00Z, run 20251231-235900-7)"
