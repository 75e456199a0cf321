"""One session on one node: probes are started, asked, and removed, whatever happens in between."""

from __future__ import annotations

import base64
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from migrator.cri import Runtime, client
from migrator.errors import (
    BusyError,
    ClusterError,
    CriError,
    HostProblemError,
    HostUnreachableError,
    MigratorError,
    NoImageError,
)
from migrator.hosts import HostSession
from migrator.model.clock import Clock
from migrator.model.evidence import (
    ActionResult,
    ContainerObservation,
    Evidence,
    HostView,
    Leftover,
    NodeProfile,
    RuntimeView,
)
from migrator.probe_session.cri_containers import identities
from migrator.probe_session.exercise import Around, Exercise
from migrator.proof.image import archive as bundled
from migrator.proof.leftovers import excused

_REMOVAL_SECONDS = 180.0
"""The kubelet collects logs and sandboxes of deleted pods once a minute (kubelet 1.20.2, ContainerGCPeriod)."""
_EVERY = 2.0
_IMPORT_SECONDS = 330.0
_BUSY_SECONDS = 900.0
"""For somebody else's session on the node: one takes six minutes on slow nodes."""
_BUSY_EVERY = 5.0
_HELLO_SECONDS = 60.0

_LINK = re.compile(r"/sys/class/net/(?!lo/)[^/]+/iflink")

Connect = Callable[[str], Runtime]
Tell = Callable[[str], None]


@dataclass(frozen=True)
class ProbeTools:
    """What a session works with."""

    line: HostSession
    clock: Clock
    tell: Tell
    connect: Connect = client.connect
    sockets: list[str] = field(default_factory=list)
    """Of the runtimes that were asked over the line."""

    def reach(self, socket: str) -> Runtime:
        """Connect to a runtime over the line. Raises `CriError`."""
        self.sockets.append(socket)
        return self.connect(self.line.socket(socket))


@dataclass
class SessionProblems:
    """What went wrong while a session was made and removed; told at its end, or at once when that never comes."""

    problems: list[str] = field(default_factory=list)
    """The node's own."""
    unasked: list[str] = field(default_factory=list)
    """Where nobody could be asked: they say nothing about the node."""

    def added_to(self, evidence: Evidence) -> Evidence:
        """Give the evidence with all of them."""
        return evidence.model_copy(
            update={
                "problems": (*evidence.problems, *self.problems),
                "unasked": (*evidence.unasked, *self.unasked),
            }
        )


def new_id() -> str:
    """Name a session, in eight characters that every name in it can hold."""
    return secrets.token_hex(4)


@dataclass(frozen=True)
class Store:
    """The image store that a probe's image goes into."""

    runtime: str
    """"containerd", "docker" or "cri-o"."""
    socket: str


def lock(bench: ProbeTools, session: str, who: str) -> None:
    """Have the node for this session alone, until its line rests; whoever has it is waited for.

    Raises `BusyError` when that takes longer than any session does.
    """
    until = bench.clock.now() + _BUSY_SECONDS
    told = ""
    while holder := str((bench.line.ask("lock", session=session, who=who) or {}).get("holder", "")):
        if bench.clock.now() >= until:
            raise BusyError(f"{holder}, and was waited for {_BUSY_SECONDS:.0f} s")
        if holder != told:
            told = holder
            bench.tell(f"{holder}; waits for its end")
        bench.clock.sleep(_BUSY_EVERY)


def blame(bench: ProbeTools, error: CriError) -> None:
    """Raise `HostUnreachableError` when the host does not answer either; else it is its runtime that does not."""
    if not error.fatal:
        return
    bench.line.ask("hello", deadline=_HELLO_SECONDS)
    for path in bench.sockets:
        if bench.line.unreached(path):
            raise HostUnreachableError(bench.line.lost(path) or str(error))


@contextmanager
def bundled_image(bench: ProbeTools, store: Store, troubles: SessionProblems) -> Iterator[str]:
    """Have the probe's image in a store; give its name. It goes again, also one that an earlier session left.

    Raises `NoImageError` when the store refuses it, `HostUnreachableError` when it cannot even be brought there; that
    it does not go again is one of the `troubles`.
    """
    machine = str(bench.line.ask("hello")["machine"])
    archive = bundled(machine)
    words: dict[str, Any] = {"runtime": store.runtime, "socket": store.socket, "reference": archive.reference}
    data = base64.b64encode(archive.data).decode()
    try:
        brought = bench.line.ask("import_image", deadline=_IMPORT_SECONDS, archive=data, sha256=archive.sha256, **words)
        if refused := brought.get("refused"):
            raise NoImageError(f"the runtime does not take the probe's image: {refused}")
        yield archive.reference
    finally:
        guarded(
            bench, troubles, "the probe's image could not be removed", lambda: bench.line.ask("remove_image", **words)
        )


def gather(
    bench: ProbeTools,
    known: NodeProfile,
    session: str,
    runtime: Runtime,
    seen: Sequence[ContainerObservation],
    *,
    image: str,
    around: Around,
    log: Callable[[ContainerObservation], str],
) -> Evidence:
    """Interview probes that run. A runtime or connection that ends in the middle leaves evidence that says so."""
    host = HostView.model_validate(bench.line.ask("host", free=[]))
    known = known.model_copy(update={"memory": _memory(host)})
    evidence = Evidence(taken_at=time.time(), circumstances=known, host=host, runtime=described(runtime))
    interview = Exercise(session, runtime, bench.line, seen, log)
    troubles = SessionProblems()
    guarded(bench, troubles, "the session broke off", lambda: interview.run(around, image))
    found = interview.seen
    containers = tuple(found.get(entry.asked.name, entry) for entry in seen)
    return troubles.added_to(evidence.model_copy(update={"containers": containers, "acts": interview.done}))


def leftovers(
    bench: ProbeTools, evidence: Evidence, interfaces: Sequence[str], words: Sequence[str] = (), *, logs: bool = True
) -> Evidence:
    """Wait until nothing is left of removed probes, their `logs` or not, and give the evidence with what still is.

    For three minutes at most, and only for what others than we must remove.
    """
    names = identities(evidence.containers)
    named: dict[str, Any] = {**names, "interfaces": list(interfaces), "words": list(words)}
    deadline = bench.clock.now() + _REMOVAL_SECONDS
    while True:
        found = (Leftover.model_validate(entry) for entry in bench.line.ask("left", **named))
        counted = tuple(
            entry for entry in found if not excused(entry, evidence.circumstances) and (logs or entry.kind != "log")
        )
        if not counted or bench.clock.now() >= deadline:
            return evidence.model_copy(update={"left": counted, "waited": logs})
        bench.clock.sleep(_EVERY)


def interfaces(bench: ProbeTools, seen: Sequence[ContainerObservation]) -> tuple[str, ...]:
    """Name the host's ends of the containers' network interfaces."""
    views = [entry.inside for entry in seen if entry.inside]
    texts = {text.strip() for view in views for path, text in view.files.items() if _LINK.fullmatch(path)}
    indexes = {int(text) for text in texts if text.isdigit()}
    names = (str(bench.line.ask("interface", index=index)) for index in sorted(indexes))
    return tuple(name for name in names if name)


def guarded(bench: ProbeTools, troubles: SessionProblems, what: str, act: Callable[[], Any]) -> None:
    """Do something that must not hide an earlier failure: its own becomes one of the troubles."""
    try:
        try:
            act()
        except CriError as error:
            blame(bench, error)
            raise
    except HostProblemError as error:
        troubles.problems.append(f"{what}: {error}")
    except (ClusterError, HostUnreachableError) as error:
        troubles.unasked.append(f"{what}: {error}")
    except MigratorError as error:
        troubles.problems.append(f"{what}: {error}")


def told(bench: ProbeTools, troubles: SessionProblems) -> None:
    """Tell at once what no evidence will: another failure goes to whoever asked."""
    for problem in (*troubles.problems, *troubles.unasked):
        bench.tell(problem)


def unstarted(
    bench: ProbeTools, known: NodeProfile, runtime: RuntimeView, problem: str, *acts: ActionResult
) -> Evidence:
    """Give the evidence of a session that could start nothing, by its node's fault. Raises `HostUnreachableError`."""
    host = HostView.model_validate(bench.line.ask("host", free=[]))
    return Evidence(
        taken_at=time.time(), circumstances=known, host=host, runtime=runtime, acts=acts,
        problems=(f"no pod could be started: {problem}",),
    )  # fmt: skip


def resting(bench: ProbeTools) -> Mapping[str, str]:
    """Give the host's settings before a pod is started that may change them."""
    return {str(name): str(value) for name, value in bench.line.ask("resting").items()}


def described(runtime: Runtime) -> RuntimeView:
    """Say what the runtime says of itself."""
    version = runtime.version
    try:
        status = runtime.status()
    except CriError as error:
        return RuntimeView(name=version.name, version=version.version, api=version.api, problem=str(error))
    return RuntimeView(
        name=version.name,
        version=version.version,
        api=version.api,
        conditions=dict(status.conditions),
        cgroup_driver=status.cgroup_driver,
    )


def _memory(host: HostView) -> int:
    """Read the node's memory in bytes; 0 when it is not known."""
    fields: Mapping[str, str] = dict(
        line.split(":", 1) for line in host.raw.files.get("/proc/meminfo", "").splitlines() if ":" in line
    )
    words = fields.get("MemTotal", "").split()
    return int(words[0]) * 1024 if words and words[0].isdigit() else 0
