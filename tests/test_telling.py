"""What several nodes tell at once stands in lines of its own."""

from __future__ import annotations

import io
import json
import sys
import threading
import time

import pytest

from migrator.cli import console
from migrator.model.event import Event


class Slow(io.StringIO):
    """A terminal that lets other threads go on between two writes."""

    def write(self, text: str) -> int:
        """Write it, after a moment."""
        time.sleep(0.001)
        return super().write(text)


def test_events_of_several_nodes_do_not_share_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads them takes each line for one JSON object."""
    terminal, tell = Slow(), console.teller(as_json=True)
    monkeypatch.setattr(sys, "stderr", terminal)

    def steps(node: str) -> None:
        for number in range(5):
            tell(Event(node=node, step=f"step-{number}", kind="start", message="begins"))

    threads = [threading.Thread(target=steps, args=(f"worker-{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    told = [json.loads(line) for line in terminal.getvalue().splitlines()]
    assert {(event["node"], event["step"]) for event in told} == {
        (f"worker-{node}", f"step-{step}") for node in range(4) for step in range(5)
    }
