"""The door to hosts: real Ansible against this machine, and what it makes of failures."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from migrator.hosts import runner
from migrator.model.node_requests import Inspect, Request

SAID = {
    "Module result deserialization failed: No start of json char found": "the connection was lost",
    "Module result deserialization failed: x: FileNotFoundError: No usable temporary directory found in ['/tmp']": "the host has no room",
    "Failed to connect to the host via ssh: u@h: Permission denied (publickey).": "SSH refuses the key or the user",
    "Task failed: Missing sudo password": "the user may not use sudo without a password",
    "Timeout (22s) waiting for privilege escalation prompt": "the host does not answer, or its sudo hangs",
    "ssh: Could not resolve hostname h: Name or service not known": "the name does not resolve",
    "ssh: connect to host h port 22: Connection refused": "nothing listens for SSH there",
    "ssh: connect to host h port 22: Connection timed out": "the host does not answer",
}


class Some(Request):
    """A playbook of a test."""

    playbook = "some"


@pytest.mark.parametrize(("text", "advice"), SAID.items(), ids=SAID.values())
def test_a_failure_says_what_to_do(text: str, advice: str) -> None:
    """The advice comes first, then the cause in Ansible's words."""
    told = runner.explain(text)

    assert told.startswith(advice)
    assert text.rsplit(": ", maxsplit=1)[-1] in told


def test_an_unknown_failure_is_passed_on_in_one_line() -> None:
    """Long and wrapped texts become one readable paragraph."""
    assert runner.explain("first\n  second") == "first second"
    told = runner.explain(f"`apt-get install` failed: {'W: a warning ' * 500} E: the reason")
    assert (told[:26], told[-13:], len(told) < 600) == ("`apt-get install` failed: ", "E: the reason", True)
    assert runner.explain("") == "Ansible gave no reason"


def test_a_host_that_is_not_there_gets_a_result(tmp_path: Path) -> None:
    """Every host asked for has an answer, an unreachable one its problem."""
    path = tmp_path / "inventory.yml"
    path.write_text("all: {hosts: {gone: {ansible_host: 127.0.0.1, ansible_port: 1}}}\n")

    (result,) = runner.AnsibleHosts(path, connect_timeout=5).play(Inspect(), ["gone"]).values()

    assert result.host == "gone"
    assert "nothing listens for SSH there" in result.problem


def test_a_playbook_that_hangs_is_given_up(tmp_path: Path) -> None:
    """After its time, with what it was at; what it does on the host may go on, as after a lost connection."""
    path = tmp_path / "inventory.yml"
    # Somebody who accepts connections and never says a word.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        path.write_text(f"all: {{hosts: {{mute: {{ansible_host: 127.0.0.1, ansible_port: {port}}}}}}}\n")
        hosts = runner.AnsibleHosts(path, connect_timeout=600, limits={"inspect": 3})

        (result,) = hosts.play(Inspect(), ["mute"]).values()

    assert result.unreachable
    assert result.problem.endswith("after 3 s; it is not waited for any longer")


def test_what_each_task_returned_is_heard_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a loop one by one, and the loop as a whole only among the results; a skipped one says nothing."""
    (tmp_path / "inventory.yml").write_text("all: {hosts: {here: {ansible_connection: local}}}\n")
    tasks = [
        {"name": "alone", "ansible.builtin.debug": {"msg": "one"}},
        {"name": "looped", "ansible.builtin.debug": {"msg": "{{ item }}"}, "loop": ["two", "three"]},
        {"name": "empty", "ansible.builtin.debug": {"msg": "{{ item }}"}, "loop": []},
    ]
    (tmp_path / "some.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    monkeypatch.setattr(runner.data_files, "folder", lambda _: tmp_path)
    heard: list[tuple[str, str]] = []

    (result,) = (
        runner.AnsibleHosts(tmp_path / "inventory.yml")
        .play(Some(), ["here"], lambda task, said: heard.append((task, said["msg"])))
        .values()
    )

    assert heard == [("alone", "one"), ("looped", "two"), ("looped", "three")]
    assert [entry["msg"] for entry in result.results["looped"]["results"]] == ["two", "three"]


def test_an_answer_that_makes_no_sense_is_that_hosts_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever hears it may stumble: the play goes on, the host has a problem, and others have theirs alone."""
    (tmp_path / "inventory.yml").write_text(
        "all: {hosts: {odd: {ansible_connection: local}, good: {ansible_connection: local}}}\n"
    )
    tasks = [{"name": "say", "ansible.builtin.debug": {"msg": "{{ inventory_hostname }}"}}]
    (tmp_path / "some.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    monkeypatch.setattr(runner.data_files, "folder", lambda _: tmp_path)

    def heard(_: str, said: Mapping[str, Any]) -> None:
        if said["msg"] == "odd":
            raise KeyError("carried")

    found = runner.AnsibleHosts(tmp_path / "inventory.yml").play(Some(), ["odd", "good"], heard)

    assert found["odd"].problem == "what it answered makes no sense: KeyError('carried')"
    assert not found["odd"].unreachable
    assert (found["good"].problem, found["good"].results["say"]["msg"]) == ("", "good")


def test_an_interrupt_waits_for_the_step_in_hand(tmp_path: Path) -> None:
    """Ctrl-C during a playbook lets it end, then is raised; and the usual handler is back afterwards."""
    path = tmp_path / "inventory.yml"
    path.write_text("all: {hosts: {gone: {ansible_host: 127.0.0.1, ansible_port: 1}}}\n")
    before = signal.getsignal(signal.SIGINT)
    timer = threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()

    with pytest.raises(KeyboardInterrupt):
        runner.AnsibleHosts(path, connect_timeout=5).play(Inspect(), ["gone"])

    timer.join()
    assert signal.getsignal(signal.SIGINT) is before
