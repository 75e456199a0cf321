"""Prove a node that serves: real pods through its kubelet, looked at over its own CRI socket and from the host."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack, closing, suppress
from functools import partial

from migrator.cluster import Cluster
from migrator.cri import Runtime
from migrator.errors import ClusterError, CriError, HostUnreachableError, MigratorError, NoImageError
from migrator.model.evidence import ActionResult, ContainerObservation, Evidence, NodeProfile, RuntimeView, StartupPhase
from migrator.probe_session import api_pods, namespace, session
from migrator.probe_session.api_pods import Started
from migrator.probe_session.exercise import Address, Around
from migrator.probe_session.session import ProbeTools, SessionProblems, Store
from migrator.probe_session.startup_trace import trace

_START_SECONDS = 300.0
_REMOVE_SECONDS = 180.0
_NAMESPACE_SECONDS = 30.0
"""Short, because a node may be out of service meanwhile: a cluster with a broken aggregated API never deletes any."""
_NAME = "kubernetes.default.svc"
"""Known to every cluster's DNS, by the search list that the kubelet writes."""
_TICKS = 100.0
"""Ticks in a second of /proc/PID/stat: USER_HZ, the same on both architectures (proc(5))."""


def at_once(_: Callable[[], bool]) -> None:
    """Wait for nothing: the node serves."""


def prove(bench: ProbeTools, cluster: Cluster, known: NodeProfile, *, logs: bool = True) -> Evidence:
    """Run a session of pods on the node and remove all of it; wait for their `logs` to go too, or not.

    Raises what `begin` and `Session.end` raise.
    """
    return begin(bench, cluster, known, at_once).end(logs=logs)


def begin(bench: ProbeTools, cluster: Cluster, known: NodeProfile, wait: api_pods.Wait) -> Session:
    """Start a session of pods on the node, and ask them; they are there until it is ended.

    Between the two it waits for the node, so that the kubelet can start them as soon as it can start anything.

    A runtime that does not answer, or has no room for the probe's image, is evidence too, with a problem: no pod is
    started then. Raises `HostUnreachableError` or `ClusterError` when there is nothing to see: the host cannot be
    reached, another session is at work on the node for too long, the API server refuses our pods.
    """
    identity = session.new_id()
    begun = Session(bench)
    session.lock(bench, identity, "migrator")
    try:
        begun.start(cluster, known, identity, wait)
    except BaseException:
        session.told(bench, begun.troubles)
        raise
    return begun


class Session:
    """A session whose pods have been asked, and may still be there."""

    evidence: Evidence
    """What was seen until now: nobody has looked for what they leave."""

    def __init__(self, bench: ProbeTools) -> None:
        """Have nothing yet."""
        self.troubles = SessionProblems()
        self._bench = bench
        self._began = bench.clock.now()
        self._held = ExitStack()
        self._pods: _Pods | None = None

    def start(self, cluster: Cluster, known: NodeProfile, identity: str, wait: api_pods.Wait) -> None:
        """Start the pods and ask them. Whatever is raised, nothing of it stays."""
        with ExitStack() as held:
            try:
                runtime = held.enter_context(closing(self._bench.reach(known.socket)))
            except CriError as error:
                session.blame(self._bench, error)
                unknown = RuntimeView(problem=str(error))
                self.evidence = session.unstarted(self._bench, known, unknown, str(error))
                return
            image = session.bundled_image(self._bench, Store(known.runtime, known.socket), self.troubles)
            try:
                reference = held.enter_context(image)
            except NoImageError as error:
                refused = ActionResult(name="image", facts={"refused": str(error)})
                described = session.described(runtime)
                self.evidence = session.unstarted(self._bench, known, described, str(error), refused)
                return
            made = _Pods(self._bench, cluster, known, identity, runtime, self.troubles)
            held.callback(made.remove)
            self.evidence = made.asked(reference, wait)
            self._pods, self._held = made, held.pop_all()

    def end(self, *, logs: bool) -> Evidence:
        """Remove the pods, look for what they leave, and give all that was seen; wait for their `logs` too, or not.

        Raises `HostUnreachableError`, or `CriError` when the runtime ends while remains are removed.
        """
        evidence = self.evidence
        try:
            with self._held:
                if self._pods:
                    self._pods.remove()
                    evidence = self._pods.looked_for(evidence, logs=logs)
        except BaseException:
            session.told(self._bench, self.troubles)
            raise
        seconds = self._bench.clock.now() - self._began
        return self.troubles.added_to(evidence.model_copy(update={"seconds": seconds}))


def around(cluster: Cluster, *, cluster_dns: bool = True) -> Around:
    """Say what lies around the probe's pods; what the API server does not tell is left out."""
    try:
        service = cluster.kubernetes_service()
        endpoints = cluster.kubernetes_endpoints()
    except ClusterError:
        return Around(name=_NAME if cluster_dns else "")
    return Around(
        service=Address(*service) if service else None,
        egress=Address(*endpoints[0]) if endpoints else None,
        name=_NAME if cluster_dns else "",
    )


class _Pods:
    """The pods of one session."""

    def __init__(
        self,
        bench: ProbeTools,
        cluster: Cluster,
        known: NodeProfile,
        identity: str,
        runtime: Runtime,
        troubles: SessionProblems,
    ) -> None:
        self._bench = bench
        self._cluster = cluster
        self._known = known
        self._session = identity
        self._runtime = runtime
        self._troubles = troubles
        """Of the removal."""
        self._removed = False
        self._patience = _REMOVE_SECONDS
        """Seconds that a kubelet has for its end of them."""
        self._ends: tuple[str, ...] = ()
        """Host's ends of their interfaces."""
        self._space = ""

    def asked(self, reference: str, wait: api_pods.Wait) -> Evidence:
        """Start them and interview them."""
        node = self._cluster.node(self._known.node)

        def waiting(running: Callable[[], bool]) -> None:
            self._patience = 0.0  # a kubelet that does not get well is not waited for once more
            wait(running)
            self._patience = _REMOVE_SECONDS

        resting = session.resting(self._bench)
        self._bench.tell("starts probe pods")
        started = api_pods.start(
            self._cluster, self._bench.clock, node, self._session, reference, seconds=_START_SECONDS, wait=waiting
        )
        for note in started.notes:
            self._bench.tell(note)
        self._bench.tell("asks them what they are, and has them act")
        evidence = session.gather(
            self._bench, self._known, self._session, self._runtime, started.seen,
            image=reference, around=around(self._cluster), log=partial(self._log, started.namespace),
        )  # fmt: skip
        legs = self._trace(started, evidence)
        self._ends = session.interfaces(self._bench, evidence.containers)
        self._space = started.namespace
        beside = SessionProblems(problems=[*started.problems], unasked=[*started.unasked])
        return beside.added_to(evidence.model_copy(update={"resting": resting, "trace": legs}))

    def remove(self) -> None:
        """Remove them, once; what goes wrong is one of the troubles."""
        if not self._removed:
            self._removed = True
            self._bench.tell("removes them, and looks for what is left")
            session.guarded(self._bench, self._troubles, "the probe pods could not be removed", self._remove)

    def looked_for(self, evidence: Evidence, *, logs: bool) -> Evidence:
        """Give the evidence with what they left."""
        evidence = session.leftovers(self._bench, evidence, self._ends, [self._space], logs=logs)
        # Last: it goes while the node is looked at.
        wait = 0.0 if self._troubles.problems or self._troubles.unasked else _NAMESPACE_SECONDS
        if note := namespace.await_end(self._cluster, self._bench.clock, self._session, seconds=wait):
            self._bench.tell(note)
        return evidence

    def _remove(self) -> None:
        """Delete the pods, and their sandboxes as soon as all in them has ended.

        The kubelet would do that too, up to a minute later, and calls no pod gone before its containers are removed
        (kubelet 1.20.2, pkg/kubelet/kubelet_pods.go, PodResourcesAreReclaimed).
        """
        self._troubles.problems += namespace.remove_pods(
            self._cluster, self._bench.clock, self._session, seconds=self._patience, meanwhile=self._remove_ended
        )
        self._remove_sandboxes(busy=frozenset())

    def _remove_ended(self) -> None:
        # What does not go now is tried again, and told in the end.
        with suppress(CriError, HostUnreachableError):
            containers = self._runtime.containers(self._mine)
            self._remove_sandboxes(busy={entry.sandbox for entry in containers if entry.state == "running"})

    def _remove_sandboxes(self, busy: Collection[str]) -> None:
        for sandbox in self._runtime.sandboxes(self._mine):
            if sandbox.id not in busy:
                self._runtime.stop_sandbox(sandbox.id)
                self._runtime.remove_sandbox(sandbox.id)

    @property
    def _mine(self) -> Mapping[str, str]:
        """The label that a kubelet gives to all that it makes for our pods."""
        return {"io.kubernetes.pod.namespace": namespace.name(self._session)}

    def _log(self, space: str, entry: ContainerObservation) -> str:
        try:
            return self._cluster.log(space, entry.pod_name, entry.asked.name)
        except ClusterError:
            return ""

    def _trace(self, started: Started, evidence: Evidence) -> tuple[StartupPhase, ...]:
        """Follow the first pod's first container through all five."""
        one = evidence.container("one")
        pod = started.pods.get("a")
        if one is None or pod is None:
            return ()
        request = started.requests["a"]
        try:
            hello = self._bench.line.ask("hello")
            asked = float(hello["now"]) - (self._bench.clock.now() - request.at)
            return trace(
                pod,
                self._cluster.events(pod.namespace, pod.name),
                self._runtime.sandbox(one.sandbox),
                self._runtime.container(one.id),
                _started(evidence, one),
                asked=asked,
                answered=request.seconds,
            )
        except MigratorError:
            return ()


def _started(evidence: Evidence, entry: ContainerObservation) -> float:
    """Say when the main process began, in seconds since the epoch by the node's clock; 0 when that is not known."""
    booted = re.search(r"^btime (\d+)$", evidence.host.raw.files.get("/proc/stat", ""), re.MULTILINE)
    fields = (entry.outside.files.get("stat", "") if entry.outside else "").rpartition(") ")[2].split()
    if booted is None or len(fields) < 20:
        return 0.0
    return int(booted[1]) + int(fields[19]) / _TICKS
