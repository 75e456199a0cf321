"""The door to the nodes' operating systems: our playbooks, run by Ansible over its connection to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from migrator.model.node_requests import Request


@dataclass(frozen=True)
class HostResult:
    """What came of one playbook on one host.

    `results` holds what each task returned, by task name, up to the one that failed; `problem` is "" when
    none did, otherwise one paragraph for a person.
    """

    host: str
    problem: str = ""
    unreachable: bool = False
    """Whether nobody there answered: what was asked for may have happened, or not, or go on there."""
    changed: bool = False
    results: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By the task's own name, without that of its role."""
    at: float = 0.0
    """When the last answer came, in seconds since the epoch by this machine's clock."""


OnTaskResult = Callable[[str, Mapping[str, Any]], None]


def ignore_task_result(task: str, result: Mapping[str, Any]) -> None:
    """Take what a task returned, and wait for the end all the same."""


class HostSession(Protocol):
    """A connection to one host that stays open: Ansible's own, with its user, keys, jump hosts and escalation.

    Nothing is installed on the host; what runs there is a program that came over the connection and ends with it.
    """

    def ask(self, question: str, /, *, deadline: float = 120, **words: Any) -> Any:  # noqa: ANN401 - the witness's JSON
        """Ask the witness on the host; give its answer, within `deadline` seconds.

        Raises `HostProblemError` when the witness could not do what it was asked, `HostUnreachableError` when the
        connection ended or time ran out.
        """
        ...

    def socket(self, path: str) -> str:
        """Give a local address ("unix:/…", as gRPC takes it) whose connections end at the Unix socket `path` there."""
        ...

    def lost(self, path: str) -> str:
        """Say why the last connection to `path` there could not be made or was cut; "" when neither happened."""
        ...

    def unreached(self, path: str) -> bool:
        """Tell whether that was the way there: neither what listens at `path`, nor nobody listening."""
        ...

    def rest(self) -> None:
        """End what runs there, with the locks that it holds, and the addresses here; the next question starts anew."""
        ...


class Hosts(Protocol):
    """Run our playbooks on hosts of the inventory."""

    def play(
        self, request: Request, hosts: Sequence[str], heard: OnTaskResult = ignore_task_result
    ) -> Mapping[str, HostResult]:
        """Run a request's playbook; give a result for every host asked for. Never raises for a host's fault.

        `heard` is told what each task returned as soon as it did: its own name, and for a loop each item alone.
        """
        ...

    def line(self, host: str) -> AbstractContextManager[HostSession]:
        """Open a line to a host, closed at the end of the `with` block.

        Raises `HostUnreachableError` when there is none.
        """
        ...
