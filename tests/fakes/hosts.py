"""Hosts in memory that record the playbooks run on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from migrator.errors import HostUnreachableError
from migrator.hosts import HostResult, OnTaskResult, ignore_task_result
from migrator.model.node_requests import Request, Switch
from tests.fakes.line import FakeLine

Answer = HostResult | Callable[[Request], HostResult]


class FakeHosts:
    """Answers each playbook with what the test prepared, by "playbook" or "playbook state"."""

    def __init__(self, answers: Mapping[str, Answer], lines: Mapping[str, FakeLine] | None = None) -> None:
        """Take the answers, and the lines by host; a host without one cannot be reached by a line."""
        self.answers = answers
        self.lines = lines or {}
        self.calls: list[Request] = []

    def play(
        self, request: Request, hosts: Sequence[str], heard: OnTaskResult = ignore_task_result
    ) -> Mapping[str, HostResult]:
        """Record the call and answer it for every host; each result is heard, those of a loop one by one."""
        self.calls.append(request)
        answer = self.answers[_name(request)]
        given = {host: answer(request) if callable(answer) else answer for host in hosts}
        for one in given.values():
            for task, result in one.results.items():
                for item in result.get("results", [result]):
                    heard(task, item)
        return given

    @contextmanager
    def line(self, host: str) -> Iterator[FakeLine]:
        """Give the host's line, and count how often it was opened and closed."""
        if host not in self.lines:
            raise HostUnreachableError(f"{host}: the test has no line to it")
        line = self.lines[host]
        line.opened += 1
        try:
            yield line
        finally:
            line.closed += 1

    @property
    def names(self) -> list[str]:
        """Name the playbooks in the order of their runs."""
        return [_name(request) for request in self.calls]


def _name(request: Request) -> str:
    return f"{request.playbook} {request.state}" if isinstance(request, Switch) else request.playbook


def switched(outcome: str, cause: str = "", *, changed: bool = True, **traces: object) -> HostResult:
    """Give what the switch playbook returns."""
    result = {"outcome": outcome, "cause": cause, "changed": changed, "actions": [], **traces}
    return HostResult(host="worker-1", results={"Switch the node's container runtime": result})
