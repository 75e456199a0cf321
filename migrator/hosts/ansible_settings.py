"""What the user has configured Ansible with, by ansible.cfg or the environment: it is added to, never overruled.

An environment variable beats ansible.cfg, and is all that we can set. So Ansible is asked first, by its own rules and
in the user's folder, and what it takes from there is left alone.
"""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from migrator.errors import InventoryError

_KEEPALIVE = "-o ServerAliveInterval=10 -o ServerAliveCountMax=6"
"""A task may be silent for minutes; without these a connection that died meanwhile is never noticed."""
_FORKS = 25
_TIMEOUT = 20


@dataclass(frozen=True)
class AnsibleSettings:
    """What somebody has set, by the names that `ansible-config` has: those of Ansible and those of its ssh plugin."""

    options: Mapping[str, Any]

    @property
    def forks(self) -> int:
        """How many hosts Ansible works on at a time."""
        return int(self.options.get("DEFAULT_FORKS", _FORKS))

    @property
    def timeout(self) -> int:
        """Seconds that a connection may take."""
        return int(self.options.get("timeout", self.options.get("DEFAULT_TIMEOUT", _TIMEOUT)))

    def environment(self, timeout: int | None = None) -> dict[str, str]:
        """Give the variables that add what we need; a `timeout` that was asked for has the last word."""
        options = self.options
        given = {
            # Of two values of an option, ssh takes the first.
            "ANSIBLE_SSH_EXTRA_ARGS": f"{options.get('ssh_extra_args') or ''} {_KEEPALIVE}".strip(),
            # ansible-runner turns the check off where this is not set.
            "ANSIBLE_HOST_KEY_CHECKING": str(options.get("host_key_checking", options.get("HOST_KEY_CHECKING", True))),
        }
        if timeout is not None or not {"timeout", "DEFAULT_TIMEOUT"} & set(options):
            given["ANSIBLE_TIMEOUT"] = given["ANSIBLE_SSH_TIMEOUT"] = str(timeout or _TIMEOUT)
        if not {"pipelining", "ANSIBLE_PIPELINING"} & set(options):
            given["ANSIBLE_PIPELINING"] = "true"
        if "INTERPRETER_PYTHON" not in options:
            given["ANSIBLE_PYTHON_INTERPRETER"] = "auto_silent"
        return given


def configured() -> AnsibleSettings:
    """Ask Ansible, once for each folder and environment. Raises `InventoryError` when it cannot read its settings."""
    relevant = {key: value for key, value in os.environ.items() if key.startswith("ANSIBLE_") or key == "HOME"}
    return _configured(Path.cwd(), tuple(sorted(relevant.items())))


@functools.cache
def _configured(folder: Path, _environment: tuple[tuple[str, str], ...]) -> AnsibleSettings:
    # Side by side: each is a start of Ansible.
    with ThreadPoolExecutor() as both:
        base, plugins = both.map(lambda kind: _changed(folder, kind), ("base", "connection"))
    ssh: Sequence[Mapping[str, Any]] = next((entry["ssh"] for entry in plugins if "ssh" in entry), ())
    return AnsibleSettings(dict([*_pairs(base), *_pairs(ssh)]))


def _pairs(entries: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    return ((entry["name"], entry.get("value")) for entry in entries if "name" in entry)


def _changed(folder: Path, kind: str) -> list[dict[str, Any]]:
    """List what is set of this kind, in the order and with the origins that Ansible itself finds."""
    words = [sys.executable, "-m", "ansible", "config", "dump", "--only-changed", "--format", "json", "--type", kind]
    done = subprocess.run(
        words, capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=folder, check=False,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_VERBOSITY": "0"},
    )  # fmt: skip
    try:
        found: list[dict[str, Any]] = json.loads(done.stdout)
    except ValueError:
        told = re.findall(r"ERROR\]?[:!]? *(.+)", done.stderr) or done.stderr.splitlines()[-1:]
        raise InventoryError(
            f"Ansible cannot read its configuration: {' '.join(told[:1])}; `ansible-config dump` shows it"
        ) from None
    return found
