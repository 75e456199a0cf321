"""Hosts in memory that record the playbooks run on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from migrator.errors import LineError
from migrator.hosts import Heard, HostResult, unheard
from tests.fakes.line import FakeLine

Answer = HostResult | Callable[[Mapping[str, Any]], HostResult]


class FakeHosts:
    """Answers each playbook with what the test prepared, by "playbook" or "playbook state"."""

    def __init__(self, answers: Mapping[str, Answer], lines: Mapping[str, FakeLine] | None = None) -> None:
        """Take the answers, and the lines by host; a host without one cannot be reached by a line."""
        self.answers = answers
        self.lines = lines or {}
        self.calls: list[tuple[str, Mapping[str, Any]]] = []

    def play(
        self, playbook: str, hosts: Sequence[str], variables: Mapping[str, Any], heard: Heard = unheard
    ) -> Mapping[str, HostResult]:
        """Record the call and answer it for every host; each result is heard, those of a loop one by one."""
        self.calls.append((playbook, variables))
        key = f"{playbook} {variables['switch_state']}" if "switch_state" in variables else playbook
        answer = self.answers[key]
        given = {host: answer(variables) if callable(answer) else answer for host in hosts}
        for one in given.values():
            for task, result in one.results.items():
                for item in result.get("results", [result]):
                    heard(task, item)
        return given

    @contextmanager
    def line(self, host: str) -> Iterator[FakeLine]:
        """Give the host's line, and count how often it was opened and closed."""
        if host not in self.lines:
            raise LineError(f"{host}: the test has no line to it")
        line = self.lines[host]
        line.opened += 1
        try:
            yield line
        finally:
            line.closed += 1

    @property
    def names(self) -> list[str]:
        """Name the playbooks in the order of their runs."""
        return [f"{name} {values.get('switch_state', '')}".strip() for name, values in self.calls]


def switched(outcome: str, cause: str = "", *, changed: bool = True, **traces: object) -> HostResult:
    """Give what the switch playbook returns."""
    result = {"outcome": outcome, "cause": cause, "changed": changed, "actions": [], **traces}
    return HostResult(host="worker-1", results={"Switch the node's container runtime": result})
