"""Playbooks through ansible-runner. The only module that imports it."""

from __future__ import annotations

import base64
import json
import logging
import math
import os
import re
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import ansible_runner

from migrator import data_files, masking
from migrator.errors import MigratorError
from migrator.hosts import HostResult, HostSession, OnTaskResult, ignore_task_result, local_limits, signals
from migrator.hosts.ansible_settings import AnsibleSettings, configured
from migrator.hosts.session import opened, opening
from migrator.hosts.ssh_errors import explain
from migrator.model.node_requests import OpenSession, Request
from migrator.model.untrusted_text import excess

_log = logging.getLogger(__name__)
_ansible = logging.getLogger("migrator.ansible")
"""What Ansible prints; `store.debug_log` gives it a file of its own."""

_SECONDS = 7200
"""For a playbook: images of a hundred gigabytes take their time."""
_LIMITS = {"inspect": 900, "switch": 1200, "retire": 900, "cleanup": 1800}
"""For those that carry nothing. What is cut off goes on at the host, as after a lost connection."""
_MEMORY = 4 * 2**30
"""Bytes of address space of an Ansible process: what a host says is held in memory, however much it is."""
_LAST = 65536
"""Bytes of what Ansible prints that are read."""
_WORDS = ("msg", "rc", "module_stderr", "module_stdout", "stderr", "stdout", "exception")
"""What a task that failed says of why (Ansible, Return Values)."""
_OF_HOST = re.compile(r"[a-z]+: \[")
"""How Ansible begins the line about a host: "ok: [w1]", "fatal: [w1]: FAILED!"."""
_FAILURES = frozenset({"runner_on_failed", "runner_on_unreachable", "runner_item_on_failed"})
_NO_HOST_KEY = {r"continue connecting \(yes/no": "no"}
"""Nobody is there to say whether an unknown key is the right one; Ansible before 2.19 lets ssh ask."""


@dataclass
class _Collected:
    results: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    problem: str = ""
    unreachable: bool = False
    changed: bool = False
    seen: bool = False
    at: float = 0.0
    task: str = ""
    """The one that is under way."""


class AnsibleHosts:
    """Runs playbooks on the hosts of one inventory, with the user's own configuration of Ansible."""

    def __init__(
        self,
        inventory: Path,
        *,
        connect_timeout: int | None = None,
        programs: Path | None = None,
        limits: Mapping[str, int] = _LIMITS,
    ) -> None:
        """Take the inventory; the seconds that a connection may take, where Ansible's own do not count.

        And the programs that a line starts, if not the role's; and how long playbooks may take.
        """
        self._inventory = inventory.absolute()
        self._connect_timeout = connect_timeout
        self._limits = limits
        self._programs = programs or data_files.folder("roles") / "line" / "files"

    def play(
        self, request: Request, hosts: Sequence[str], heard: OnTaskResult = ignore_task_result
    ) -> Mapping[str, HostResult]:
        """Run the request's playbook on `hosts` and collect what each task returned."""
        # ansible-runner keeps what it is given in this folder; it is ours alone and goes with the run.
        try:
            with (
                tempfile.TemporaryDirectory(prefix="migrator-", dir=local_limits.parent()) as folder,
                signals.held(),
            ):
                return self._run(Path(folder), request, hosts, lambda: False, heard)
        except (OSError, MemoryError, RuntimeError) as error:
            if not local_limits.exhausted(error):
                raise
            return {host: HostResult(host, local_limits.told(host, error), unreachable=True) for host in hosts}

    def line(self, host: str) -> AbstractContextManager[HostSession]:
        """Open a line to a host."""

        def run(folder: Path, stopped: Callable[[], bool]) -> str:
            try:
                return self._run(folder, OpenSession(folder=str(folder)), [host], stopped, ignore_task_result)[
                    host
                ].problem
            except (OSError, MemoryError, RuntimeError) as error:
                if not local_limits.exhausted(error):
                    raise
                return local_limits.told(host, error)

        return opened(host, run, self._programs, seconds=opening(self._connect_timeout or configured().timeout))

    def _run(
        self,
        folder: Path,
        request: Request,
        hosts: Sequence[str],
        stopped: Callable[[], bool],
        heard: OnTaskResult,
    ) -> Mapping[str, HostResult]:
        collected = {host: _Collected() for host in hosts}

        def on_event(event: Mapping[str, Any]) -> bool:
            try:
                if _ansible.isEnabledFor(logging.DEBUG) and (told := printed(event)):
                    _ansible.debug("%s: %s", request.playbook, told)
                _note(event, collected, heard)
            except Exception as error:  # noqa: BLE001 - whatever one host says, the others are heard
                _log.debug("an event of Ansible's makes no sense", exc_info=True)
                host = str((event.get("event_data") or {}).get("host", ""))
                if host in collected:
                    collected[host].problem = collected[host].problem or f"what it answered makes no sense: {error!r}"
                    collected[host].seen = True
            return False  # do not keep events on disk: they hold the nodes' files

        users = configured()
        began = time.monotonic()
        _log.debug("plays %s on %s", request.playbook, ", ".join(hosts))
        # As many turns as it takes with so many hosts at a time.
        limit = self._limits.get(request.playbook, _SECONDS) * math.ceil(len(hosts) / users.forks)
        run = ansible_runner.run(
            private_data_dir=str(folder),
            # Ansible's own folder is the user's: ansible.cfg and relative key files are found from there.
            project_dir=str(Path.cwd()),
            playbook=str(data_files.folder("playbooks") / f"{request.playbook}.yml"),
            inventory=str(self._inventory),
            limit=f"@{_listed(folder, hosts)}",
            extravars={"migrator_request": sealed(request)},
            forks=users.forks,
            passwords=_NO_HOST_KEY,
            envvars=self._environment(users, _bounded(folder)),
            # Seconds between two looks at `stopped`. A line has no end of its own: whoever opened it ends it.
            settings={"pexpect_timeout": 1, **({} if request.playbook == "line" else {"job_timeout": limit})},
            event_handler=on_event,
            cancel_callback=stopped,  # without one it would set signal handlers, for good
            quiet=True,
            rotate_artifacts=0,
        )
        if run.status == "timeout":
            _cut_off(collected, "still at {task} " + f"after {limit} s; it is not waited for any longer")
        elif run.status != "successful":
            _cut_off(collected, "Ansible ended at {task}: " + explain(_end_of(run.stdout)[-2000:]))
        results = {host: _result(host, entry) for host, entry in collected.items()}
        problems = "; ".join(f"{host}: {result.problem}" for host, result in results.items() if result.problem)
        seconds = time.monotonic() - began
        _log.debug("played %s in %.1f s, %s%s", request.playbook, seconds, run.status, problems and f": {problems}")
        return results

    def _environment(self, users: AnsibleSettings, programs: Path) -> dict[str, str]:
        return {
            "PATH": f"{programs}{os.pathsep}{_search_path()}",
            "ANSIBLE_ROLES_PATH": str(data_files.folder("roles")),  # nobody else's roles are played
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_RETRY_FILES_ENABLED": "false",
            **users.environment(self._connect_timeout),
        }


def _listed(folder: Path, hosts: Sequence[str]) -> Path:
    """Write the hosts' names to a file: a word of a command line has 128 KiB, which 2,000 long names exceed."""
    path = folder / "hosts"
    path.write_text("".join(f"{host}\n" for host in hosts), encoding="utf-8")
    return path


def sealed(request: Request) -> str:
    """Give a request as JSON in base64, in which nothing can be taken for a template: Ansible templates words."""
    return base64.b64encode(json.dumps(request.model_dump(mode="json")).encode()).decode()


def _search_path() -> str:
    """Give the search path with this interpreter's ansible-playbook first, also when its environment is not active."""
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"


def _bounded(folder: Path) -> Path:
    """Make a folder with an ansible-playbook that cannot take all of this machine's memory."""
    programs = folder / "programs-of-ours"
    programs.mkdir()
    real = shutil.which("ansible-playbook", path=_search_path()) or "ansible-playbook"
    program = programs / "ansible-playbook"
    program.write_text(f'#!/bin/sh\nulimit -S -v {_MEMORY // 1024} 2>/dev/null || :\nexec {shlex.quote(real)} "$@"\n')
    program.chmod(0o700)
    return programs


def _end_of(printed: IO[str]) -> str:
    """Give the end of what Ansible printed."""
    with printed:
        printed.seek(max(0, os.fstat(printed.fileno()).st_size - _LAST))
        return printed.read()


def _note(event: Mapping[str, Any], collected: Mapping[str, _Collected], heard: OnTaskResult) -> None:
    data = event.get("event_data") or {}
    entry = collected.get(str(data.get("host", "")))
    if entry is None:
        return
    result = data.get("res") or {}
    kind = event.get("event")
    # Ansible names a role's task "role : task".
    task = str(data.get("task")).rpartition(" : ")[2]
    if why := excess(result):
        entry.problem = entry.problem or f"what it answered to {task!r} is refused: {why}"
        entry.seen = True
        return
    if kind == "runner_item_on_ok" or (kind == "runner_on_ok" and "results" not in result):
        try:
            heard(task, result)
        except MigratorError as error:  # ansible-runner would be left in its middle
            entry.problem = entry.problem or str(error)
    if kind == "runner_on_start":
        entry.task = str(data.get("task", ""))
    elif str(kind).startswith("runner_on_"):
        entry.task = ""
    if kind == "runner_on_ok":
        entry.seen = True
        entry.at = time.time()
        entry.results[task] = result
        entry.changed = entry.changed or bool(result.get("changed"))
    elif kind in {"runner_on_failed", "runner_on_unreachable"} and not data.get("ignore_errors"):
        entry.seen = True
        entry.problem = explain(_text(result))
        entry.unreachable = kind == "runner_on_unreachable" or not _answered(result)


def printed(event: Mapping[str, Any]) -> str:
    """Give what Ansible printed at an event; of what a task returned only that it failed, and in which words.

    All else that tasks return holds the nodes' files, and is printed where the user's own Ansible is to be talkative.
    """
    text = str(event.get("stdout") or "").replace("\r\n", "\n").strip()
    result = (event.get("event_data") or {}).get("res")
    if not isinstance(result, Mapping):
        return text
    # Since 2.19 what went wrong comes before the line of the host.
    ours = (line for line in text.split("\n") if _OF_HOST.match(line))
    first = next(ours, text.partition("\n")[0]).partition(" => ")[0]
    failed = [entry for entry in (result, *_items(result)) if entry.get("failed") or entry.get("unreachable")]
    if not failed and event.get("event") in _FAILURES:
        failed = [result]
    words = [f"{key}: {entry[key]}" for entry in failed for key in _WORDS if entry.get(key)]
    return masking.without_words("\n".join([first, *words]).strip())


def _answered(result: Mapping[str, Any]) -> bool:
    """Tell whether a module ran on the host to its end and said itself that it failed.

    Otherwise it is Ansible that tells of a connection that broke, of rights that are lacking, of a full /tmp: what the
    module was at may have happened. A module's own words always have what it was called with (AnsibleModule.fail_json).
    """
    return "invocation" in result or any("invocation" in item for item in _items(result))


def _items(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Give what each turn of a loop returned."""
    items = result.get("results")
    return [item for item in items if isinstance(item, Mapping)] if isinstance(items, list) else []


def _cut_off(collected: Mapping[str, _Collected], why: str) -> None:
    """Give each host that was not through a problem, and which; what it was at may go on there."""
    for entry in collected.values():
        if not entry.problem and (entry.task or not entry.seen):
            entry.problem = why.replace("{task}", repr(entry.task or "the beginning"))
            entry.unreachable = True


def _text(result: Mapping[str, Any]) -> str:
    parts = [str(result.get(key, "")) for key in ("msg", "module_stderr", "stderr")]
    parts += [str(item.get("msg", "")) for item in _items(result) if item.get("failed")]
    return "\n".join(part for part in parts if part)


def _result(host: str, entry: _Collected) -> HostResult:
    nothing = not entry.problem and not entry.seen
    return HostResult(
        host=host,
        problem="Ansible did not run anything on this host" if nothing else entry.problem,
        unreachable=entry.unreachable or nothing,
        changed=entry.changed,
        results=entry.results,
        at=entry.at,
    )
