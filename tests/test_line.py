"""The line to a host, through real Ansible with its local connection: programs start, streams are whole, all ends."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from migrator import data_files
from migrator.errors import HostUnreachableError
from migrator.hosts import HostSession
from migrator.hosts.runner import AnsibleHosts
from migrator.hosts.session import opened, witness_source
from migrator.hosts.session_cache import SessionCache
from tests.fakes.hosts import FakeHosts
from tests.fakes.line import FakeLine

WITNESS = """
import json, os, sys, time
for line in sys.stdin:
    asked = json.loads(line)
    question, answer = asked["question"], {"id": asked["id"], "answer": asked["words"]}
    if question == "refuse":
        answer = {"id": asked["id"], "problem": "the witness will not"}
    elif question == "die":
        sys.stderr.write("it was too much\\n")
        sys.exit(3)
    elif question == "sleep":
        time.sleep(1)
    elif question == "babble":
        answer = "babble"
    elif question == "who":
        answer["answer"] = os.getpid()
    print(json.dumps(answer), flush=True)
"""
BIG = 5_000_000

Service = Callable[[socket.socket], None]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Give a folder whose name is short enough for Unix sockets, with an inventory and the programs for the host."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        host = {"ansible_connection": "local", "ansible_become": "false", "ansible_python_interpreter": sys.executable}
        (folder / "inventory").write_text(
            f"here {' '.join(f'{key}={value}' for key, value in host.items())}\ngone ansible_host=127.0.0.1 ansible_port=1\n"
        )
        shutil.copy(data_files.folder("roles") / "line" / "files" / "relay.py", folder)
        (folder / "witness.py").write_text(WITNESS)
        yield folder


def hosts(folder: Path) -> AnsibleHosts:
    """Give the door to them."""
    return AnsibleHosts(folder / "inventory", connect_timeout=5, programs=folder)


@pytest.fixture(scope="module")
def line(folder: Path) -> Iterator[HostSession]:
    """Give a line to this machine."""
    with hosts(folder).line("here") as line:
        yield line


def echo(connection: socket.socket) -> None:
    """Send everything back until the other side has ended."""
    while chunk := connection.recv(65536):
        connection.sendall(chunk)


def hang_up(connection: socket.socket) -> None:
    """Answer once, then close."""
    connection.sendall(connection.recv(100))


def serve(path: Path, service: Service) -> str:
    """Serve on a Unix socket until the tests end; give its path."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(16)

    def one(connection: socket.socket) -> None:
        with connection:
            service(connection)

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return str(path)


def connected(line: HostSession, path: str) -> socket.socket:
    """Connect as gRPC would."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(20)
    connection.connect(line.socket(path).removeprefix("unix:"))
    return connection


def sent_back(line: HostSession, path: str, data: bytes) -> str:
    """Send data, end the sending, and give the checksum of what came back."""
    with connected(line, path) as connection, ThreadPoolExecutor(1) as sender:
        sending = sender.submit(lambda: (connection.sendall(data), connection.shutdown(socket.SHUT_WR)))
        came = b"".join(iter(lambda: connection.recv(65536), b""))
        sending.result()
    return hashlib.sha256(came).hexdigest()


@pytest.fixture(scope="module")
def echoing(folder: Path) -> str:
    """Give the socket of a service that sends everything back."""
    return serve(folder / "echo", echo)


def test_a_question_has_its_answer(line: HostSession) -> None:
    """Words of any size come to the witness and its answer comes back."""
    words = {"text": "ü" * 300_000, "list": [1, {"a": None}]}

    assert line.ask("repeat", **words) == words


FAILURES = {
    "refuse": "here: the witness will not",
    "die": "here: the program that migrator runs there ended with status 3: it was too much",
    "babble": 'here: what came back for "babble" is not the witness\'s answer: "babble"',
    "sleep": 'here: no answer to "sleep" within 0.3 s: is the host overloaded, or the connection to it cut?',
}


@pytest.mark.parametrize(("question", "said"), FAILURES.items(), ids=FAILURES)
def test_what_goes_wrong_is_told_and_the_next_question_is_answered(line: HostSession, question: str, said: str) -> None:
    """Whatever a question does to the witness is one error that names the host; later questions have another witness."""
    with pytest.raises(HostUnreachableError) as caught:
        line.ask(question, deadline=0.3 if question == "sleep" else 20)

    assert str(caught.value) == said
    assert line.ask("repeat", still="there") == {"still": "there"}


def test_many_may_ask_at_once(line: HostSession) -> None:
    """Each of several threads has the answer to its own question."""
    with ThreadPoolExecutor(8) as several:
        answers = several.map(lambda number: line.ask("repeat", number=number), range(40))

        assert [answer["number"] for answer in answers] == list(range(40))


def test_a_stream_is_whole_both_ways(line: HostSession, echoing: str) -> None:
    """Of 5 MB through a socket of the host every byte comes back, and the end with them."""
    data = os.urandom(BIG)

    assert sent_back(line, echoing, data) == hashlib.sha256(data).hexdigest()
    assert not line.lost(echoing)


def test_several_connections_are_kept_apart(line: HostSession, echoing: str) -> None:
    """Connections to one socket at the same time do not mix, and all have one address."""
    several = [os.urandom(200_000 + number) for number in range(4)]

    with ThreadPoolExecutor(4) as senders:
        came = list(senders.map(lambda data: sent_back(line, echoing, data), several))

    assert came == [hashlib.sha256(data).hexdigest() for data in several]
    assert line.socket(echoing) == line.socket(echoing)


def test_a_service_that_hangs_up_is_told(line: HostSession, folder: Path) -> None:
    """A connection that the service ends while we still want it ends here too, and the reason is kept."""
    path = serve(folder / "short", hang_up)
    with connected(line, path) as connection:
        connection.sendall(b"once")

        assert connection.recv(10) == b"once"
        assert connection.recv(10) == b""
    assert line.lost(path) == f"here: what listens at {path} closed the connection"


NOWHERE = {
    "absent": "{path} does not exist: is the runtime running, and is this its socket?",
    "stale": "nobody listens at {path}: the service that made it is gone",
}


@pytest.mark.parametrize(("name", "said"), NOWHERE.items(), ids=NOWHERE)
def test_a_socket_that_nobody_serves_is_told(line: HostSession, folder: Path, name: str, said: str) -> None:
    """The connection ends at once, and why is told as it is on the host."""
    path = folder / name
    if name == "stale":
        with socket.socket(socket.AF_UNIX) as gone:
            gone.bind(str(path))

    with connected(line, str(path)) as connection, suppress(ConnectionError):
        assert connection.recv(10) == b""
    assert line.lost(str(path)) == "here: " + said.format(path=path)


def test_a_line_that_rests_has_ended_what_ran_there(line: HostSession, echoing: str) -> None:
    """The witness is gone when that returns, because its locks go with it; afterwards everything works as before."""
    first, address = line.ask("who"), line.socket(echoing)

    line.rest()

    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)
    with pytest.raises(OSError), socket.socket(socket.AF_UNIX) as connection:  # noqa: PT011 - refused, or not there
        connection.connect(address.removeprefix("unix:"))
    assert line.ask("who") != first
    assert sent_back(line, echoing, b"again") == hashlib.sha256(b"again").hexdigest()


def test_a_kept_line_is_opened_once() -> None:
    """It is the same in each use, at rest in between, and closed at the end."""
    fake = FakeLine({"hello": {}})
    kept = SessionCache(FakeHosts({}, {"here": fake}))

    for uses in (1, 2, 3):
        with kept.line("here"):
            assert (fake.opened, fake.rested) == (1, uses - 1)
    kept.close()

    assert (fake.opened, fake.closed, fake.rested) == (1, 1, 3)


def test_a_kept_line_that_does_not_answer_is_opened_anew() -> None:
    """The host may have been rebooted; one that cannot be reached then has no line, and may have one later."""
    fake = FakeLine({"hello": HostUnreachableError("here: the connection to here was lost")})
    hosts = FakeHosts({}, {"here": fake})
    kept = SessionCache(hosts)
    for _ in range(2):
        with kept.line("here"):
            pass
    assert (fake.opened, fake.closed) == (2, 1)

    hosts.lines = {}
    with pytest.raises(HostUnreachableError), kept.line("here"):
        pass  # pragma: no cover
    hosts.lines = {"here": fake}
    with kept.line("here"):
        assert (fake.opened, fake.closed) == (3, 2)


def test_a_host_that_is_not_there_has_no_line(folder: Path) -> None:
    """Why there is no line is said as for any playbook, with the host's name."""
    with (
        pytest.raises(
            HostUnreachableError, match=r"gone: nothing listens for SSH there: check ansible_host and ansible_port"
        ),
        hosts(folder).line("gone"),
    ):
        pass  # pragma: no cover


def test_an_interrupt_while_opening_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C before the host was reached ends Ansible and removes the folder of the line."""
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job has it ignored
    timer = threading.Timer(0.7, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()

    with pytest.raises(KeyboardInterrupt), hosts(folder).line("here"):
        time.sleep(20)

    timer.join()
    signal.signal(signal.SIGINT, before)
    assert_gone(folder / "migrator-")
    assert not list(folder.glob("migrator-*"))


def test_killed_it_leaves_nothing(folder: Path) -> None:
    """When migrator is killed without a chance to clean up, its Ansible, its programs and its folder go by themselves."""
    script = (
        "import sys, pathlib\n"
        "from migrator.hosts.runner import AnsibleHosts\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        'with AnsibleHosts(folder / "inventory", programs=folder).line("here") as line:\n'
        '    print(line.ask("who"), line.socket("/").removeprefix("unix:"), flush=True)\n'
        "    sys.stdin.read()\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout
        pid, address = child.stdout.readline().split()
        ours = Path(address).parent
        assert int(pid) in mentioning(ours)
        child.kill()

    assert_gone(ours)
    assert not ours.exists()


def test_the_witness_is_the_sum_of_its_parts(tmp_path: Path) -> None:
    """Its parts come in the order of their names, the one that starts it last."""
    for name in ("witness", "witness_b", "witness_a", "relay"):
        (tmp_path / f"{name}.py").write_text(name)

    assert witness_source(tmp_path) == b"witness_a\nwitness_b\nwitness"


def assert_gone(folder: Path) -> None:
    """Check that the processes of a line end: those that were killed take a moment, and Ansible's own notice by polling."""
    until = time.monotonic() + 60
    while mentioning(folder) and time.monotonic() < until:
        time.sleep(0.05)
    assert not mentioning(folder)


def mentioning(folder: Path) -> list[int]:
    """Give the processes that inherited the folder's name from the Ansible of a line."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if str(folder).encode() in (path / "environ").read_bytes():
                found.append(int(path.name))
    return found


def test_a_host_that_hangs_is_given_up(folder: Path) -> None:
    """Ansible has not reached it in time: that is said, and the playbook is ended."""
    ended = threading.Event()

    def never(_: Path, stop: Callable[[], bool]) -> str:
        while not stop():
            time.sleep(0.05)
        ended.set()
        return ""

    with (
        pytest.raises(HostUnreachableError, match="here: Ansible did not reach it within 0 s"),
        opened("here", never, folder, seconds=0),
    ):
        pass

    assert ended.is_set()
