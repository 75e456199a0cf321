"""The door to Docker and to programs: a server on a socket that says what it is told to, and real programs."""

from __future__ import annotations

import json
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.test_node_modules import migrator_node, removal

NodeError = migrator_node.NodeError


@dataclass
class Docker:
    """A Docker of which a test says what it answers."""

    answers: Callable[[str, str], tuple[int, Any]] = lambda *_: (200, None)
    asked: list[str] = field(default_factory=list)

    def until_gone(self, looks: int, deletions: list[int]) -> None:
        """Have a container there for so many looks; its removal is answered by these statuses, then by 204."""

        def answer(method: str, path: str) -> tuple[int, Any]:
            nonlocal looks
            if method == "DELETE":
                return (deletions.pop(0), {"message": "busy"}) if deletions else (204, None)
            if path.startswith("/info"):
                return 200, {"DockerRootDir": "/var/lib/no-docker"}
            looks -= 1
            return 200, [] if looks < 0 else [{"Id": "a" * 64, "Labels": {}}]

        self.answers = answer


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Docker]:
    """Give one, in the place of the node's."""
    told = Docker()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            told.asked.append(f"{self.command} {self.path}")
            status, body = told.answers(self.command, self.path)
            data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815 - the names are http.server's

        def address_string(self) -> str:
            return "docker"

        def log_message(self, *_: object) -> None:
            pass

    class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Say nothing of a client that has hung up."""

    server = Server(str(tmp_path / "docker.sock"), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    monkeypatch.setattr(migrator_node, "DOCKER_SOCKET", str(tmp_path / "docker.sock"))
    monkeypatch.setattr(removal, "AGAIN_SECONDS", 0)
    yield told
    server.shutdown()
    server.server_close()
    thread.join()


def test_containers_are_asked_for_as_docker_wants_it(docker: Docker) -> None:
    """All, ended ones too; only pods' where that is asked."""
    docker.answers = lambda *_: (200, [{"Id": "a"}])

    assert migrator_node.docker_containers() == [{"Id": "a"}]
    assert migrator_node.docker_containers(kubernetes_only=True) == [{"Id": "a"}]

    first, second = (parse_qs(urlsplit(line.partition(" ")[2]).query) for line in docker.asked)
    assert first == {"all": ["true"]}
    assert {name: json.loads(words[0]) for name, words in second.items()} == {
        "all": True, "filters": {"label": ["io.kubernetes.pod.uid"]},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("status", "accept", "refused"),
    [
        (200, (), False),
        (399, (), False),
        (400, (), True),
        (404, (404,), False),
        (404, (304,), True),
        (500, (404,), True),
    ],
)
def test_what_docker_refuses_is_said(status: int, accept: tuple[int, ...], docker: Docker, *, refused: bool) -> None:
    """With the request and Docker's words, unless the status was expected."""
    docker.answers = lambda *_: (status, b" ") if status < 400 else (status, b'{"message": "no"}')

    if refused:
        with pytest.raises(NodeError, match=r'Docker refused GET /x: \{"message": "no"\}'):
            migrator_node.docker("GET", "/x?y=1", accept=accept)
    else:
        assert migrator_node.docker("GET", "/x", accept=accept) == (None if status < 400 else {"message": "no"})


def test_a_docker_that_hangs_is_not_waited_for(docker: Docker) -> None:
    """Longer than was said: the kubelet is stopped meanwhile."""
    release = threading.Event()
    docker.answers = lambda *_: (200, release.wait(20) and None)
    began = time.monotonic()

    with pytest.raises(OSError, match="timed out"):
        migrator_node.docker("GET", "/info", 0.2)

    assert time.monotonic() - began < 10
    release.set()


@pytest.mark.parametrize(
    ("looks", "deletions"), [(0, []), (1, [409]), (5, [500, 409]), (0, [404]), (2, [409, 409, 500])]
)
def test_a_removal_that_is_under_way_is_waited_for(looks: int, deletions: list[int], docker: Docker) -> None:
    """Docker is removing it already, has done so, or fails since something uses its files: it is asked again."""
    docker.until_gone(looks, deletions)

    assert removal.remove_docker_containers([{"Id": "a" * 64, "Labels": {}, "State": "exited"}], ()) == []

    assert [line for line in docker.asked if line.startswith("DELETE")] == [
        f"DELETE /containers/{'a' * 64}?force=true&v=true"
    ] * (looks + 1)


def test_a_container_that_stays_is_named(docker: Docker, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what Docker said last, after its time."""
    docker.until_gone(9**9, [500] * 10**6)
    monkeypatch.setattr(removal, "REMOVE_SECONDS", 1)

    with pytest.raises(NodeError, match=r"^Docker still has containers of Kubernetes: aaaaaaaaaaaa; Docker refused"):
        removal.remove_docker_containers([{"Id": "a" * 64, "Labels": {}, "State": "exited"}], ())


@pytest.mark.parametrize("status", [204, 304, 404, 409])
def test_one_that_has_ended_by_itself_is_no_failure(status: int, docker: Docker) -> None:
    """Nor is one that is being removed."""
    docker.answers = lambda *_: (status, None)

    assert removal.stop_containers([{"Id": "a", "Labels": {removal.GRACE: "5"}}, {"Id": "b", "Labels": {}}]) == []

    assert sorted(docker.asked) == ["POST /containers/a/stop?t=5", "POST /containers/b/stop?t=30"]


@pytest.mark.parametrize(
    ("answer", "said"), [((500, {"message": "stuck"}), "stuck"), ((200, b"{"), "Expecting property name")]
)
def test_a_container_that_does_not_stop_is_named(answer: tuple[int, Any], said: str, docker: Docker) -> None:
    """With Docker's words, whatever comes of asking."""
    docker.answers = lambda *_: answer

    with pytest.raises(NodeError, match=f"Docker does not stop 0123456789ab: .*{said}"):
        removal.stop_containers([{"Id": "0123456789abcdef", "Labels": {}}])


def test_containers_have_their_grace_and_a_while(docker: Docker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker answers when a container has ended, which may take its whole grace."""
    monkeypatch.setattr(removal, "ANSWER_SECONDS", 0.3)
    docker.answers = lambda *_: (time.sleep(1.1), (204, None))[1]

    assert removal.stop_containers([{"Id": "a", "Labels": {removal.GRACE: "1"}}]) == []
    with pytest.raises(NodeError, match="Docker does not stop b: "):
        removal.stop_containers([{"Id": "b", "Labels": {removal.GRACE: "0"}}])


# Programs.


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["sh", "-c", "echo no >&2; exit 3"], 3, "`sh -c echo no >&2; exit 3` failed: no"),
        (["sh", "-c", "echo out; exit 3"], 3, "`sh -c echo out; exit 3` failed: out"),
        (["no-such-program"], 127, "no-such-program is not installed"),
        (["/"], 126, "/ cannot be run: Permission denied"),
        (["sleep", "9"], 124, "`sleep 9` took more than 0.2 s"),
    ],
)
def test_programs_that_fail(words: list[str], code: int, said: str) -> None:
    """It is said which and why; where that is expected the code says so."""
    with pytest.raises(NodeError) as error:
        migrator_node.run(words, timeout=0.2 if words[0] == "sleep" else 20)
    assert str(error.value) == said
    assert migrator_node.run(words, timeout=0.2 if words[0] == "sleep" else 20, check=False)[0] == code


def test_programs_are_given_what_they_need(monkeypatch: pytest.MonkeyPatch) -> None:
    """Input, variables, and a PATH with root's folders, whatever sudo has left of it."""
    monkeypatch.setenv("PATH", "/somewhere")

    assert migrator_node.run(["cat"], data="text") == (0, "text", "")
    assert migrator_node.run(["sh", "-c", "echo $A $PATH"], settings={"A": "b"})[1] == (
        "b /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/bin:/snap/bin:/somewhere\n"
    )
    assert migrator_node.run(["sh", "-c", "printf '\\377'"])[1] == "�"


def test_a_program_is_over_before_its_time_is_told(tmp_path: Path) -> None:
    """One that took too long is ended."""
    migrator_node.run(["sh", "-c", f"sleep 1; touch {tmp_path}/late"], timeout=0.2, check=False)

    time.sleep(1.2)
    assert list(tmp_path.iterdir()) == []
