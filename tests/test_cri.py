"""The CRI client, against servers that play runtimes on real sockets."""

from __future__ import annotations

import inspect
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2

from migrator.cri import OWNER_LABEL, ContainerSpec, Runtime, SandboxSpec, api_pb2, cgroup_driver
from migrator.cri.client import GrpcRuntime, connect
from migrator.cri.labels import labels
from migrator.cri.sweep import sweep
from migrator.errors import CriError, Fault
from tests.fakes.cri_server import CriServer, Relay, refusing, serving
from tests.fakes.runtime import FakeRuntime

ROOT = Path(__file__).parent.parent
SHORT = 0.3
"""Seconds after which a runtime counts as hung here."""
POD = SandboxSpec(name="a", uid="uid-a", cgroup_parent="/migrator", log_directory="/var/log/pods/a")


@contextmanager
def runtime(server: CriServer, folder: Path, **options: Any) -> Iterator[GrpcRuntime]:
    """Give a client of a server."""
    with serving(server, folder / "cri.sock") as address:
        client = connect(address, **options)
        try:
            yield client
        finally:
            client.close()


def problem(call: Callable[[], object]) -> CriError:
    """Give the error of a call."""
    with pytest.raises(CriError) as raised:
        call()
    return raised.value


class TestNegotiation:
    """Both sides find the version that they share."""

    def test_v1_is_preferred(self, tmp_path: Path) -> None:
        """A runtime that has both is asked by v1."""
        server = CriServer("v1", "v1alpha2", ImageStatus=api_pb2.ImageStatusResponse(image={"id": "sha256:1"}))
        with runtime(server, tmp_path) as client:
            assert (client.version.name, client.version.version, client.version.api) == ("fake", "1.2.3", "v1")
            assert client.image("x:1") == "sha256:1"
        assert [path for path, _ in server.asked] == [
            "/runtime.v1.RuntimeService/Version",
            "/runtime.v1.ImageService/ImageStatus",
        ]

    def test_v1alpha2_is_spoken_with_old_ones(self, tmp_path: Path) -> None:
        """A runtime that has only the old one is asked by it, always."""
        server = CriServer("v1alpha2", ListPodSandbox=api_pb2.ListPodSandboxResponse())
        with runtime(server, tmp_path) as client:
            assert client.version.api == "v1alpha2"
            assert client.sandboxes({}) == ()
        assert {path.split("/")[1] for path, _ in server.asked} == {"runtime.v1alpha2.RuntimeService"}

    def test_a_disabled_plugin_is_said_so(self, tmp_path: Path) -> None:
        """A server without any version of CRI is one whose CRI plugin is disabled or failed."""
        with serving(CriServer(), tmp_path / "cri.sock") as address:
            error = problem(lambda: connect(address))
        assert error.fault is Fault.DISABLED
        assert "CRI plugin is disabled or failed" in str(error)
        assert "disabled_plugins" in str(error)

    def test_a_version_that_we_do_not_know_is_none(self, tmp_path: Path) -> None:
        """A server with another version only is refused, and the message names those that we speak."""
        with serving(CriServer("v2"), tmp_path / "cri.sock") as address:
            error = problem(lambda: connect(address))
        assert error.fault is Fault.DISABLED
        assert "neither runtime.v1 nor runtime.v1alpha2" in str(error)

    def test_another_protocol_is_said_so(self, tmp_path: Path) -> None:
        """Docker's own socket is a likely mistake: HTTP/1 is not CRI."""
        with answering(tmp_path / "docker.sock", b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n") as path:
            error = problem(lambda: connect(str(path), seconds=5))
        assert error.fault is Fault.DISABLED
        assert "HTTP/1" in str(error)

    def test_one_that_is_starting_is_not_ready_yet(self, tmp_path: Path) -> None:
        """What containerd says before its CRI plugin is up is no lost connection."""
        answer = refusing(grpc.StatusCode.UNAVAILABLE, "server is not initialized yet")
        with serving(CriServer("v1", Version=answer), tmp_path / "cri.sock") as address:
            error = problem(lambda: connect(address))
        assert error.fault is Fault.ABSENT
        assert "not ready yet" in str(error)


@contextmanager
def answering(path: Path, words: bytes) -> Iterator[Path]:
    """Listen on a socket, and say the same to everybody."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            while True:
                try:
                    line, _ = listener.accept()
                except OSError:
                    return
                with line, suppress(OSError):
                    line.recv(1000)
                    line.sendall(words)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield path
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


class TestNobodyThere:
    """Every reason why nobody answers has its own message."""

    def test_a_missing_socket(self, tmp_path: Path) -> None:
        """It says that there is none, and where."""
        error = problem(lambda: connect(str(tmp_path / "none.sock")))
        assert error.fault is Fault.ABSENT
        assert f"there is no socket {tmp_path}/none.sock" in str(error)

    def test_a_file_that_is_no_socket(self, tmp_path: Path) -> None:
        """It says so."""
        (tmp_path / "cri.sock").touch()
        error = problem(lambda: connect(f"unix://{tmp_path}/cri.sock"))
        assert error.fault is Fault.ABSENT
        assert "is not a socket" in str(error)

    def test_a_socket_that_was_left_behind(self, tmp_path: Path) -> None:
        """A runtime that was killed leaves its socket, on which nobody listens."""
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(tmp_path / "cri.sock"))
        error = problem(lambda: connect(str(tmp_path / "cri.sock")))
        assert error.fault is Fault.ABSENT
        assert "nobody listens" in str(error)

    def test_a_socket_of_somebody_else(self, tmp_path: Path) -> None:
        """Whoever may not open it hears that it takes root."""
        path = tmp_path / "cri.sock"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()
            path.chmod(0)
            with nobody():
                error = problem(lambda: connect(str(path)))
        assert error.fault is Fault.ABSENT
        assert "takes root" in str(error)

    def test_a_path_that_no_socket_can_have(self, tmp_path: Path) -> None:
        """The system's limit of 107 bytes is one sentence, not a traceback."""
        error = problem(lambda: connect(str(tmp_path / ("x" * 120))))
        assert error.fault is Fault.ABSENT
        assert "107 bytes" in str(error)

    def test_a_relay_that_ends_every_connection(self, tmp_path: Path) -> None:
        """Behind a relay the socket here is fine; that nobody serves at its other end is said."""
        with answering(tmp_path / "cri.sock", b"") as path:
            error = problem(lambda: connect(str(path), seconds=2, name="worker-1's containerd"))
        assert error.fault is Fault.ABSENT
        assert "worker-1's containerd takes connections and ends them without a word" in str(error)


@contextmanager
def nobody() -> Iterator[None]:
    """Be a user without rights, where the tests run as root."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


class TestTrouble:
    """What happens in the middle."""

    def test_one_that_never_answers_is_hung(self, tmp_path: Path) -> None:
        """A stopped process still has its socket: the kernel takes the connection, and nobody answers."""
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(tmp_path / "cri.sock"))
            listener.listen()
            error = problem(lambda: connect(str(tmp_path / "cri.sock"), seconds=SHORT))
        assert error.fault is Fault.HUNG
        assert "did not answer within 0.3 s when asked to say what it is" in str(error)

    def test_a_call_that_never_ends_is_hung(self, tmp_path: Path) -> None:
        """Every call has a deadline; what was asked may still happen, and the message says so."""
        ended = threading.Event()
        server = CriServer("v1", Status=lambda *_: ended.wait(10) and None)
        with runtime(server, tmp_path, seconds=SHORT) as client:
            error = problem(client.status)
            ended.set()
        assert error.fault is Fault.HUNG
        assert "say how it is" in str(error)
        assert "may still happen" in str(error)

    def test_a_connection_cut_in_the_middle_is_lost(self, tmp_path: Path) -> None:
        """It is found at once and not at the deadline; later calls say the same."""
        with serving(CriServer("v1", RunPodSandbox=lambda *_: relay.cut()), tmp_path / "cri.sock"):
            relay = Relay(tmp_path / "relay.sock", tmp_path / "cri.sock")
            client = connect(str(relay.path))
            first = problem(lambda: client.run_sandbox(POD))
            second = problem(client.status)
            client.close()
        assert (first.fault, second.fault) == (Fault.LOST, Fault.LOST)
        assert "ended before it answered whether it could run sandbox a" in str(first)
        assert "nobody listens" in str(second)

    def test_a_new_connection_works_after_a_loss(self, tmp_path: Path) -> None:
        """A runtime that was started again is asked again by a new client, without waiting for an old one."""
        with serving(CriServer("v1"), tmp_path / "cri.sock"):
            relay = Relay(tmp_path / "relay.sock", tmp_path / "cri.sock")
            old = connect(str(relay.path))
            relay.cut()
            problem(old.status)
            relay.path.unlink()
            relay = Relay(tmp_path / "relay.sock", tmp_path / "cri.sock")
            new = connect(str(relay.path), seconds=2)
            assert new.version.name == "fake"
            old.close()
            new.close()
            relay.cut()

    def test_a_refusal_is_the_runtimes_own_words(self, tmp_path: Path) -> None:
        """What was asked, of which object, and the beginning and the cause of a long message on one line."""
        words = (
            "rpc error: code = Unknown desc = failed to create containerd task:\n"
            + "x " * 500
            + "no space left on device"
        )
        server = CriServer(
            "v1",
            CreateContainer=api_pb2.CreateContainerResponse(container_id="0123456789abcdef"),
            StartContainer=refusing(grpc.StatusCode.UNKNOWN, words),
        )
        with runtime(server, tmp_path) as client:
            identity = client.create_container("1", POD, ContainerSpec(name="one", image="x"))
            error = problem(lambda: client.start_container(identity))
        assert error.fault is Fault.REFUSED
        assert "cannot start container one 0123456789abc: failed to create containerd task: x x" in str(error)
        assert str(error).endswith("no space left on device")
        assert len(str(error)) < 700

    @pytest.mark.parametrize(
        "answer",
        [
            refusing(grpc.StatusCode.NOT_FOUND, "an error occurred when try to find container: not found"),
            refusing(grpc.StatusCode.UNKNOWN, "Error response from daemon: No such container: 1"),
        ],
        ids=["containerd", "dockershim"],
    )
    def test_what_is_gone_is_stopped_and_removed(self, tmp_path: Path, answer: Any) -> None:
        """Stopping and removing what does not exist is no error; showing it is."""
        methods = (
            "StopPodSandbox", "RemovePodSandbox", "StopContainer", "RemoveContainer", "RemoveImage", "ContainerStatus"
        )  # fmt: skip
        with runtime(CriServer("v1", **dict.fromkeys(methods, answer)), tmp_path) as client:
            client.stop_sandbox("1")
            client.remove_sandbox("1")
            client.stop_container("1", 1)
            client.remove_container("1")
            client.remove_image("x")
            assert problem(lambda: client.container("1")).fault is Fault.MISSING

    def test_a_program_that_is_not_there_is_a_refusal(self, tmp_path: Path) -> None:
        """A refusal that has the words "not found" does not make the container missing."""
        answer = refusing(grpc.StatusCode.UNKNOWN, 'exec: "nope": executable file not found in $PATH')
        with runtime(CriServer("v1", ExecSync=answer), tmp_path) as client:
            assert problem(lambda: client.execute("1", ("nope",), 1)).fault is Fault.REFUSED


class TestCalls:
    """What is sent and what is read."""

    def test_a_sandbox_is_asked_for_as_a_kubelet_does(self, tmp_path: Path) -> None:
        """Hostname, log folder, cgroup parent, handler, namespaces and the sandbox's own profile."""
        server = CriServer("v1", RunPodSandbox=api_pb2.RunPodSandboxResponse(pod_sandbox_id="1"))
        spec = SandboxSpec(name="a", uid="u", cgroup_parent="/p", log_directory="/l", handler="h", labels={"k": "v"})
        with runtime(server, tmp_path) as client:
            assert client.run_sandbox(spec) == "1"
        request = server.request("RunPodSandbox")
        config, security = request.config, request.config.linux.security_context
        assert (config.metadata.name, config.metadata.uid, config.metadata.namespace) == ("a", "u", "migrator")
        assert (config.hostname, config.log_directory, request.runtime_handler) == ("a", "/l", "h")
        assert (dict(config.labels), config.linux.cgroup_parent) == ({"k": "v"}, "/p")
        options = security.namespace_options
        assert (options.network, options.pid, options.ipc) == (api_pb2.POD, api_pb2.CONTAINER, api_pb2.POD)
        assert security.HasField("seccomp")
        assert security.seccomp_profile_path == "runtime/default"

    def test_the_hosts_network_comes_with_its_name(self, tmp_path: Path) -> None:
        """A pod in the host's network is given no hostname: the runtime takes the host's."""
        server = CriServer("v1", RunPodSandbox=api_pb2.RunPodSandboxResponse(pod_sandbox_id="1"))
        with runtime(server, tmp_path) as client:
            client.run_sandbox(SandboxSpec(name="a", uid="u", host_network=True))
        config = server.request("RunPodSandbox").config
        assert config.hostname == ""
        assert config.linux.security_context.namespace_options.network == api_pb2.NODE

    def test_a_container_is_asked_for_with_all_of_its_spec(self, tmp_path: Path) -> None:
        """Limits, capabilities, profiles in the old and the new form, paths, labels, and its sandbox's own configuration."""
        server = CriServer("v1", CreateContainer=api_pb2.CreateContainerResponse(container_id="2"))
        spec = ContainerSpec(
            name="one", image="x:1", args=("wait",), cpu_shares=51, cpu_quota=20_000, memory=2**26, oom_score_adj=900,
            privileged=True, added=("SYS_TIME",), dropped=("NET_RAW",), seccomp="RuntimeDefault", apparmor="Unconfined",
            no_new_privileges=True, masked_paths=("/proc/kcore",), readonly_paths=("/proc/sys",), log_path="one.log",
            labels={"k": "v"},
        )  # fmt: skip
        with runtime(server, tmp_path) as client:
            assert client.create_container("1", POD, spec) == "2"
        request = server.request("CreateContainer")
        assert (request.pod_sandbox_id, request.sandbox_config.metadata.uid) == ("1", "uid-a")
        config, resources = request.config, request.config.linux.resources
        assert (config.metadata.name, config.image.image, list(config.args)) == ("one", "x:1", ["wait"])
        assert (config.log_path, dict(config.labels)) == ("one.log", {"k": "v"})
        assert (resources.cpu_shares, resources.cpu_quota, resources.cpu_period) == (51, 20_000, 100_000)
        assert (resources.memory_limit_in_bytes, resources.oom_score_adj) == (2**26, 900)
        security = config.linux.security_context
        assert (security.privileged, security.no_new_privs) == (True, True)
        assert list(security.capabilities.add_capabilities) == ["SYS_TIME"]
        assert list(security.capabilities.drop_capabilities) == ["NET_RAW"]
        assert (list(security.masked_paths), list(security.readonly_paths)) == (["/proc/kcore"], ["/proc/sys"])
        assert (security.seccomp.profile_type, security.seccomp_profile_path) == (0, "runtime/default")
        assert (security.apparmor.profile_type, security.apparmor_profile) == (1, "unconfined")
        assert security.namespace_options.pid == api_pb2.CONTAINER

    def test_what_is_not_asked_for_is_not_sent(self, tmp_path: Path) -> None:
        """No profile is another thing than the default profile, though both are 0; no quota has no period."""
        server = CriServer("v1", CreateContainer=api_pb2.CreateContainerResponse(container_id="2"))
        with runtime(server, tmp_path) as client:
            client.create_container("1", POD, ContainerSpec(name="one", image="x"))
        config = server.request("CreateContainer").config.linux
        assert not config.security_context.HasField("seccomp")
        assert not config.security_context.HasField("apparmor")
        assert config.resources.cpu_period == 0

    def test_a_command_has_its_own_time(self, tmp_path: Path) -> None:
        """Its output is bytes, and we wait longer than the runtime does."""
        given = api_pb2.ExecSyncResponse(stdout=b"\xff", stderr=b"e", exit_code=3)
        server = CriServer("v1", ExecSync=given)
        with runtime(server, tmp_path, seconds=10) as client:
            done = client.execute("1", ("/probe", "spin", "3"), 7)
        assert (done.exit_code, done.stdout, done.stderr) == (3, b"\xff", b"e")
        assert server.request("ExecSync").timeout == 7
        assert server.deadlines["ExecSync"] == pytest.approx(17, rel=0.03)  # gRPC rounds it up

    def test_a_command_that_takes_too_long_is_no_hung_runtime(self, tmp_path: Path) -> None:
        """The runtime answered, that the command's time was over."""
        answer = refusing(grpc.StatusCode.DEADLINE_EXCEEDED, "timeout 1s exceeded: context deadline exceeded")
        with runtime(CriServer("v1", ExecSync=answer), tmp_path) as client:
            error = problem(lambda: client.execute("1", ("sleep", "9"), 1))
        assert error.fault is Fault.REFUSED
        assert "timeout 1s exceeded" in str(error)

    def test_slow_calls_have_more_time(self, tmp_path: Path) -> None:
        """Starting and ending processes may take four times as long; a grace period comes on top."""
        server = CriServer(
            "v1",
            RunPodSandbox=api_pb2.RunPodSandboxResponse(pod_sandbox_id="1"),
            StopContainer=api_pb2.StopContainerResponse(),
            ListContainers=api_pb2.ListContainersResponse(),
        )
        with runtime(server, tmp_path) as client:
            client.run_sandbox(POD)
            client.stop_container("1", 15)
            client.containers({})
        expected = {"Version": 30, "RunPodSandbox": 120, "StopContainer": 135, "ListContainers": 30}
        assert server.deadlines == pytest.approx(expected, rel=0.03)  # gRPC rounds them up

    @pytest.mark.parametrize(
        ("info", "pid"),
        [({"info": '{"pid": 42, "sandboxID": "s"}'}, 42), ({"info": "not JSON"}, 0), ({}, 0)],
        ids=["containerd", "text", "dockershim"],
    )
    def test_a_container_is_shown(self, tmp_path: Path, info: dict[str, str], pid: int) -> None:
        """Its process where the runtime tells it; its sandbox always, from the list where the status does not tell."""
        status = api_pb2.ContainerStatus(
            id="2",
            metadata={"name": "one"},
            state=api_pb2.CONTAINER_RUNNING,
            created_at=1,
            started_at=2,
            labels={"k": "v"},
        )
        listed = api_pb2.Container(
            id="2", pod_sandbox_id="s", metadata={"name": "one"}, state=api_pb2.CONTAINER_RUNNING
        )
        server = CriServer(
            "v1",
            ContainerStatus=api_pb2.ContainerStatusResponse(status=status, info=info),
            ListContainers=api_pb2.ListContainersResponse(containers=[listed]),
        )
        with runtime(server, tmp_path) as client:
            found = client.container("2")
        assert (found.name, found.state, found.started_at, found.labels) == ("one", "running", 2, {"k": "v"})
        assert (found.pid, found.sandbox) == (pid, "s")

    def test_a_sandbox_is_shown_with_its_address_and_process(self, tmp_path: Path) -> None:
        """Both come only with its own status."""
        status = api_pb2.PodSandboxStatus(id="1", metadata={"name": "a", "uid": "u"}, network={"ip": "10.0.0.9"})
        listed = api_pb2.PodSandbox(id="1", metadata={"name": "a", "uid": "u"}, state=api_pb2.SANDBOX_NOTREADY)
        server = CriServer(
            "v1",
            PodSandboxStatus=api_pb2.PodSandboxStatusResponse(status=status, info={"info": '{"pid": 7}'}),
            ListPodSandbox=api_pb2.ListPodSandboxResponse(items=[listed]),
        )
        with runtime(server, tmp_path) as client:
            shown, (found,) = client.sandbox("1"), client.sandboxes({"k": "v"})
        assert (shown.address, shown.pid, shown.ready) == ("10.0.0.9", 7, True)
        assert (found.address, found.pid, found.ready) == ("", 0, False)
        assert dict(server.request("ListPodSandbox").filter.label_selector) == {"k": "v"}

    def test_conditions_say_what_is_wrong(self, tmp_path: Path) -> None:
        """One that holds is ""; of the others the reason and the message are given."""
        bad = {"type": "NetworkReady", "reason": "NetworkPluginNotReady", "message": "cni config uninitialized"}
        status = {"conditions": [{"type": "RuntimeReady", "status": True}, bad, {"type": "Odd"}]}
        with runtime(CriServer("v1", Status=api_pb2.StatusResponse(status=status)), tmp_path) as client:
            found = client.status()
        assert found.conditions == {
            "RuntimeReady": "",
            "NetworkReady": "NetworkPluginNotReady: cni config uninitialized",
            "Odd": "no reason given",
        }

    def test_a_long_list_is_read(self, tmp_path: Path) -> None:
        """Ten megabytes, as of a node with very many objects, are more than gRPC's own limit and less than ours."""
        item = api_pb2.Container(id="x" * 10**6)
        server = CriServer("v1", ListContainers=api_pb2.ListContainersResponse(containers=[item] * 10))
        with runtime(server, tmp_path) as client:
            assert len(client.containers({})) == 10


RUNC_V2 = "io.containerd.runc.v2"


def containerd(options: object, kind: str = RUNC_V2, **more: object) -> dict[str, str]:
    """Give the verbose information of a containerd whose default handler has these options."""
    handlers = {"runc": {"runtimeType": kind, "options": options}}
    return {"config": json.dumps({"containerd": {"defaultRuntimeName": "runc", "runtimes": handlers}, **more})}


# what RuntimeConfig answers (None: it is not implemented), verbose information, driver
DRIVERS: dict[str, tuple[object, dict[str, str], str]] = {
    "asked, systemd": ({"linux": {"cgroup_driver": "SYSTEMD"}}, {}, "systemd"),
    "asked, cgroupfs": ({"linux": {"cgroup_driver": "CGROUPFS"}}, containerd({"SystemdCgroup": True}), "cgroupfs"),
    "asked, and nothing said": ({}, {}, ""),
    "containerd, systemd": (None, containerd({"SystemdCgroup": True}), "systemd"),
    "containerd, cgroupfs": (None, containerd({"SystemdCgroup": False}), "cgroupfs"),
    "containerd, no options": (None, containerd(None), "cgroupfs"),
    "containerd 1.4, which hides options": (None, containerd({}), ""),
    "containerd, the old key for all": (None, containerd(None, systemdCgroup=True), "systemd"),
    "containerd, a sandboxed default": (None, containerd(None, "io.containerd.kata.v2"), ""),
    "CRI-O": (None, {"config": '{"sandboxImage": "p", "crio": {"CgroupManagerName": "systemd"}}'}, "systemd"),
    "CRI-O before 1.27": (None, {}, ""),
    "nonsense": (None, {"config": "[1, 2]"}, ""),
}


@pytest.mark.parametrize(("asked", "info", "expected"), DRIVERS.values(), ids=DRIVERS)
def test_the_cgroup_driver_is_found(tmp_path: Path, asked: Any, info: dict[str, str], expected: str) -> None:
    """From RuntimeConfig where it exists, else from the configuration that the runtime shows; "" when neither tells."""
    answers: dict[str, Any] = {"Status": api_pb2.StatusResponse(info=info)}
    if asked is not None:
        answers["RuntimeConfig"] = api_pb2.RuntimeConfigResponse(**asked)
    with runtime(CriServer("v1", **answers), tmp_path) as client:
        assert client.status().cgroup_driver == expected


def test_what_a_configuration_does_not_tell_is_unknown() -> None:
    """Nothing at all is no driver."""
    assert cgroup_driver.configured({}) == ""


class TestSweep:
    """What sessions left is found by its label."""

    @staticmethod
    def left() -> FakeRuntime:
        """Give a runtime with a dead session's pod, a living one's, and somebody else's."""
        runtime = FakeRuntime()
        for session, name in (("dead", "old"), ("alive", "new"), ("", "web")):
            own = labels(session, name=name, uid=name) if session else {"app": name}
            spec = SandboxSpec(name=name, uid=name, labels=own)
            identity = runtime.run_sandbox(spec)
            one = runtime.create_container(identity, spec, ContainerSpec(name=f"{name}-one", image="x", labels=own))
            runtime.start_container(one)
        return runtime

    def test_it_removes_ours_and_no_others(self) -> None:
        """Containers and sandboxes of other sessions go, with a sentence each; the kept session and strangers stay."""
        runtime = self.left()
        assert sweep(runtime, keep="alive") == (
            "removed container old-one of session dead",
            "removed sandbox old of session dead",
        )
        assert [pod.name for pod in runtime.pods.values()] == ["new", "web"]
        assert [entry.name for entry in runtime.running.values()] == ["new-one", "web-one"]

    def test_without_a_session_to_keep_all_of_ours_go(self) -> None:
        """A session that begins or ends alone leaves nothing."""
        runtime = self.left()
        sweep(runtime)
        assert [pod.name for pod in runtime.pods.values()] == ["web"]

    def test_one_that_will_not_go_keeps_no_other(self) -> None:
        """The rest is removed, and the error names what stays."""
        runtime = self.left()
        runtime.fail("remove_sandbox old", "it is busy")
        assert "it is busy" in str(problem(lambda: sweep(runtime)))
        assert [pod.name for pod in runtime.pods.values()] == ["old", "web"]

    def test_a_runtime_that_is_gone_is_not_asked_for_each(self) -> None:
        """Its own error is raised at once."""
        runtime = self.left()
        runtime.fail("stop_container", "gone", Fault.LOST)
        assert problem(lambda: sweep(runtime)).fault is Fault.LOST
        assert sum(call.startswith("stop_container") for call in runtime.calls) == 1


def test_labels_are_those_of_a_kubelet_and_the_owner() -> None:
    """The witness and `crictl` find our objects as they find a kubelet's, and a later session finds them as ours."""
    assert labels("s1", name="a", uid="u", container="one") == {
        OWNER_LABEL: "s1",
        "io.kubernetes.pod.name": "a",
        "io.kubernetes.pod.namespace": "migrator",
        "io.kubernetes.pod.uid": "u",
        "io.kubernetes.container.name": "one",
    }


@pytest.mark.parametrize("kind", [GrpcRuntime, FakeRuntime])
def test_both_runtimes_are_what_the_door_promises(kind: type) -> None:
    """The real one and the fake have every method of the Protocol, with the same parameters."""
    for name, promised in inspect.getmembers(Runtime, inspect.isfunction):
        if not name.startswith("_"):
            assert inspect.signature(getattr(kind, name)) == inspect.signature(promised), name


def test_the_generated_code_is_that_of_the_description(tmp_path: Path) -> None:
    """`make proto` was run after the last change of api.proto."""
    out = tmp_path / "out"
    words = ["-m", "grpc_tools.protoc", "--proto_path=.", f"--descriptor_set_out={out}", "migrator/cri/api.proto"]
    subprocess.run([sys.executable, *words], cwd=ROOT, check=True)
    (described,) = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file
    generated = descriptor_pb2.FileDescriptorProto()
    api_pb2.DESCRIPTOR.CopyToProto(generated)
    for message in described.message_type:
        for part in (message, *message.nested_type):
            for entry in part.field:
                entry.ClearField("json_name")
    assert generated == described
