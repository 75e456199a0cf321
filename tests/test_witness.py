"""The witness as one program: what it is made of, how it answers, what it holds and gives back."""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import socket
import stat
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from tests.witness_parts import PARTS, Witness, joined, put

QUESTIONS = {
    "hello", "host", "view", "pids", "counters", "interface", "mounted", "shared_memory", "shared_memory_end", "connect",
    "limit_processes", "left", "import_image", "remove_image", "image_space", "start_runtime", "stop_runtime", "sessions",
    "lock", "log", "journal",
}  # fmt: skip


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the program as a file."""
    path = tmp_path_factory.mktemp("witness") / "program.py"
    path.write_text(joined())
    return path


@pytest.fixture
def witness(program: Path) -> Iterator[Witness]:
    """Give one that runs."""
    running = Witness([sys.executable, program])
    yield running
    running.process.kill()
    running.end()


def defined(path: Path) -> list[str]:
    """Name what a part puts into the one namespace, but for its imports."""
    found = []
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.append(node.name)
        elif isinstance(node, ast.Assign):
            found += [target.id for target in node.targets if isinstance(target, ast.Name)]
    return found


def test_every_name_belongs_to_one_part() -> None:
    """Joined, a second definition would replace the first."""
    counted = Counter(name for path in PARTS for name in defined(path))

    assert [name for name, times in counted.items() if times > 1] == []


def test_parts_import_only_parts_before_them() -> None:
    """Joined, a later part does not exist yet."""
    known: set[str] = set()
    for path in PARTS:
        modules = {node.module for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)}
        assert {name for name in modules if name and name.startswith("witness")} <= known, path.name
        known.add(path.stem)
        if path.stem != "witness":
            own, shared = f'\npart("{path.stem}", globals())\n', f'["part"]("{path.stem}", globals())\n'
            assert path.read_text().endswith(shared if path.is_symlink() else own)


def test_it_answers_every_question_of_the_sessions(witness: Witness) -> None:
    """A name that is unknown is a problem, not an end; so is a line that is no question."""
    hello = witness.ask("hello")
    assert (hello["hostname"], hello["machine"]) == (os.uname().nodename, os.uname().machine)
    assert set(hello) == {"python", "machine", "hostname", "boot", "now"}

    for name in sorted(QUESTIONS - {"hello", "host", "sessions", "shared_memory_end", "left"}):
        assert "missing" in witness.problem(name), name
    assert "'dance' is unknown" in witness.problem("dance")
    for line in (
        "{",
        "[]",
        "null",
        '"x"',
        "{}",
        '{"id": 3}',
        '{"id": 3, "question": ["x"]}',
        '{"question": "view", "words": 3}',
    ):
        assert "problem" in witness.send(line), line
    assert witness.send('{"id": 3, "question": "view", "words": {"pid": "../.."}}')["id"] == 3
    assert "there is no process 0" in witness.problem("view", pid=0)
    assert "TypeError" in witness.problem("left", ids=[3])
    assert witness.end() == 0


def test_a_session_is_alone_on_a_node(program: Path, witness: Witness, tmp_path: Path) -> None:
    """Who holds the node is named; a witness that ended, or was killed, holds nothing."""
    folder = {"at": str(tmp_path)}
    other, third = Witness([sys.executable, program]), Witness([sys.executable, program])
    assert witness.ask("lock", session="first", who="anna on desk-1", **folder) == {}
    assert witness.ask("lock", session="first", who="anna on desk-1", **folder) == {}

    said = other.ask("lock", session="second", who="bob", **folder)["holder"]
    assert re.search(r"anna on desk-1 has been probing this node since 2\d{3}-.* UTC \(session first\)", said)
    witness.process.send_signal(signal.SIGKILL)
    witness.process.wait()
    assert other.ask("lock", session="second", who="bob", **folder) == {}
    other.end()
    assert list((tmp_path / "run/migrator").iterdir()) == []
    assert third.ask("lock", session="third", who="carl", **folder) == {}
    third.end()
    assert stat.S_IMODE((tmp_path / "run/migrator").stat().st_mode) == 0o700


@pytest.mark.parametrize("hostile", ["a link", "everybody's"])
def test_nobody_else_can_hold_a_node(witness: Witness, tmp_path: Path, hostile: str) -> None:
    """The lock lies where only root may make files; a folder that others made is refused, and not waited for."""
    (tmp_path / "run").mkdir()
    if hostile == "a link":
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "run/migrator").symlink_to(tmp_path / "elsewhere")
    else:
        (tmp_path / "run/migrator").mkdir()
        (tmp_path / "run/migrator").chmod(0o777)

    said = witness.problem("lock", session="first", who="anna", at=str(tmp_path))

    assert "is not a folder that only root may write to" in said


def segments() -> set[int]:
    """List the keys of this host's shared memory."""
    rows = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    return {int(row.split()[0]) for row in rows}


@pytest.mark.parametrize("how", ["asked", "input ended", "terminated"])
def test_shared_memory_goes_with_the_witness(witness: Witness, tmp_path: Path, how: str) -> None:
    """The segment is there with its key, the file too; both are gone, whatever ended the witness."""
    key = 0x4D000000 + os.getpid()
    root = put(tmp_path, {"/dev/shm/other": ""})  # noqa: S108 - below a folder of the test

    made = witness.ask("shared_memory", key=key, size=8192, at=root)

    assert Path(root + made["file"]).exists()
    assert key in segments()
    assert key in witness.ask("segments")
    assert "File exists" in witness.problem("shared_memory", key=key, size=8192, at=root)
    if how == "asked":
        witness.ask("shared_memory_end")
    elif how == "terminated":
        witness.process.terminate()
        witness.process.wait(20)
    else:
        witness.end()
    assert key not in segments()
    assert [path.name for path in (tmp_path / "dev/shm").iterdir()] == ["other"]
    if how == "input ended":
        witness.process.stdin = witness.process.stdout = open(os.devnull)  # noqa: SIM115, PTH123 - closed by the fixture


def test_what_the_other_end_says_is_one_line(witness: Witness) -> None:
    """At most 200 bytes of the first line; a refused connection is an answer with the kernel's word for it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def talk() -> None:
            for text in (b"pod-a\nmore", b"x" * 300):
                connection, _ = server.accept()
                with connection:
                    connection.sendall(text)

        thread = Thread(target=talk)
        thread.start()
        said = [witness.ask("connect", address="127.0.0.1", port=port, seconds=5)["said"] for _ in range(2)]
        thread.join()

    assert said == ["pod-a", "x" * 200]
    refused = witness.ask("connect", address="127.0.0.1", port=port, seconds=5)
    assert refused == {"connected": False, "said": "", "error": "ECONNREFUSED"}


def test_only_logs_of_pods_are_read(witness: Witness, tmp_path: Path) -> None:
    """The end of one, "" for one that is not there, a problem for anything else; a link of Docker's is followed."""
    root = put(tmp_path, {"/docker/x-json.log": "0123456789", "/etc/shadow": "secret", "/var/log/pods/p/y": ""})
    (tmp_path / "var/log/pods/p/0.log").symlink_to(tmp_path / "docker/x-json.log")

    assert witness.ask("log", path="/var/log/pods/p/0.log", bytes=4, at=root) == "6789"
    assert witness.ask("log", path="/var/log/pods/p/1.log", at=root) == ""
    for path in ("/etc/shadow", "/var/log/pods/../../../etc/shadow", "/var/log/pods"):
        assert "is no log of a pod" in witness.problem("log", path=path, at=root)
    assert "is no name of a unit" in witness.problem("journal", unit="--help")


def test_interfaces_are_known_by_number(witness: Witness, tmp_path: Path) -> None:
    """As the inside of a pod knows the other end of its own."""
    root = put(tmp_path, {"/sys/class/net/eth0/ifindex": "2\n", "/sys/class/net/veth1/ifindex": "22\n"})

    assert [witness.ask("interface", index=index, at=root) for index in (2, 22, 222)] == ["eth0", "veth1", ""]


def test_big_answers_are_one_line(witness: Witness) -> None:
    """A whole host fits; it has what a HostView has."""
    from migrator.model.evidence import HostView

    told = HostView.model_validate(witness.ask("host", free=["/", "/no/such/folder"]))

    assert told.hostname == os.uname().nodename
    assert set(told.free) == {"/"}
    assert told.raw.files["/proc/meminfo"].startswith("MemTotal")
    assert told.raw.files["status"]
    assert json.dumps(told.model_dump(mode="json"))
