"""Playbooks through ansible-runner. The only module that imports it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ansible_runner

from migrator import resources
from migrator.hosts import HostResult

_ADVICE = (
    ("Module result deserialization failed", "the connection was lost while something was at work on the host"),
    ("Permission denied (publickey", "SSH refuses the key or the user: check ansible_user and its private key"),
    (
        "Missing sudo password",
        "the user may not use sudo without a password: allow it, or give ansible_become_password",
    ),
    ("sudo: a password is required", "the user may not use sudo without a password: allow it on the node"),
    ("is not in the sudoers", "the user may not use sudo: allow it on the node"),
    ("Incorrect sudo password", "the sudo password is wrong"),
    ("Could not resolve hostname", "the name does not resolve: correct ansible_host"),
    ("Connection timed out", "the host does not answer: is it up, and is ansible_host right?"),
    ("No route to host", "the host does not answer: is it up, and is ansible_host right?"),
    ("Connection refused", "nothing listens for SSH there: check ansible_host and ansible_port"),
    (
        "Host key verification failed",
        "the host's SSH key is unknown or has changed: check it, then add it to known_hosts",
    ),
)
"""What Ansible or SSH says, and what a person can do about it."""


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Let what is begun on a host end before Ctrl-C or a termination takes effect, as `KeyboardInterrupt`.

    A playbook that went on behind the back of whoever undoes it would be worse than one that is waited for.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda it, _: came.append(it)) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        raise KeyboardInterrupt


@dataclass
class _Collected:
    results: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    problem: str = ""
    changed: bool = False
    seen: bool = False
    at: float = 0.0


class AnsibleHosts:
    """Runs playbooks on the hosts of one inventory; up to `forks` hosts at a time."""

    def __init__(self, inventory: Path, *, connect_timeout: int = 20, forks: int = 25) -> None:
        self._inventory = inventory.absolute()
        self._timeout = connect_timeout
        self._forks = forks

    def play(self, playbook: str, hosts: Sequence[str], variables: Mapping[str, Any]) -> Mapping[str, HostResult]:
        """Run `playbooks/<playbook>.yml` on `hosts` and collect what each task returned."""
        collected = {host: _Collected() for host in hosts}

        def on_event(event: Mapping[str, Any]) -> bool:
            _note(event, collected)
            return False  # do not keep events on disk: they hold the nodes' files

        # ansible-runner keeps what it is given in this folder; it is ours alone and goes with the run.
        with tempfile.TemporaryDirectory(prefix="migrator-") as folder:
            with _interrupts_held():
                run = ansible_runner.run(
                    private_data_dir=folder,
                    # Ansible's own folder is the user's: ansible.cfg and relative key files are found from there.
                    project_dir=str(Path.cwd()),
                    playbook=str(resources.folder("playbooks") / f"{playbook}.yml"),
                    inventory=str(self._inventory),
                    limit=",".join(hosts),
                    extravars=dict(variables),
                    forks=self._forks,
                    envvars=self._environment(),
                    event_handler=on_event,
                    cancel_callback=lambda: False,  # else it would set signal handlers, for good
                    quiet=True,
                    rotate_artifacts=0,
                )
            said = ""
            if run.status != "successful":
                with run.stdout as printed:
                    said = printed.read()
        return {host: _result(host, entry, said) for host, entry in collected.items()}

    def _environment(self) -> dict[str, str]:
        return {
            # Where this interpreter's ansible-playbook is, also when its environment was not activated.
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "ANSIBLE_ROLES_PATH": str(resources.folder("roles")),
            "ANSIBLE_TIMEOUT": str(self._timeout),
            "ANSIBLE_PIPELINING": "true",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_RETRY_FILES_ENABLED": "false",
            "ANSIBLE_PYTHON_INTERPRETER": os.environ.get("ANSIBLE_PYTHON_INTERPRETER", "auto_silent"),
        }


def _note(event: Mapping[str, Any], collected: Mapping[str, _Collected]) -> None:
    data = event.get("event_data") or {}
    entry = collected.get(str(data.get("host", "")))
    if entry is None:
        return
    result = data.get("res") or {}
    kind = event.get("event")
    if kind == "runner_on_ok":
        entry.seen = True
        entry.at = time.time()
        # Ansible names a role's task "role : task".
        entry.results[str(data.get("task")).rpartition(" : ")[2]] = result
        entry.changed = entry.changed or bool(result.get("changed"))
    elif kind in {"runner_on_failed", "runner_on_unreachable"} and not data.get("ignore_errors"):
        entry.seen = True
        entry.problem = explain(_text(result))


def _text(result: Mapping[str, Any]) -> str:
    parts = [str(result.get(key, "")) for key in ("msg", "module_stderr", "stderr")]
    parts += [str(item.get("msg", "")) for item in result.get("results") or [] if item.get("failed")]
    return "\n".join(part for part in parts if part)


def explain(text: str) -> str:
    """Turn what Ansible says into one sentence with its cause, and what to do where that is known."""
    for sign, advice in _ADVICE:
        if sign in text:
            return f"{advice} ({_shortened(text)})"
    return _shortened(text) or "Ansible gave no reason"


def _shortened(text: str) -> str:
    one_line = re.sub(r"\s+", " ", text).strip()
    one_line = re.sub(r"^Task failed: ", "", one_line)
    one_line = re.sub(r"^Failed to connect to the host via ssh: ", "", one_line)
    return one_line if len(one_line) <= 400 else one_line[:400] + "…"


def _result(host: str, entry: _Collected, said: str) -> HostResult:
    problem = entry.problem
    if not problem and not entry.seen:
        problem = explain(said[-2000:]) if said else "Ansible did not run anything on this host"
    return HostResult(host=host, problem=problem, changed=entry.changed, results=entry.results, at=entry.at)
