"""A container runtime in memory that records what is asked of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from migrator.cri import Container, ContainerSpec, Executed, Sandbox, SandboxSpec, Status, Version
from migrator.errors import CriError, Fault

SECOND = 10**9
PAUSE_PID = 1000
FIRST_PID = 2000
Kind = TypeVar("Kind")


class FakeRuntime:
    """Does at once what it is asked, unless a test says otherwise."""

    def __init__(self, name: str = "containerd", version: str = "1.6.20", api: str = "v1") -> None:
        """Start with nothing but images: it has every one that is asked for, until `images` is set."""
        self._version = Version(name=name, version=version, api=api)
        self.calls: list[str] = []
        """For example "start_container one": the method, and the object's name or what else was given."""
        self.failures: dict[str, CriError] = {}
        """Errors of calls, by method ("status") or by whole call ("start_container one"). They stay until taken out."""
        self.images: dict[str, str] | None = None
        """Ids by reference; None for every image."""
        self.feeling = Status(conditions={"RuntimeReady": "", "NetworkReady": ""}, cgroup_driver="systemd")
        self.pods: dict[str, Sandbox] = {}
        self.running: dict[str, Container] = {}
        """Every container, whatever its state, by id."""
        self.sandbox_specs: dict[str, SandboxSpec] = {}
        """What was asked for, by id; also of those that are gone."""
        self.container_specs: dict[str, ContainerSpec] = {}
        self.on_execute: Callable[[Container, tuple[str, ...]], Executed] = lambda *_: Executed(0, b"{}", b"")
        """What a command in a container comes to."""
        self.exit_code = 0
        """With which a container ends that is asked to."""
        self.closed = False
        self.addresses: list[str] = []
        """Where it was looked for."""
        self._made = 0

    def connect(self, address: str) -> FakeRuntime:
        """Stand for `migrator.cri.client.connect`."""
        self.addresses.append(address)
        self._call("connect", address)
        self.closed = False
        return self

    def fail(self, call: str, message: str = "it will not", fault: Fault = Fault.REFUSED) -> None:
        """Let a method ("status") or one call of it ("start_container one") fail from now on."""
        self.failures[call] = CriError(message, fault)

    def _call(self, method: str, what: str = "") -> None:
        call = f"{method} {what}".strip()
        self.calls.append(call)
        for name in (call, method):
            if name in self.failures:
                raise self.failures[name]

    def _next(self) -> tuple[str, int]:
        """Give an id as runtimes do, of 64 hexadecimal digits, and the number in it."""
        self._made += 1
        return f"{self._made:064x}", self._made

    @property
    def version(self) -> Version:
        """What it is."""
        return self._version

    def status(self) -> Status:
        """How it is."""
        self._call("status")
        return self.feeling

    def run_sandbox(self, spec: SandboxSpec) -> str:
        """Have one more sandbox."""
        self._call("run_sandbox", spec.name)
        identity, number = self._next()
        self.sandbox_specs[identity] = spec
        self.pods[identity] = Sandbox(
            id=identity, name=spec.name, uid=spec.uid, namespace=spec.namespace, ready=True, labels=dict(spec.labels),
            created_at=number * SECOND, address="" if spec.host_network else f"10.244.9.{number}",
            pid=PAUSE_PID + number,
        )  # fmt: skip
        return identity

    def stop_sandbox(self, identity: str) -> None:
        """End it and what is in it."""
        self._call("stop_sandbox", self._name(self.pods, identity))
        if identity in self.pods:
            self.pods[identity] = replace(self.pods[identity], ready=False, pid=0)
        for container in list(self.running.values()):
            if container.sandbox == identity:
                self._end(container, 137)

    def remove_sandbox(self, identity: str) -> None:
        """Forget it and what is in it."""
        self._call("remove_sandbox", self._name(self.pods, identity))
        self.pods.pop(identity, None)
        self.running = {key: entry for key, entry in self.running.items() if entry.sandbox != identity}

    def sandbox(self, identity: str) -> Sandbox:
        """Look at one."""
        self._call("sandbox", self._name(self.pods, identity))
        return self._found(self.pods, identity)

    def sandboxes(self, labels: Mapping[str, str]) -> tuple[Sandbox, ...]:
        """List those with these labels, without what only `sandbox` tells."""
        self._call("sandboxes")
        return tuple(
            replace(entry, address="", pid=0) for entry in self.pods.values() if labels.items() <= entry.labels.items()
        )

    def create_container(self, sandbox: str, within: SandboxSpec, spec: ContainerSpec) -> str:
        """Have one more container, of an image that is there."""
        self._call("create_container", spec.name)
        if self._found(self.pods, sandbox).name != within.name:
            raise AssertionError(f"{within.name} is not the sandbox {sandbox}")
        if self.images is not None and spec.image not in self.images:
            raise CriError(f"there is no image {spec.image}", Fault.MISSING)
        identity, number = self._next()
        self.container_specs[identity] = spec
        self.running[identity] = Container(
            id=identity, sandbox=sandbox, name=spec.name, state="created", labels=dict(spec.labels),
            created_at=number * SECOND,
        )  # fmt: skip
        return identity

    def start_container(self, identity: str) -> None:
        """Start it."""
        self._call("start_container", self._name(self.running, identity))
        container = self._found(self.running, identity)
        number = container.created_at // SECOND
        self.running[identity] = replace(
            container, state="running", started_at=container.created_at + SECOND, pid=FIRST_PID + number
        )

    def stop_container(self, identity: str, seconds: int) -> None:
        """End it."""
        self._call("stop_container", f"{self._name(self.running, identity)} {seconds}")
        if identity in self.running:
            self._end(self.running[identity], self.exit_code)

    def remove_container(self, identity: str) -> None:
        """Forget it."""
        self._call("remove_container", self._name(self.running, identity))
        self.running.pop(identity, None)

    def container(self, identity: str) -> Container:
        """Look at one."""
        self._call("container", self._name(self.running, identity))
        return self._found(self.running, identity)

    def containers(self, labels: Mapping[str, str]) -> tuple[Container, ...]:
        """List those with these labels, without what only `container` tells."""
        self._call("containers")
        return tuple(
            replace(entry, started_at=0, finished_at=0, exit_code=0, reason="", message="", pid=0)
            for entry in self.running.values()
            if labels.items() <= entry.labels.items()
        )

    def execute(self, identity: str, command: tuple[str, ...], seconds: int) -> Executed:  # noqa: ARG002 - at once
        """Do what the test says."""
        container = self._found(self.running, identity)
        self._call("execute", f"{container.name} {' '.join(command)}")
        if container.state != "running":
            raise CriError(f"{container.name} does not run")
        return self.on_execute(container, command)

    def image(self, reference: str) -> str:
        """Give an image's id."""
        self._call("image", reference)
        return f"sha256:{'0' * 64}" if self.images is None else self.images.get(reference, "")

    def remove_image(self, reference: str) -> None:
        """Forget an image."""
        self._call("remove_image", reference)
        if self.images is not None:
            self.images.pop(reference, None)

    def close(self) -> None:
        """Remember that it was."""
        self.closed = True

    def _end(self, container: Container, code: int) -> None:
        if container.state == "running":
            self.running[container.id] = replace(
                container, state="exited", exit_code=code, pid=0, finished_at=container.started_at + SECOND,
                reason="Completed" if code == 0 else "Error",
            )  # fmt: skip

    @staticmethod
    def _found(those: Mapping[str, Kind], identity: str) -> Kind:
        if identity not in those:
            raise CriError(f"there is no {identity}", Fault.MISSING)
        return those[identity]

    @staticmethod
    def _name(those: Mapping[str, Sandbox] | Mapping[str, Container], identity: str) -> str:
        return those[identity].name if identity in those else identity
