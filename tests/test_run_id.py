"""One id says which run it was: on this machine, in the cluster and on the node."""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from migrator.model import run_id
from migrator.model.kubernetes import PROGRESS
from migrator.model.node_requests import Switch
from migrator.model.untrusted_text import TransactionId
from tests.test_work import World, fails

LONGEST_NODE = ".".join(["a" * 63] * 3 + ["a" * 61])
"""A DNS subdomain of 253 characters (Kubernetes, Object Names and IDs)."""


def test_a_run_is_named_by_time_and_process() -> None:
    """Two of one second, as `apply` may make after an installation, are told apart."""
    moment = datetime(2001, 1, 1, tzinfo=UTC)

    assert [run_id.new(moment) for _ in range(3)] == [
        f"20010101-000000-{os.getpid()}", f"20010101-000000-{os.getpid()}-2", f"20010101-000000-{os.getpid()}-3",
    ]  # fmt: skip


@pytest.mark.parametrize("node", ["worker-1", "ip-10-0-0-1.eu-central-1.compute.internal", LONGEST_NODE])
def test_a_transaction_has_a_name_that_a_node_takes(tmp_path: Path, node: str) -> None:
    """It begins with the run's id, and is a folder: no node's name makes it longer than a file system allows."""
    run = run_id.new(datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC))

    name = run_id.transaction(run, node)

    assert name.startswith(f"{run}-{node[:200]}")
    assert TypeAdapter(TransactionId).validate_python(name) == name
    (tmp_path / name).mkdir()


def test_names_of_earlier_releases_are_still_taken() -> None:
    """A node that was switched by one has its journal below such a name."""
    old = "20250101-120000-worker-1"

    assert Switch(state="old", transaction=old).transaction == old


def test_everything_that_a_run_leaves_has_its_id(tmp_path: Path) -> None:
    """The folder, each event in it and on the screen, the note on the Node, the Lease, and the node's own journal."""
    world, holders, notes, named = World(tmp_path), set(), set(), set()

    def look() -> None:
        assert world.cluster.held is not None
        holders.add(world.cluster.held.holder)
        notes.add(world.cluster.by_name["w1"].annotations[PROGRESS])
        fails()

    world.does = {"w1": look}
    switch = world.hosts.answers["switch new"]
    world.hosts.answers["switch new"] = lambda asked: (named.add(asked.transaction), switch(asked))[1]

    world.do()

    (folder,) = tmp_path.iterdir()
    run = folder.name
    assert re.fullmatch(rf"\d{{8}}-\d{{6}}-{os.getpid()}(-\d+)?", run)
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert {event["run"] for event in events} == {run}
    assert {event.run for event in world.events} == {run}
    assert named == {f"{run}-w1"}
    assert all(holder.endswith(f", run {run})") for holder in holders)
    assert all(note.startswith("at switch (") and note.endswith(f", run {run})") for note in notes)
    assert holders
    assert notes
    assert world.cluster.by_name["w1"].annotations[PROGRESS].endswith(f", run {run})")
