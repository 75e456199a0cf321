"""Docker is stopped only when nobody uses it at that moment; who does is told, and nothing fails."""

from __future__ import annotations

import http.client
import importlib
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from migrator.engine.executor import apply
from migrator.hosts import HostResult
from tests.fakes.values import situation
from tests.test_apply import World
from tests.test_node_modules import load

users = importlib.import_module("ansible.module_utils.migrator_docker_users")
shared = importlib.import_module("ansible.module_utils.migrator_node")
docker_stop = load("docker", "docker_stop")


class ExitError(Exception):
    """The module ended."""


@dataclass
class Machine:
    """A node on which Docker runs."""

    said: list[str] = field(default_factory=list)
    """What systemd was asked to change."""
    containers: list[dict[str, Any]] | Exception = field(default_factory=list)
    processes: Sequence[Sequence[str]] = ()
    properties: str = ""
    sockets: str = ""
    known: tuple[str, ...] = ("docker.socket", "docker.service")
    active: set[str] = field(default_factory=lambda: {"docker.socket", "docker.service"})
    enabled: set[str] = field(default_factory=lambda: {"docker.socket", "docker.service"})
    restarted: bool = False

    def run(self, argv: list[str], *, check: bool = True, **_: Any) -> tuple[int, str, str]:
        """Answer a command."""
        match argv:
            case ["systemctl", "cat", unit]:
                return int(unit not in self.known), "", ""
            case ["systemctl", "is-enabled", unit]:
                return int(unit not in self.enabled), "enabled\n" if unit in self.enabled else "disabled\n", ""
            case ["systemctl", "show", *_]:
                return 0, self.properties, ""
            case ["systemctl", "disable", "--now", "--quiet", unit]:
                self.said.append(unit)
                self.enabled.discard(unit)
                if not self.restarted:
                    self.active.discard(unit)
                return 0, "", ""
            case ["ss", *_]:
                if self.sockets == "none" and check:
                    raise users.NodeError("ss is not installed")
                return 0, self.sockets, ""
        raise AssertionError(argv)

    def docker_containers(self) -> list[dict[str, Any]]:
        """Answer for Docker."""
        if isinstance(self.containers, Exception):
            raise self.containers
        return self.containers

    def __call__(self, *, check_mode: bool = False) -> dict[str, Any]:
        """Run the module; give what it says."""
        given: dict[str, Any] = {}

        class Module:
            def __init__(self, **_: Any) -> None:
                self.check_mode = check_mode

            def exit_json(self, **said: Any) -> None:
                given.update(said)
                raise ExitError

            def fail_json(self, **said: Any) -> None:
                given.update(said, failed=True)
                raise ExitError

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(users, "docker_containers", self.docker_containers)
            patch.setattr(shared, "run", self.run)
            for module in (users, docker_stop):
                patch.setattr(module, "run", self.run)
                patch.setattr(module, "unit_active", lambda unit: unit in self.active)
                patch.setattr(module, "command_lines", lambda: iter(self.processes))
            patch.setattr(docker_stop, "AnsibleModule", Module)
            with pytest.raises(ExitError):
                docker_stop.main()
        return given


def container(name: str, state: str = "running", **update: Any) -> dict[str, Any]:
    """Give a container as Docker lists it."""
    return {"Id": "0123456789abcdef", "Names": [f"/{name}"], "State": state} | update


def unix(path: str, number: int, peer: int, program: str, state: str = "ESTAB") -> str:
    """Write a line of ss(8)."""
    programs = f'users:(("{program}",pid=7,fd=3))' if program else ""
    return f"u_str {state} 0      0      {path} {number}            * {peer} {programs}\n"


def tcp(local: str, peer: str, program: str, state: str = "ESTAB") -> str:
    """Likewise for TCP."""
    return f'tcp   {state} 0      128          {local}    {peer} users:(("{program}",pid=7,fd=8))\n'


def connection(program: str, server: str = "dockerd", path: str = "/run/docker.sock") -> str:
    """Give both ends of a connection to Docker."""
    return unix(path, 20, 10, server) + unix("*", 10, 20, program)


LISTENS = tcp("0.0.0.0:2375", "0.0.0.0:*", "dockerd", "LISTEN")
USED: Mapping[str, tuple[Machine, str]] = {
    "a container": (Machine(containers=[container("ci")]), "containers run in it: ci"),
    "one that is paused": (Machine(containers=[container("ci", "paused")]), "ci"),
    "one that starts again and again": (Machine(containers=[container("ci", "restarting")]), "ci"),
    "one of Kubernetes": (Machine(containers=[container("k8s_web", Labels={"io.kubernetes.pod.uid": "u"})]), "k8s_web"),
    "one without a name": (Machine(containers=[container("", Names=None)]), "0123456789ab"),
    "one that has outlived Docker": (Machine(active=set(), processes=[("/usr/bin/containerd-shim-runc-v2", "-namespace", "moby", "-id", "0123456789abcdef")]), "0123456789ab"),
    "the same, of containerd's first kind": (Machine(active=set(), processes=[("containerd-shim", "-namespace", "moby", "-workdir", "/x/moby/0123456789abcdef")]), "0123456789ab"),
    "the same, before 18.09": (Machine(active=set(), processes=[("docker-containerd-shim", "0123456789abcdef", "/var/run/docker/libcontainerd/x", "docker-runc")]), "0123456789ab"),
    "a unit that stops with it": (Machine(properties="RequiredBy=backup.service\nBoundBy=\n"), "units need it: backup.service"),
    "a unit that is bound to it": (Machine(properties="BoundBy=a.service\n\nConsistsOf=b.service\n"), "a.service, b.service"),
    "a unit that needs it at its start": (Machine(properties="RequisiteOf=a.service\n"), "a.service"),
    "a unit that keeps it up": (Machine(properties="UpheldBy=a.service\n"), "a.service"),
    "a timer, beside a socket of the user's": (Machine(properties="TriggeredBy=docker-tcp.socket night.timer\n"), "units need it: night.timer"),
    "a timer of its own": (Machine(properties="TriggeredBy=docker.socket docker.timer\n"), "docker.timer"),
    "a program": (Machine(sockets=connection("dockerbuild")), "programs are connected to it: dockerbuild"),
    "a program, by the old path": (Machine(sockets=connection("agent", path="/var/run/docker.sock")), "agent"),
    "a program, by another path": (Machine(sockets=connection("agent", path="/srv/d.sock")), "agent"),
    "a program that nobody may see": (Machine(sockets=unix("/run/docker.sock", 20, 10, "dockerd")), "somebody at * 10"),
    "a program of this host by TCP": (Machine(sockets=LISTENS + tcp("127.0.0.1:2375", "127.0.0.1:40000", "dockerd") + tcp("127.0.0.1:40000", "127.0.0.1:2375", "ci")), "ci"),
    "somebody elsewhere": (Machine(sockets=LISTENS + tcp("[::ffff:10.0.0.1]:2375", "[::ffff:10.0.0.9]:40000", "dockerd")), "10.0.0.9"),
    "a Docker that does not answer": (Machine(containers=OSError("no answer")), "whether containers run in it is not known: Docker does not tell"),
    "a Docker that answers badly": (Machine(containers=http.client.BadStatusLine("x")), "is not known"),
    "a Docker that answers nonsense": (Machine(containers=[{}]), "is not known"),
    "connections that cannot be seen": (Machine(sockets="none"), "whether programs are connected to it is not known: ss is not installed"),
    "several": (Machine(containers=[container("ci")], properties="RequiredBy=a.service\n"), "units need it: a.service"),
}  # fmt: skip


@pytest.mark.parametrize(("machine", "said"), USED.values(), ids=USED)
def test_a_docker_that_is_used_is_left_as_it_is(machine: Machine, said: str) -> None:
    """Running and enabled; that is told, and is no failure."""
    before = (set(machine.active), set(machine.enabled))

    given = machine()

    assert any(said in why for why in given["kept"])
    assert (given["changed"], given.get("failed"), machine.said) == (False, None, [])
    assert (machine.active, machine.enabled) == before


UNUSED: Mapping[str, Machine] = {
    "nobody": Machine(),
    "containers that stand": Machine(containers=[container(state, state) for state in ("created", "exited", "dead")]),
    "other runtimes' containers": Machine(active=set(), processes=[("containerd-shim-runc-v2", "-namespace", "k8s.io", "-id", "a"), ("bash", "-namespace", "moby")]),
    "units that only want it": Machine(properties="RequiredBy=\nTriggeredBy=docker.socket\nRequisiteOf=\n"),
    "targets": Machine(properties="RequiredBy=multi-user.target docker.service\n\nRequiredBy=sockets.target\n"),
    "the kubelet, which asked once": Machine(sockets=connection("kubelet")),
    "Docker itself": Machine(sockets=connection("dockerd", path="/var/run/docker/metrics.sock")),
    "Docker as a client": Machine(sockets=connection("dockerd", "containerd", "/run/containerd/containerd.sock")),
    "Docker pulling": Machine(sockets=LISTENS + tcp("10.0.0.1:40000", "192.0.2.1:443", "dockerd")),
    "other programs' connections": Machine(sockets="Netid State Recv-Q\n" + connection("a", "b", "/run/dbus/socket") + tcp("1.2.3.4:22", "1.2.3.5:2375", "sshd") + "odd\n"),
    "a socket that nobody uses": Machine(sockets=unix("/run/docker.sock", 20, 0, "dockerd", "LISTEN")),
}  # fmt: skip


@pytest.mark.parametrize("machine", UNUSED.values(), ids=UNUSED)
def test_a_docker_that_nobody_uses_is_stopped(machine: Machine) -> None:
    """And disabled, the socket first: it would start the service again."""
    given = machine()

    assert (given["kept"], given["changed"]) == ([], True)
    assert machine.said == ["docker.socket", "docker.service"]
    assert (machine.active, machine.enabled) == (set(), set())


def test_sockets_of_the_users_stop_with_docker() -> None:
    """The first connection would start it again; its own socket and service follow."""
    units = {"docker-tcp.socket", "docker.socket", "docker.service"}
    machine = Machine(properties="TriggeredBy=docker.socket docker-tcp.socket\n", active=set(units), enabled=set(units))

    given = machine()

    assert (given["kept"], given["changed"]) == ([], True)
    assert machine.said == ["docker-tcp.socket", "docker.socket", "docker.service"]
    assert (machine.active, machine.enabled) == (set(), set())


def test_a_docker_that_stands_is_nothing_to_do() -> None:
    """Nor one that was never installed; one without units cannot be stopped by us."""
    assert Machine(active=set(), enabled=set())() == {"changed": False, "kept": []}
    assert Machine(known=())() == {"changed": False, "kept": []}
    unmanaged = Machine(known=(), processes=[("/usr/local/bin/dockerd",)])()
    assert unmanaged == {"changed": False, "kept": ["it runs, and systemd has no unit docker.service"]}


def test_a_check_changes_nothing() -> None:
    """It says what would be."""
    machine = Machine()

    assert machine(check_mode=True) == {"changed": True, "kept": []}
    assert machine.said == []


def test_a_docker_that_does_not_stay_stopped_is_a_failure() -> None:
    """Somebody starts it again at once; the message says so."""
    given = Machine(restarted=True)()

    assert given["failed"]
    assert "started it again: docker.socket, docker.service" in given["msg"]


def test_real_connections_are_read() -> None:
    """By ss(8), as it is here: an accepted connection of a process, and who is at its other end."""
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        path = f"/tmp/migrator-test-{os.getpid()}.sock"  # noqa: S108 - a path as short as sockets want it
        server.bind(path)
        try:
            server.listen(1)
            client.connect(path)
            accepted, _ = server.accept()
            with accepted:
                try:
                    shown = users.run(["ss", "-xtanp"])[1]
                except users.NodeError:
                    pytest.skip("there is no ss")
        finally:
            Path(path).unlink()
    rows = [row for row in map(users._socket, shown.splitlines()) if row]  # noqa: SLF001
    (server_side,) = [row for row in rows if row[0] == "ESTAB" and row[1].startswith(f"{path} ")]
    (client_side,) = [row for row in rows if row[1] == server_side[2]]

    assert client_side[1].startswith("* ")
    assert client_side[3] == server_side[3] != []


def test_a_docker_in_a_container_is_none_of_the_hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its processes are seen from the host, and its containers would keep Docker for ever."""
    processes = {
        "self": ("pid:[1]", ""),
        "7": ("pid:[1]", "/usr/bin/dockerd\0-H\0"),
        "8": ("pid:[2]", "dockerd\0"),
        "9": ("", "kubelet\0"),
    }
    for pid, (namespace, words) in processes.items():
        (tmp_path / pid / "ns").mkdir(parents=True)
        (tmp_path / pid / "cmdline").write_text(words)
        if namespace:
            (tmp_path / pid / "ns" / "pid").symlink_to(namespace)
    monkeypatch.setattr(users, "PROC", str(tmp_path))

    assert sorted(words[0] for words in users.command_lines()) == ["/usr/bin/dockerd", "kubelet"]


def retired(kept: Sequence[str]) -> World:
    """Migrate a node on whose Docker nothing runs, to what the node says at the end."""
    lonely = situation().facts
    assert lonely.docker is not None
    world = World(facts=lonely.model_copy(update={"docker": lonely.docker.model_copy(update={"containers": ()})}))
    results = {"Stop Docker where nothing uses it": {"kept": list(kept), "changed": not kept}}
    world.hosts.answers["retire"] = HostResult(host="worker-1", results=results)
    apply(world.run)
    return world


def test_a_docker_that_stays_is_told_and_the_migration_is_done() -> None:
    """What came since the plan was made decides, and fails nothing."""
    world = retired(["containers run in it: ci", "programs are connected to it: agent"])

    (said,) = [event.message for event in world.events if event.step == "retire" and "stays" in event.message]
    assert said == "Docker stays as it is: containers run in it: ci; programs are connected to it: agent"
    assert world.hosts.names[-1] == "retire"
    assert "switch old" not in world.hosts.names


def test_a_docker_that_is_stopped_is_told_so() -> None:
    """Its packages and data stay."""
    world = retired([])

    assert any("Docker is stopped and disabled" in event.message for event in world.events)
