"""The user's own configuration of Ansible holds for all that we do: playbooks, and the line to a host."""

from __future__ import annotations

import json
import os
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from migrator.errors import InventoryError
from migrator.hosts import runner
from migrator.hosts.ansible_settings import AnsibleSettings, configured
from migrator.model.node_requests import Request

KEEPALIVE = "-o ServerAliveInterval=10 -o ServerAliveCountMax=6"
USERS = "-o ProxyJump=bastion -o StrictHostKeyChecking=yes -o UserKnownHostsFile=/k"
SSH = """#!{python}
import json, os, sys
with open("{log}", "a") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
os.environ["PATH"] = "{folder}:/usr/bin:/bin"
os.execv("/bin/sh", ["sh", "-c", sys.argv[-1]])
"""


class Some(Request):
    """A playbook of a test."""

    playbook = "some"


class Place:
    """A folder that somebody works in, with hosts behind an `ssh` that writes down how it was called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        ssh = folder / "ssh"
        ssh.write_text(SSH.format(python=sys.executable, log=self.log, folder=folder))
        ssh.chmod(0o755)
        self.python = folder / "python-of-theirs"
        self.python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
        self.python.chmod(0o755)
        (folder / "inventory").write_text("there ansible_host=192.0.2.1 ansible_become=false\n")
        tasks = [{"name": "reach", "ansible.builtin.ping": {}}]
        (folder / "some.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))

    def configure(self, defaults: str = "", ssh: str = "") -> None:
        """Write ansible.cfg."""
        (self.folder / "ansible.cfg").write_text(
            f"[defaults]\n{defaults}\n[ssh_connection]\nssh_executable = {self.folder / 'ssh'}\n"
            f"transfer_method = piped\n{ssh}\n"
        )

    @property
    def calls(self) -> list[list[str]]:
        """Give the words of each call for a host."""
        found = [json.loads(line) for line in self.log.read_text().splitlines()]
        self.log.unlink()
        return [words for words in found if "192.0.2.1" in words]


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Give one that is the present folder; nothing of this machine's own configuration counts."""
    for name in [key for key in os.environ if key.startswith("ANSIBLE_")]:
        monkeypatch.delenv(name)
    with tempfile.TemporaryDirectory() as name:
        monkeypatch.chdir(name)
        monkeypatch.setenv("HOME", name)
        yield Place(Path(name))


def play(place: Place, monkeypatch: pytest.MonkeyPatch, **words: int) -> list[list[str]]:
    """Run a playbook on the host; give the calls of ssh."""
    with monkeypatch.context() as patched:
        patched.setattr(runner.data_files, "folder", lambda _: place.folder)
        (result,) = runner.AnsibleHosts(place.folder / "inventory", **words).play(Some(), ["there"]).values()
    assert result.problem == ""
    return place.calls


def line(place: Place) -> list[list[str]]:
    """Open a line and ask; give the calls of ssh."""
    with runner.AnsibleHosts(place.folder / "inventory").line("there") as opened:
        assert opened.ask("hello")
    return place.calls


def test_what_the_user_has_configured_holds_at_both_doors(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A jump host and the check of host keys hold for playbooks and for lines; what we need comes after them.

    Their interpreter, time-out and pipelining hold too: a sudo that wants a terminal needs modules as files.
    """
    place.configure(
        f"timeout = 77\ninterpreter_python = {place.python}", f"pipelining = False\nssh_extra_args = {USERS}"
    )

    doors = {"playbook": play(place, monkeypatch), "line": line(place)}

    for door, calls in doors.items():
        assert calls, door
        for words in calls:
            told = " ".join(words)
            assert f"{USERS} {KEEPALIVE}" in told, door
            assert "ConnectTimeout=77" in told, door
            assert "StrictHostKeyChecking=no" not in told, door
        assert any(str(place.python) in words[-1] for words in calls), door
    assert any("AnsiballZ_ping.py" in words[-1] for words in doors["playbook"])


def test_the_environment_and_the_inventory_have_the_last_word(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables beat ansible.cfg, as Ansible has it; `migrator_connect_timeout` is said of us and of these hosts."""
    place.configure("timeout = 77", f"ssh_extra_args = {USERS}")
    monkeypatch.setenv("ANSIBLE_SSH_EXTRA_ARGS", "-o ServerAliveInterval=3")

    told = " ".join(play(place, monkeypatch, connect_timeout=5)[0])

    assert f"-o ServerAliveInterval=3 {KEEPALIVE}" in told  # of two values ssh takes the first
    assert "ProxyJump" not in told
    assert "ConnectTimeout=5" in told


def test_without_any_configuration_ours_holds(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keepalive, 20 seconds, one connection for each module; and host keys are checked, as Ansible does by itself."""
    place.configure()

    calls = play(place, monkeypatch)

    told = [" ".join(words) for words in calls]
    assert all(KEEPALIVE in words and "ConnectTimeout=20" in words for words in told)
    assert not any("StrictHostKeyChecking" in words for words in told)
    assert not any("AnsiballZ_ping.py" in words for words in told)


CASES = {
    "nothing": ({}, {"ANSIBLE_HOST_KEY_CHECKING": "True", "ANSIBLE_PIPELINING": "true", "ANSIBLE_TIMEOUT": "20"}, 25),
    "keys not checked": ({"HOST_KEY_CHECKING": False}, {"ANSIBLE_HOST_KEY_CHECKING": "False"}, 25),
    "keys not checked by ssh": ({"host_key_checking": False}, {"ANSIBLE_HOST_KEY_CHECKING": "False"}, 25),
    "keys checked": ({"HOST_KEY_CHECKING": True}, {"ANSIBLE_HOST_KEY_CHECKING": "True"}, 25),
    "pipelining": ({"pipelining": True}, {"ANSIBLE_PIPELINING": None}, 25),
    "an interpreter": ({"INTERPRETER_PYTHON": "auto"}, {"ANSIBLE_PYTHON_INTERPRETER": None}, 25),
    "a timeout": ({"DEFAULT_TIMEOUT": 3}, {"ANSIBLE_TIMEOUT": None, "ANSIBLE_SSH_TIMEOUT": None}, 25),
    "no arguments": ({"ssh_extra_args": ""}, {"ANSIBLE_SSH_EXTRA_ARGS": KEEPALIVE}, 25),
    "forks": ({"DEFAULT_FORKS": 100}, {}, 100),
}


@pytest.mark.parametrize(("options", "given", "forks"), CASES.values(), ids=CASES)
def test_only_what_nobody_has_set_is_set(options: dict[str, object], given: dict[str, str | None], forks: int) -> None:
    """A variable that would overrule somebody's setting is not given (None)."""
    found = AnsibleSettings(options)

    assert {name: found.environment().get(name) for name in given} == given
    assert found.forks == forks


def test_a_configuration_that_cannot_be_read_is_named(place: Place) -> None:
    """With the file and the setting, before anything is asked of a host."""
    place.configure("forks = many")

    with pytest.raises(InventoryError, match="DEFAULT_FORKS.*ansible.cfg.*invalid value"):
        configured()
