"""The CRI door's real side: a runtime over gRPC."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.message import Message

from migrator.cri import Container, ContainerSpec, Executed, Sandbox, SandboxSpec, Status, Version, api_pb2, messages
from migrator.cri import cgroup_driver as drivers
from migrator.cri.channel import Answer, CriChannel
from migrator.cri.errors import Place, shortened
from migrator.errors import CriError, Fault

_LONG = 4
"""How much longer the calls may take that start or end processes: emulated nodes are ten times slower than others."""
_PATH = 107
"""Bytes that a Unix socket's path may have, unix(7)."""
_ID = 13
"""Characters of an id in messages, as `crictl` shows."""


def connect(address: str, *, seconds: float = 30, name: str = "") -> GrpcRuntime:
    """Connect to the runtime at "unix:/path" or "/path" of this machine and find out what it is.

    `seconds` is the deadline of a call; calls that start or end processes have four times as much, and commands in
    containers their own time on top. `name` is what messages call the runtime, instead of its path. Raises `CriError`.
    """
    path = "/" + address.removeprefix("unix:").lstrip("/")
    if len(path.encode()) > _PATH:
        raise CriError(f"a socket's path may have {_PATH} bytes, {path} is longer: name a shorter one", Fault.ABSENT)
    wire = CriChannel(Place(name=name or f"the runtime at {path}", path=path), seconds=seconds)
    try:
        return GrpcRuntime(wire, wire.negotiate(), seconds=seconds)
    except BaseException:
        wire.close()
        raise


class GrpcRuntime:
    """A runtime that has said what it is."""

    def __init__(self, wire: CriChannel, version: Version, *, seconds: float) -> None:
        self._wire = wire
        self._version = version
        self._seconds = seconds
        self._names: dict[str, str] = {}

    @property
    def version(self) -> Version:
        return self._version

    def status(self) -> Status:
        request = api_pb2.StatusRequest(verbose=True)
        answer = self._wire.ask("Status", request, api_pb2.StatusResponse, "say how it is")
        info = messages.verbose(answer.info)
        return Status(
            conditions={entry.type: _condition(entry) for entry in answer.status.conditions},
            info=info,
            cgroup_driver=self._cgroup_driver() or drivers.configured(info),
        )

    def _cgroup_driver(self) -> str:
        request = api_pb2.RuntimeConfigRequest()
        try:
            answer = self._wire.ask(
                "RuntimeConfig", request, api_pb2.RuntimeConfigResponse, "say which cgroup driver it uses"
            )
        except CriError as error:
            if error.fault is Fault.DISABLED:  # before Kubernetes 1.28
                return ""
            raise
        return drivers.answered(answer)

    def run_sandbox(self, spec: SandboxSpec) -> str:
        request = api_pb2.RunPodSandboxRequest(config=messages.sandbox_config(spec), runtime_handler=spec.handler)
        answer = self._long("RunPodSandbox", request, api_pb2.RunPodSandboxResponse, f"run sandbox {spec.name}")
        self._names[answer.pod_sandbox_id] = spec.name
        return answer.pod_sandbox_id

    def stop_sandbox(self, identity: str) -> None:
        request = api_pb2.StopPodSandboxRequest(pod_sandbox_id=identity)
        doing = f"stop sandbox {self._named(identity)}"
        self._gone("StopPodSandbox", request, api_pb2.StopPodSandboxResponse, doing)

    def remove_sandbox(self, identity: str) -> None:
        request = api_pb2.RemovePodSandboxRequest(pod_sandbox_id=identity)
        doing = f"remove sandbox {self._named(identity)}"
        self._gone("RemovePodSandbox", request, api_pb2.RemovePodSandboxResponse, doing)

    def sandbox(self, identity: str) -> Sandbox:
        request = api_pb2.PodSandboxStatusRequest(pod_sandbox_id=identity, verbose=True)
        doing = f"show sandbox {self._named(identity)}"
        answer = self._wire.ask("PodSandboxStatus", request, api_pb2.PodSandboxStatusResponse, doing)
        return messages.sandbox(answer.status, address=answer.status.network.ip, info=messages.verbose(answer.info))

    def sandboxes(self, labels: Mapping[str, str]) -> tuple[Sandbox, ...]:
        request = api_pb2.ListPodSandboxRequest(filter=api_pb2.PodSandboxFilter(label_selector=labels))
        answer = self._wire.ask("ListPodSandbox", request, api_pb2.ListPodSandboxResponse, "list its sandboxes")
        return tuple(messages.sandbox(entry) for entry in answer.items)

    def create_container(self, sandbox: str, within: SandboxSpec, spec: ContainerSpec) -> str:
        request = api_pb2.CreateContainerRequest(
            pod_sandbox_id=sandbox,
            config=messages.container_config(within, spec),
            sandbox_config=messages.sandbox_config(within),
        )
        doing = f"create container {spec.name} of {within.name}"
        answer = self._long("CreateContainer", request, api_pb2.CreateContainerResponse, doing)
        self._names[answer.container_id] = spec.name
        return answer.container_id

    def start_container(self, identity: str) -> None:
        request = api_pb2.StartContainerRequest(container_id=identity)
        doing = f"start container {self._named(identity)}"
        self._long("StartContainer", request, api_pb2.StartContainerResponse, doing)

    def stop_container(self, identity: str, seconds: int) -> None:
        request = api_pb2.StopContainerRequest(container_id=identity, timeout=seconds)
        doing = f"stop container {self._named(identity)}"
        self._gone("StopContainer", request, api_pb2.StopContainerResponse, doing, more=seconds)

    def remove_container(self, identity: str) -> None:
        request = api_pb2.RemoveContainerRequest(container_id=identity)
        doing = f"remove container {self._named(identity)}"
        self._gone("RemoveContainer", request, api_pb2.RemoveContainerResponse, doing)

    def container(self, identity: str) -> Container:
        request = api_pb2.ContainerStatusRequest(container_id=identity, verbose=True)
        doing = f"show container {self._named(identity)}"
        answer = self._wire.ask("ContainerStatus", request, api_pb2.ContainerStatusResponse, doing)
        info = messages.verbose(answer.info)
        sandbox = str(messages.own(info).get("sandboxID", "")) or self._sandbox_of(identity)
        return messages.container(answer.status, sandbox=sandbox, info=info)

    def _sandbox_of(self, identity: str) -> str:
        """Find a container's sandbox in the list, for runtimes that do not tell it with the status."""
        listed = self._containers(api_pb2.ContainerFilter(id=identity))
        return next((entry.sandbox for entry in listed), "")

    def containers(self, labels: Mapping[str, str]) -> tuple[Container, ...]:
        return self._containers(api_pb2.ContainerFilter(label_selector=labels))

    def _containers(self, those: api_pb2.ContainerFilter) -> tuple[Container, ...]:
        request = api_pb2.ListContainersRequest(filter=those)
        answer = self._wire.ask("ListContainers", request, api_pb2.ListContainersResponse, "list its containers")
        return tuple(messages.listed_container(entry) for entry in answer.containers)

    def execute(self, identity: str, command: tuple[str, ...], seconds: int) -> Executed:
        request = api_pb2.ExecSyncRequest(container_id=identity, cmd=command, timeout=seconds)
        doing = f"run `{shortened(' '.join(command))}` in container {self._named(identity)}"
        deadline = seconds + self._seconds
        answer = self._wire.ask("ExecSync", request, api_pb2.ExecSyncResponse, doing, deadline)
        return Executed(exit_code=answer.exit_code, stdout=answer.stdout, stderr=answer.stderr)

    def image(self, reference: str) -> str:
        request = api_pb2.ImageStatusRequest(image=messages.image_spec(reference))
        doing = f"say whether it has image {reference}"
        return self._wire.ask("ImageStatus", request, api_pb2.ImageStatusResponse, doing).image.id

    def remove_image(self, reference: str) -> None:
        request = api_pb2.RemoveImageRequest(image=messages.image_spec(reference))
        self._gone("RemoveImage", request, api_pb2.RemoveImageResponse, f"remove image {reference}")

    def close(self) -> None:
        self._wire.close()

    def _long(self, method: str, request: Message, answer: type[Answer], doing: str, *, more: float = 0) -> Answer:
        """Call a method that starts or ends processes; `more` is the time that they are given for it."""
        return self._wire.ask(method, request, answer, doing, _LONG * self._seconds + more)

    def _gone(self, method: str, request: Message, answer: type[Answer], doing: str, *, more: float = 0) -> None:
        """Stop or remove something, which may be gone already: CRI says so, older runtimes call it an error."""
        try:
            self._long(method, request, answer, doing, more=more)
        except CriError as error:
            if error.fault is not Fault.MISSING:
                raise

    def _named(self, identity: str) -> str:
        """Give what messages call an object: its name too, if we made it."""
        return f"{self._names.get(identity, '')} {identity[:_ID]}".strip()


def _condition(entry: api_pb2.RuntimeCondition) -> str:
    """Say what is wrong; "" when nothing is."""
    said = ": ".join(word for word in (entry.reason, entry.message) if word)
    return "" if entry.status else said or "no reason given"
