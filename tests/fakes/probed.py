"""A node in memory that is as it should be, behind every door that a session uses.

What it shows is the evidence of `tests.fakes.proof`, with the names that this session's containers really have.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from migrator.cri import Container, ContainerSpec, Executed, SandboxSpec
from migrator.model.evidence import ContainerObservation, RawView, Via
from migrator.model.probe_status import ContainerStatus, ProbePod
from migrator.probe_session.session import ProbeTools
from migrator.proof.spec import ASKED, FORKS, MEMORY_OVER
from tests.fakes import proof
from tests.fakes.clock import FakeClock
from tests.fakes.cluster import CREATED, FakeCluster
from tests.fakes.line import FakeLine
from tests.fakes.runtime import PAUSE_PID, FakeRuntime
from tests.fakes.values import node

SOCKET = "/run/containerd/containerd.sock"
PRIVATE = "/run/migrator/private/containerd.sock"
LIMIT = 64
"""Processes that a pod may have."""
_SEGMENTS = "       key      shmid perms\n"
_KILLED = 137
Told = tuple[int, dict[str, Any] | None]
"""Exit code and answer of a verb; None for none."""


class ProbedNode:
    """A node with its runtime, its host, its kubelet and a clock; tests spoil what they are about."""

    def __init__(self, via: Via) -> None:
        """Start with no container."""
        self.via = via
        self.runtime = FakeRuntime()
        self.runtime.on_execute = self.execute
        self.cluster = FakeCluster([node()])
        self.cluster.fates = dict.fromkeys(("probe-a", "probe-b", "probe-c"), self.kubelet)
        self.clock = FakeClock()
        self.said: list[str] = []
        self.good = proof.good(via=via, uids={letter: f"uid-probe-{letter}" for letter in "abc"}, pods_limit=LIMIT)
        self.segments: dict[str, set[int]] = {}
        """Keys of shared memory, by pod; the host's under ""."""
        self.over: Callable[[Container], Told] = lambda _: (_KILLED, None)
        """What becomes of a process that uses too much memory."""
        self._counted = 0
        self.line = FakeLine(
            {
                "hello": {"machine": "x86_64", "now": CREATED + 1},
                "lock": {},
                "resting": {"net/ipv4/ip_forward": "1"},
                "sessions": [],
                "start_runtime": {"socket": PRIVATE, "unit": ""},
                "stop_runtime": {"left": []},
                "carry_image": {"had": True},
                "import_image": {"had": False},
                "remove_image": {"had": True},
                "host": lambda free: self.good.host.model_dump(mode="json"),  # noqa: ARG005
                "pids": self.pids,
                "view": self.view,
                "mounted": 0,
                "shared_memory": self.shared_memory,
                "segments": lambda: sorted(self.segments.get("", ())),
                "shared_memory_end": {},
                "counters": self.counters,
                "connect": self.connect,
                "limit_processes": {},
                "log": lambda path, bytes: "".join(f"x stdout F migrator-probe line {n:06}\n" for n in range(1, 21)),  # noqa: A006, ARG005
                "interface": lambda index: f"veth{index}",
                "left": [],
            }
        )  # fmt: skip

    @property
    def bench(self) -> ProbeTools:
        """What a session works with here."""
        return ProbeTools(self.line, self.clock, self.said.append, self.runtime.connect)

    def asked(self, question: str) -> list[dict[str, Any]]:
        """Give the words of each time that the host was asked this."""
        return [dict(words) for name, words in self.line.asked if name == question]

    # The kubelet.

    def kubelet(self, pod: ProbePod) -> ProbePod:
        """Have the runtime run a pod, once."""
        if pod.phase == "Running":
            return pod
        spec = SandboxSpec(
            name=pod.name, uid=pod.uid, namespace=pod.namespace,
            labels={"io.kubernetes.pod.namespace": pod.namespace},
        )  # fmt: skip
        sandbox = self.runtime.run_sandbox(spec)
        statuses = []
        for entry in self.cluster.manifests[pod.name]["spec"]["containers"]:
            asked = ContainerSpec(name=entry["name"], image=entry["image"], labels=spec.labels)
            made = self.runtime.create_container(sandbox, spec, asked)
            self.runtime.start_container(made)
            statuses.append(ContainerStatus(name=entry["name"], id=made, state="running", started_at=CREATED + 2))
        address = self.runtime.sandbox(sandbox).address
        update = {"phase": "Running", "address": address, "started": CREATED + 1, "statuses": tuple(statuses)}
        return pod.model_copy(update=update)

    # The host.

    def pids(self, ids: Sequence[str]) -> dict[str, int]:
        """Tell the processes of containers and sandboxes."""
        found = {identity: entry.pid for identity, entry in self.runtime.running.items()}
        found |= {identity: entry.pid for identity, entry in self.runtime.pods.items()}
        return {identity: found.get(identity, 0) for identity in ids}

    def view(self, pid: int) -> Any:
        """Describe a process from outside."""
        if pid == 1:
            return self._real(self.good.host.raw, "")
        for identity, sandbox in self.runtime.pods.items():
            inner = next((entry for entry in self.runtime.running.values() if entry.sandbox == identity), None)
            if sandbox.pid == pid > PAUSE_PID and inner:
                return {"links": dict(self._template(inner.name).sandbox_namespaces)}
        (container,) = (entry for entry in self.runtime.running.values() if entry.pid == pid)
        return self._real(self._template(container.name).outside, container.name)

    def shared_memory(self, key: int, size: int) -> dict[str, Any]:  # noqa: ARG002 - any
        """Make a segment and a file on the host."""
        self.segments.setdefault("", set()).add(key)
        return {"id": 1, "file": "/dev/shm/migrator-x"}  # noqa: S108 - the host's

    def counters(self, pid: int) -> dict[str, int]:  # noqa: ARG002 - "one"
        """Count what the kernel did to a cgroup: nothing before the first look, something before the second."""
        self._counted += 1
        return {"throttled": 29, "oom_kills": 1} if self._counted > 1 else {"throttled": 0, "oom_kills": 0}

    def connect(self, address: str, port: int, seconds: int = 0) -> dict[str, Any]:  # noqa: ARG002 - any
        """Reach whatever has the address, while something runs there that listens."""
        listening = {entry.sandbox for entry in self.runtime.running.values()
                     if entry.state == "running" and entry.name in {"one", "peer"}}  # fmt: skip
        pods = [pod for pod in self.runtime.pods.values() if pod.address == address and pod.id in listening]
        if not pods:
            return {"connected": False, "said": "", "error": "ECONNREFUSED"}
        return {"connected": True, "said": pods[0].name, "error": ""}

    # The probe.

    def execute(self, container: Container, command: tuple[str, ...]) -> Executed:
        """Do what `/probe each` does."""
        assert command[:2] == ("/probe", "each")
        lines: list[str] = []
        for verb in " ".join(command[2:]).split(" -- "):
            words = verb.split()
            code, answer = self.act(container, words)
            if words[0] == "lines":
                lines += [f"migrator-probe line {number:06}" for number in range(1, int(words[1]) + 1)]
            lines += [json.dumps(answer)] if answer is not None else []
            lines.append(json.dumps({"exit_code": code}))
        return Executed(0, "\n".join(lines).encode(), b"")

    def act(self, container: Container, words: list[str]) -> Told:
        """Do one thing."""
        name, pod = container.name, self.runtime.pods[container.sandbox]
        verb, word = words[0], words[1] if len(words) > 1 else ""
        if verb == "report":
            return 0, self._real(self._template(name).inside, name)
        if verb == "shm":
            self.segments.setdefault(container.sandbox, set()).add(int(word))
        if verb == "memory" and int(word) >= MEMORY_OVER:
            return self.over(container)
        if verb == "connect":
            said = pod.name if word == "127.0.0.1" else self.connect(word, 0)["said"]
            return 0, {"connected": True, "said": said}
        refused = (1, {"error": "EPERM", "message": "no"})
        done: dict[str, Told] = {
            "mount": (0, {"mounted": True}) if name == "mounter" else refused,
            "shm": (0, {"shm": 3}),
            "memory": (0, {"touched": int(word) if word.isdigit() else 0}),
            "spin": (0, {"wall_ns": 3_000_000_000, "cpu_ns": 610_000_000}),
            "fork": (1, {"forked": min(FORKS, LIMIT - 4), "error": "EAGAIN"}),
            "bind": (1, {"error": "EADDRINUSE", "message": "taken"}),
            "lines": (0, {"lines": 3}),
            "resolve": (0, {"addresses": ["10.96.0.1"], "server": "10.96.0.10", "name": word}),
        }
        return done[verb]

    # What is good, with this session's names.

    def _template(self, name: str) -> ContainerObservation:
        found = self.good.container(name)
        assert found is not None
        return found

    def _real(self, view: RawView | None, name: str) -> Any:
        """Give a view as a JSON document in which containers, pods and session are called as they are here."""
        assert view is not None
        pod = next((entry.sandbox for entry in self.runtime.running.values() if entry.name == name), "")
        keys = "".join(f"{key:>10} 3 600\n" for key in sorted(self.segments.get(pod, ())))
        own = {"/proc/sysvipc/shm": _SEGMENTS + keys} if name else {}
        text = view.model_copy(update={"files": {**view.files, **own}})
        document = text.model_dump_json()
        for container in self.runtime.running.values():
            known, sandbox = self._template(container.name), self.runtime.pods[container.sandbox]
            for before, after in (
                (known.id, container.id), (known.sandbox, container.sandbox), (known.pod_address, sandbox.address),
                (f"migrator-probe-{known.asked.pod}", sandbox.name),
            ):  # fmt: skip
                document = document.replace(before, after)
        return json.loads(document.replace("0123abcd", self.session))

    @property
    def session(self) -> str:
        """Name the session that locked the node."""
        return str(self.asked("lock")[-1]["session"])


assert [entry.name for entry in ASKED] == ["one", "two", "peer", "mounter"], "what is played here"
