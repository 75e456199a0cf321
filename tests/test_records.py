"""What is kept of a run, and that keeping it never ends one."""

from __future__ import annotations

import json
import stat
import time
from datetime import datetime
from pathlib import Path

import pytest

from migrator.errors import UsageError
from migrator.model.event import Event
from migrator.model.evidence import Via
from migrator.model.host_settings import HostSettings
from migrator.model.kubernetes import ClusterFacts
from migrator.model.observation import Observation
from migrator.model.plan import Plan
from migrator.runtimes.registry import targets
from migrator.store import fact_store, private_files
from migrator.store.run_log import RunLog, default_folder
from tests.fakes import proof
from tests.fakes.values import facts, node

RUN = "20260101-000000-42"


def test_a_run_is_kept(tmp_path: Path) -> None:
    """Plan, events, proofs and metrics, for the owner alone."""
    kept = RunLog(tmp_path / "runs", Plan(inventory="i.yml"), RUN)
    kept.event(Event(node="w1", step="drain", kind="start", message="Drain", run=RUN))
    kept.event(Event(node="w1", step="drain", kind="changed", message="3 pods left", seconds=41.25))
    kept.event(Event(node='w"1', step="switch", kind="failed", message="no", seconds=2))
    kept.evidence("../w1", {"baseline": proof.good("docker", "v2", "systemd", Via.KUBELET)})
    kept.close()

    assert kept.folder.name == RUN
    assert stat.S_IMODE(kept.folder.stat().st_mode) == 0o700
    assert json.loads((kept.folder / "plan.json").read_text())["inventory"] == "i.yml"
    lines = [json.loads(line) for line in (kept.folder / "events.jsonl").read_text().splitlines()]
    assert [(line["step"], line["kind"], line["seconds"]) for line in lines] == [
        ("drain", "start", 0.0), ("drain", "changed", 41.25), ("switch", "failed", 2),
    ]  # fmt: skip
    assert [line["run"] for line in lines] == [RUN, "", ""]
    assert all(datetime.fromisoformat(line["at"]).tzinfo for line in lines)
    assert (kept.folder / "metrics.prom").read_text().splitlines()[2:4] == [
        'migrator_step{node="w1",step="drain",outcome="done"} 1',
        'migrator_step{node="w\\"1",step="switch",outcome="failed"} 1',
    ]
    assert 'migrator_step_seconds{node="w1",step="drain"} 41.250' in (kept.folder / "metrics.prom").read_text()
    assert {path.name for path in kept.folder.iterdir()} == {
        "plan.json", "events.jsonl", "metrics.prom", "..%2Fw1-baseline.json",
    }  # fmt: skip


def test_what_was_planned_from_is_kept(tmp_path: Path) -> None:
    """In the form that plans are made from; a host that is begun later is added."""
    kept, cluster = RunLog(tmp_path, Plan(), RUN), ClusterFacts(nodes=(node(),))
    kept.around(cluster)
    for host in ("worker-1", "worker-2"):
        kept.facts([Observation(host=host, target=HostSettings(), facts=facts())])

    kept.facts([Observation.model_construct(host="worker-3", target=HostSettings(), problem="\udc80")])

    assert fact_store.cluster(kept.folder / "facts") == cluster
    assert [entry.host for entry in fact_store.observations(kept.folder / "facts", runtimes=targets())] == [
        "worker-1",
        "worker-2",
    ]


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_done(tmp_path: Path) -> None:
    """Nothing was changed yet."""
    (tmp_path / "runs").write_text("a file")

    with pytest.raises(UsageError, match="--runs .*/runs: the run's folder cannot be written: "):
        RunLog(tmp_path / "runs", Plan(), RUN)


def test_a_folder_that_goes_away_ends_nothing(tmp_path: Path) -> None:
    """A full disk of the control host is no reason to leave a node in its window."""
    kept = RunLog(tmp_path, Plan(), RUN)
    for path in kept.folder.iterdir():
        path.unlink()
    kept.folder.rmdir()

    kept.event(Event(node="w1", step="drain", kind="changed"))
    kept.evidence("w1", {"baseline": proof.good("docker", "v2", "systemd", Via.KUBELET)})
    kept.close()


def test_the_metrics_of_a_large_run_are_written_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 2,000 nodes with twelve steps each: not at each of 24,000 ends, but soon, and all of them in the end."""
    steps, count, written = [f"step-{number}" for number in range(12)], 2000, []
    write = private_files.write
    monkeypatch.setattr(private_files, "write", lambda path, text: (written.append(path.name), write(path, text)))
    kept = RunLog(tmp_path, Plan(), RUN)
    began = time.monotonic()

    for number in range(count):
        for step in steps:
            kept.event(Event(node=f"ip-10-0-{number}.eu-central-1.compute.internal", step=step, kind="changed"))
    kept.close()

    assert written.count("metrics.prom") <= time.monotonic() - began + 3
    assert (kept.folder / "metrics.prom").read_text().count("migrator_step{") == count * len(steps)


def test_metrics_are_there_while_the_run_goes_on(tmp_path: Path) -> None:
    """Whoever watches a run does not wait for its end."""
    kept = RunLog(tmp_path, Plan(), RUN)
    for step in ("stage", "drain"):
        kept.event(Event(node="w1", step=step, kind="changed"))
        end = time.monotonic() + 10
        while not (kept.folder / "metrics.prom").exists() or step not in (kept.folder / "metrics.prom").read_text():
            assert time.monotonic() < end
            time.sleep(0.02)
    kept.close()


def test_the_usual_folder_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the desktop's standard has state."""
    monkeypatch.setenv("XDG_STATE_HOME", "/srv/state")
    assert default_folder() == Path("/srv/state/migrator/runs")
    monkeypatch.setenv("XDG_STATE_HOME", "")
    monkeypatch.setenv("HOME", "/home/ann")
    assert default_folder() == Path("/home/ann/.local/state/migrator/runs")
