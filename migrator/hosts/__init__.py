"""The door to the nodes' operating systems: our playbooks, run by Ansible over SSH."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class HostResult:
    """What came of one playbook on one host.

    `results` holds what each task returned, by task name, up to the one that failed; `problem` is "" when
    none did, otherwise one paragraph for a person.
    """

    host: str
    problem: str = ""
    changed: bool = False
    results: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By the task's own name, without that of its role."""
    at: float = 0.0
    """When the last answer came, in seconds since the epoch by this machine's clock."""


class Hosts(Protocol):
    """Run our playbooks on hosts of the inventory."""

    def play(self, playbook: str, hosts: Sequence[str], variables: Mapping[str, Any]) -> Mapping[str, HostResult]:
        """Run the playbook of that name; give a result for every host asked for. Never raises for a host's fault."""
        ...
