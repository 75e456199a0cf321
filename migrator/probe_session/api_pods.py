"""Run the probe's containers as pods, through API server and kubelet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from migrator.cluster import Cluster
from migrator.errors import ClusterError, NotFoundError, RefusedError
from migrator.model.clock import Clock, pace
from migrator.model.evidence import ContainerObservation, ProbeContainerSpec
from migrator.model.kubernetes import Node
from migrator.model.probe_status import Namespace, PodEvent, ProbePod
from migrator.probe_session import manifest, namespace, pod_problems
from migrator.probe_session.pod_problems import Obstacle
from migrator.proof.spec import ASKED

_POLL_SECONDS = 0.5
_TRIES = 3
_PATIENCE_SECONDS = 60.0
"""Before this, repeated failures count for nothing: the network's own pods may be coming up after a switch."""


@dataclass(frozen=True)
class Request:
    """When a pod was asked for, by the clock that was given."""

    at: float
    seconds: float
    """Until the API server had said yes."""


@dataclass(frozen=True)
class Started:
    """What came of the pods."""

    namespace: str
    pods: Mapping[str, ProbePod]
    """As last seen, by `ProbeContainerSpec.pod`."""
    requests: Mapping[str, Request]
    """Likewise by `ProbeContainerSpec.pod`."""
    seen: tuple[ContainerObservation, ...]
    """The containers that run, and with their `problem` those that kubelet or runtime could not start."""
    problems: tuple[str, ...] = ()
    """Why there is nothing to see of the others: their kubelet does nothing."""
    unasked: tuple[str, ...] = ()
    """Likewise, for no fault of the node."""
    notes: tuple[str, ...] = ()
    """What else was done or could not be."""


Wait = Callable[[Callable[[], bool]], None]
"""Waits until the node is ready to be proved; given what tells whether every container of our pods runs."""


def start(
    cluster: Cluster, clock: Clock, node: Node, session: str, reference: str, *, seconds: float, wait: Wait
) -> Started:
    """Make the session's namespace and pods, `wait`, and then until each container runs or is known not to.

    Returns within about `seconds` after the `wait`. Raises `ClusterError` when namespace or pods could not be made, and
    what `wait` raises; whoever calls this calls `namespace.remove_pods` afterwards, whatever came of it.
    """
    deadline = clock.now() + seconds
    own = namespace.make(cluster, session, node.name)
    notes = _sweep(cluster, own)
    requests = {
        letter: _create(cluster, clock, entry, deadline)
        for letter, entry in manifest.pods(own.name, node, reference).items()
    }
    began = clock.now()
    wait(lambda: _running(cluster, own.name))
    watch = _Watch(cluster, clock, own.name, clock.now() + seconds, seconds)
    if clock.now() > began:
        watch.forgive()
    while watch.coming and watch.look():
        clock.sleep(watch.pause)
    return Started(
        namespace=own.name,
        pods=watch.pods,
        requests=requests,
        seen=tuple(entry for asked in ASKED for entry in _seen(asked, watch)),
        problems=_problems(watch, node.name, silent=True),
        unasked=_problems(watch, node.name, silent=False),
        notes=notes,
    )


def _sweep(cluster: Cluster, own: Namespace) -> tuple[str, ...]:
    try:
        return namespace.sweep(cluster, own)
    except ClusterError as error:
        return (f"what earlier sessions left in the cluster could not be deleted: {error}",)


def _running(cluster: Cluster, space: str) -> bool:
    try:
        pods = {letter: cluster.probe_pod(space, name) for letter, name in manifest.NAMES.items()}
    except NotFoundError:  # whoever looks at each of them says so
        return False
    return all(pods[asked.pod].address and pods[asked.pod].status(asked.name).state == "running" for asked in ASKED)


def _create(cluster: Cluster, clock: Clock, entry: Mapping[str, Any], deadline: float) -> Request:
    """Make a pod, asking again while its namespace is too new or the API server stumbles. Raises `ClusterError`."""
    name = f"{entry['metadata']['namespace']}/{entry['metadata']['name']}"
    while True:
        began = clock.now()
        lacking = ClusterError(
            f"cannot create pod {name}: its namespace has no service account yet; the controller manager makes it: "
            "does it run?"
        )
        try:
            if cluster.create_pod(entry):
                return Request(at=began, seconds=clock.now() - began)
        except RefusedError:
            raise
        except ClusterError as error:
            lacking = error
        if clock.now() >= deadline:
            raise lacking
        clock.sleep(_POLL_SECONDS)


class _Watch:
    """What is known of the pods while they come."""

    def __init__(self, cluster: Cluster, clock: Clock, space: str, deadline: float, seconds: float) -> None:
        self._cluster = cluster
        self._clock = clock
        self._namespace = space
        self._deadline = deadline
        self._seconds = seconds
        self._begun = clock.now()
        self._answered = self._seen_away = clock.now()
        self.coming = {entry.name: entry for entry in ASKED}
        self.pods: dict[str, ProbePod] = {}
        self.obstacles: dict[str, Obstacle] = {}
        """By `ProbeContainerSpec.name`."""
        self._before: dict[str, Counter[str]] = {}
        """What was tried in vain while the node was waited for, by `ProbeContainerSpec.pod`."""

    @property
    def pause(self) -> float:
        """Seconds until the next look."""
        return pace(self._clock.now() - self._begun, _POLL_SECONDS)

    def forgive(self) -> None:
        """Let nothing count that failed until now: the network's own pods may just have come up."""
        if not _running(self._cluster, self._namespace):
            for letter, name in manifest.NAMES.items():
                with suppress(ClusterError):
                    self._before[letter] = pod_problems.tried(self._cluster.events(self._namespace, name))

    def look(self) -> bool:
        """Look at the pods that are still coming; tell whether to look again.

        Time in which the API server does not answer is not held against the kubelet: it could not know of them either.
        """
        began = self._clock.now()
        late = began >= self._deadline
        for letter in dict.fromkeys(asked.pod for asked in self.coming.values()):
            mine = [asked.name for asked in self.coming.values() if asked.pod == letter]
            try:
                found = self._look_at(letter, mine, late=late)
            except NotFoundError:
                found = dict.fromkeys(mine, Obstacle("somebody deleted it: verify again", node=False))
            except ClusterError as error:
                away = self._away(error, began)
                found = dict.fromkeys(mine, Obstacle(str(error), node=False)) if away else {}
            else:
                self._answered = self._clock.now()
            for name, obstacle in found.items():
                del self.coming[name]
                if obstacle:
                    self.obstacles[name] = obstacle
        return bool(self.coming)

    def _away(self, error: ClusterError, began: float) -> bool:
        """Tell whether an API server that does not answer has been away for too long; grant the pods that time."""
        now = self._clock.now()
        if isinstance(error, RefusedError) or now - self._answered >= self._seconds:
            return True
        lost = now - max(began, self._seen_away) + self.pause
        self._seen_away = now
        self._deadline += lost
        return False

    def _look_at(self, letter: str, names: list[str], *, late: bool) -> dict[str, Obstacle | None]:
        """Give the containers whose fate is decided, those that run with None."""
        pod = self._cluster.probe_pod(self._namespace, manifest.NAMES[letter])
        self.pods[letter] = pod
        whole = pod_problems.of_pod(pod)
        decided: dict[str, Obstacle | None] = {}
        for name in names:
            status = pod.status(name)
            obstacle = whole or pod_problems.of_container(status)
            if obstacle or (status.state == "running" and (pod.address or late)):
                decided[name] = obstacle
        undecided = [name for name in names if name not in decided]
        if undecided and (late or self._clock.now() - self._begun >= _PATIENCE_SECONDS):
            events = self._events(pod)
            obstacle = pod_problems.of_events(events, tries=_TRIES, before=self._before.get(letter, Counter()))
            if obstacle:
                decided |= dict.fromkeys(undecided, obstacle)
            elif late:
                decided |= {name: pod_problems.of_time(pod, name, events, self._seconds) for name in undecided}
        return decided

    def _events(self, pod: ProbePod) -> tuple[PodEvent, ...]:
        """Give what was noted about a pod; nothing when that cannot be read: its status says something too."""
        try:
            return self._cluster.events(pod.namespace, pod.name)
        except ClusterError:
            return ()


def _seen(asked: ProbeContainerSpec, watch: _Watch) -> list[ContainerObservation]:
    """Give what is to be seen of a container: nothing when it does not run for no fault of the node."""
    obstacle = watch.obstacles.get(asked.name)
    pod = watch.pods.get(asked.pod)
    if pod is None or (obstacle and not obstacle.node):
        return []
    return [
        ContainerObservation(
            asked=asked,
            pod_uid=pod.uid,
            pod_name=pod.name,
            pod_address=pod.address,
            id="" if obstacle else pod.status(asked.name).id,
            problem=obstacle.words if obstacle else "",
        )
    ]


def _problems(watch: _Watch, node: str, *, silent: bool) -> tuple[str, ...]:
    """Tell each reason once for each pod."""
    told = {
        asked.pod: watch.obstacles[asked.name].words
        for asked in ASKED
        if (found := watch.obstacles.get(asked.name)) and not found.node and found.silent == silent
    }
    return tuple(f"{node}: pod {manifest.NAMES[letter]} did not start: {words}" for letter, words in told.items())
