"""Hosts whose lines stay open from one use to the next: to open one takes as long as to start a playbook."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from migrator.errors import HostUnreachableError
from migrator.hosts import HostResult, Hosts, HostSession, OnTaskResult, ignore_task_result
from migrator.model.node_requests import Request

_ANSWERS = 60.0
"""Seconds in which a line that was kept must answer; its connection may be made anew meanwhile."""


class SessionCache:
    """The same hosts, asked from one thread; each line is opened at its first use and kept until `close`."""

    def __init__(self, hosts: Hosts) -> None:
        """Take the door whose lines are kept."""
        self._hosts = hosts
        self._kept: dict[str, tuple[HostSession, ExitStack]] = {}

    def play(
        self, request: Request, hosts: Sequence[str], heard: OnTaskResult = ignore_task_result
    ) -> Mapping[str, HostResult]:
        """Run a playbook."""
        return self._hosts.play(request, hosts, heard)

    @contextmanager
    def line(self, host: str) -> Iterator[HostSession]:
        """Give a line on which nothing runs yet; afterwards nothing does again. Raises `HostUnreachableError`."""
        self._renew(host)
        line, _ = self._kept[host]
        try:
            yield line
        finally:
            line.rest()

    def close(self) -> None:
        """Close them all."""
        while self._kept:
            _, opened = self._kept.popitem()[1]
            opened.close()

    def _renew(self, host: str) -> None:
        """Open a line unless there is one that answers: hosts are rebooted, connections cut, in between."""
        if host in self._kept:
            try:
                self._kept[host][0].ask("hello", deadline=_ANSWERS)
            except HostUnreachableError:
                self._kept.pop(host)[1].close()
        if host not in self._kept:
            opened = ExitStack()
            self._kept[host] = opened.enter_context(self._hosts.line(host)), opened
