"""Look at running probe containers from both sides, and have them act; the same whoever started them.

Each container is asked in one go what it can be asked, because starting a process in a container is what costs time:
seconds on a slow node. What cannot be tried becomes an act with a problem, and the rest goes on; only a runtime that
died or hangs ends the interview, because every further question would wait for its whole deadline.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from migrator.cri import Runtime
from migrator.errors import CriError, HostProblemError
from migrator.hosts import HostSession
from migrator.model.evidence import ActionResult, ContainerObservation, RawView
from migrator.proof.spec import FORKS, MEMORY_OVER, MEMORY_UNDER, PORT, SPIN_SECONDS

_SECONDS = 90
"""For all that one container is asked in one go: an emulated node is ten times slower than a real one."""
_RESOLVE_SECONDS = 5
_GRACE = 10
PROGRAM = "/probe"


@dataclass(frozen=True)
class Address:
    """Where something listens."""

    host: str
    port: int


@dataclass(frozen=True)
class Around:
    """What lies around the probe's pods, as far as it is known."""

    service: Address | None = None
    """The Service `kubernetes`."""
    egress: Address | None = None
    """Something outside the pod network that nodes can reach: the API server itself."""
    name: str = ""
    """A name that the cluster's DNS must know; "" where pods have no cluster DNS."""


Done = tuple[int, dict[str, Any], str]
"""Exit code, the probe's answer, and why something could not even be tried."""


class Exercise:
    """One session's questions to its probe containers."""

    def __init__(
        self,
        session: str,
        runtime: Runtime,
        line: HostSession,
        seen: Sequence[ContainerObservation],
        log: Callable[[ContainerObservation], str],
    ) -> None:
        self._runtime = runtime
        self._line = line
        self._log = log
        self._seen = {entry.asked.name: entry for entry in seen if entry.id}
        self._mark = f"migrator-{session}"
        self._key = zlib.crc32(session.encode()) & 0x3FFFFFFF | 0x10000
        self._acts: list[ActionResult] = []

    @property
    def seen(self) -> dict[str, ContainerObservation]:
        """The containers as they are known so far, by name."""
        return dict(self._seen)

    @property
    def done(self) -> tuple[ActionResult, ...]:
        """The acts so far."""
        return tuple(self._acts)

    def run(self, around: Around, image: str) -> None:
        """Look at them, then have them act: what ends a container comes last."""
        self._find()
        self._apart()
        self._reached()
        self._alone(around)
        self._managed(image)

    def _find(self) -> None:
        """Find each container's process and sandbox, and look at them from the host."""
        listed = {entry.id: entry.sandbox for entry in self._runtime.containers({})}
        found = sum(entry.id in listed for entry in self._seen.values())
        self._add("list", "", (0, {}, ""), found=found, expected=len(self._seen))
        for name, entry in self._seen.items():
            self._seen[name] = entry.model_copy(update={"sandbox": listed.get(entry.id, entry.sandbox)})
        ids = [identity for entry in self._seen.values() for identity in (entry.id, entry.sandbox) if identity]
        pids = self._line.ask("pids", ids=ids)
        addresses: dict[str, str] = {}
        for name, entry in self._seen.items():
            pid, beside = pids.get(entry.id, 0), pids.get(entry.sandbox, 0)
            if entry.sandbox and entry.sandbox not in addresses:
                addresses[entry.sandbox] = entry.pod_address or self._runtime.sandbox(entry.sandbox).address
            links = (self._asked("view", pid=beside) or {}).get("links", {}) if beside else {}
            outside = self._asked("view", pid=pid) if pid else None
            update = {
                "pid": pid,
                "outside": RawView.model_validate(outside) if outside else None,
                "sandbox_pid": beside,
                "sandbox_namespaces": {path: link for path, link in links.items() if path.startswith("ns/")},
                "pod_address": addresses.get(entry.sandbox, ""),
            }
            self._seen[name] = entry.model_copy(update=update)

    def _apart(self) -> None:
        """Have things made in one place, and see who can see them: the host's first, the peer's view last."""
        key, shm = self._key, self._key + 1
        host = self._asked("shared_memory", key=key, size=4096)
        mounted = self._all("mounter", ["report"], ["mount", "/migrator-mount", self._mark])
        made = self._all("one", ["report"], ["shm", shm, 4096])
        told = {"mounter": mounted, "one": made, "two": self._all("two", ["report"])}
        told["peer"] = self._all("peer", ["report"], ["connect", "127.0.0.1", PORT], *self._calling("one"))
        for name, answers in told.items():
            self._reported(name, answers[0])
        views = {name: entry.inside for name, entry in self._seen.items() if entry.inside}
        segments = {name: _segments(view) for name, view in views.items()}
        on_host = self._asked("mounted", source=self._mark)
        host_segments = self._asked("segments")
        self._add(
            "mount", "mounter", mounted[1], seen_on_host=on_host if isinstance(on_host, int) else -1,
            # As the source of a mount: on cgroup v1 the session's name is in the paths of the cgroups that are mounted.
            seen_by_peer="peer" in views and f" {self._mark} " in views["peer"].files.get("mountinfo", ""),
        )  # fmt: skip
        self._add(
            "ipc-pod", "one", made[1], seen_by_two=shm in segments.get("two", ()),
            seen_by_peer=shm in segments.get("peer", ()),
            **({} if host_segments is None else {"seen_by_host": shm in host_segments}),
        )  # fmt: skip
        self._add("port", "peer", told["peer"][1])
        if len(told["peer"]) > 2:
            self._add("pod-to-pod-back", "peer", told["peer"][2])
        if host is None:
            return
        file = str(host["file"]).rpartition("/")[2]
        for name in ("one", "peer"):
            if name in views:
                self._add("ipc-host", name, (0, {}, ""), seen=key in segments[name])
        if "one" in views:
            shared = views["one"].lists.get("/dev/shm", ())  # noqa: S108 - the container's
            self._add("shm-file", "one", (0, {}, ""), seen=file in shared)
        self._asked("shared_memory_end")

    def _reached(self) -> None:
        """Have the host connect to pods, while all of them surely listen."""
        self._from_host("host-to-pod", "one")
        self._from_host("node-to-peer", "peer")

    def _alone(self, around: Around) -> None:
        """Everything that "one" can do by itself, with its cgroup's counters before and after."""
        asked: dict[str, list[object]] = {
            "memory-under": ["memory", MEMORY_UNDER],
            "spin": ["spin", SPIN_SECONDS],
            "fork": ["fork", FORKS],
            "mount-refused": ["mount", "/migrator-mount", self._mark],
            "port": ["connect", "127.0.0.1", PORT],
            "bind-taken": ["bind", PORT],
            "exec": ["lines", 3],
        }
        for words in self._calling("peer"):
            asked["pod-to-pod"] = words
        for name, place in (("service", around.service), ("egress", around.egress)):
            if place:
                asked[name] = ["connect", place.host, place.port]
        if around.name:
            asked["resolve"] = ["resolve", around.name, _RESOLVE_SECONDS]
        asked["memory-over"] = ["memory", MEMORY_OVER]  # last: newer kubelets have the whole container killed by it
        one = self._seen.get("one")
        before = self._asked("counters", pid=one.pid) or {} if one else {}
        answers = dict(zip(asked, self._all("one", *asked.values()), strict=True))
        after = self._asked("counters", pid=one.pid) or {} if one else {}
        facts = {f"{key}_before": value for key, value in before.items()}
        facts |= {f"{key}_after": value for key, value in after.items()}
        for name, answer in answers.items():
            extra = {"stdout_ok": answer[1].get("lines") == 3} if name == "exec" else {}
            self._add(name, "one", answer, **extra, **(facts if name in _COUNTED else {}))

    def _managed(self, image: str) -> None:
        """Have the runtime do with them what it does with every pod."""
        try:
            self._add("image", "", (0, {}, ""), id=self._runtime.image(image), imported=True)
        except CriError as error:
            if error.fatal:
                raise
            self._add("image", "", (0, {}, str(error)))
        one, two = self._seen.get("one"), self._seen.get("two")
        if one is not None:
            lines = [line for line in self._log(one).splitlines() if "migrator-probe line " in line]
            self._add("log", "one", (0, {}, ""), lines=len(set(lines)), expected=one.asked.lines)
        if two is None:
            return
        try:
            self._runtime.stop_container(two.id, _GRACE)
            ended = self._runtime.container(two.id)
        except CriError as error:
            if error.fatal:
                raise
            self._add("stop", "two", (0, {}, str(error)))
            return
        self._add("stop", "two", (ended.exit_code, {}, ""), state=ended.state, grace=_GRACE)

    # How they are asked.

    def _calling(self, server: str) -> list[list[object]]:
        address = self._seen[server].pod_address if server in self._seen else ""
        return [["connect", address, PORT]] if address else []

    def _from_host(self, name: str, server: str) -> None:
        address = self._seen[server].pod_address if server in self._seen else ""
        if address:
            answer = self._asked("connect", address=address, port=PORT, seconds=10)
            known = answer if isinstance(answer, dict) else {}
            self._add(name, "", (0, known, "" if known else "the host could not try"), server=server)

    def _asked(self, question: str, **words: Any) -> Any:  # noqa: ANN401 - whatever the witness answers
        """Ask the witness; None when it cannot do that here."""
        try:
            return self._line.ask(question, **words)
        except HostProblemError:
            return None

    def _reported(self, name: str, answer: Done) -> None:
        if not answer[1]:
            return
        try:
            inside = RawView.model_validate(answer[1])
        except ValidationError:
            return
        self._seen[name] = self._seen[name].model_copy(update={"inside": inside})

    def _all(self, name: str, *asked: Sequence[object]) -> list[Done]:
        """Have a container do several things, one after the other; give what came of each."""
        entry = self._seen.get(name)
        if entry is None:
            return [(0, {}, f"the container {name} does not run")] * len(asked)
        words = [str(word) for verb in asked for word in ("--", *verb)][1:]
        try:
            done = self._runtime.execute(entry.id, (PROGRAM, "each", *words), _SECONDS)
        except CriError as error:
            if error.fatal:
                raise
            return [(0, {}, str(error))] * len(asked)
        told = _told(done.stdout.decode(errors="replace"))
        # Killed with its whole container, it says no more; what it was at when that happened shares its exit code.
        cut: Done = (done.exit_code, {}, "" if done.exit_code else "it ended before")
        missing = [cut, *[(0, {}, "the container had ended")] * len(asked)]
        return (told + missing)[: len(asked)]

    def _add(self, name: str, container: str, done: Done, **facts: Any) -> None:  # noqa: ANN401
        code, answer, problem = done
        self._acts.append(
            ActionResult(name=name, container=container, exit_code=code, answer=answer, facts=facts, problem=problem)
        )


_COUNTED = frozenset({"memory-over", "memory-under", "spin", "fork"})


def _told(text: str) -> list[Done]:
    """Take the probe's output apart: each verb's answer, then a line with its exit code."""
    found: list[Done] = []
    answer: dict[str, Any] = {}
    for line in text.splitlines():
        try:
            document = json.loads(line)
        except ValueError:
            continue
        if isinstance(document, dict) and set(document) == {"exit_code"}:
            found.append((int(document["exit_code"]), answer, ""))
            answer = {}
        elif isinstance(document, dict):
            answer = document
    return found


def _segments(view: RawView) -> frozenset[int]:
    """Give the keys of the System V shared memory segments that a process can see."""
    lines = view.files.get("/proc/sysvipc/shm", "").splitlines()[1:]
    return frozenset(int(line.split()[0]) for line in lines if line.split())
