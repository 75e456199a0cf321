"""The namespace that a session's pods live in, and those that earlier sessions left."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from migrator.cluster import Cluster
from migrator.cri import OWNER_LABEL
from migrator.errors import ClusterError, NotFoundError
from migrator.model.clock import EVERY, Clock, pace
from migrator.model.kubernetes import PROBES
from migrator.model.probe_status import Namespace
from migrator.probe_session import manifest

NODE = "io.migrator.node"
"""Annotation of the namespace: which node its session is about. No label, because a node's name may be too long."""
_LEVELS = ("enforce", "audit", "warn")
_OVER_SECONDS = 3600.0


def name(session: str) -> str:
    """Give the name of a session's namespace."""
    return f"migrator-probe-{session}"


def make(cluster: Cluster, session: str, node: str) -> Namespace:
    """Make the session's namespace, open for a privileged pod. Raises `ClusterError`."""
    labels = {
        **manifest.MANAGED,
        OWNER_LABEL: session,
        **{f"pod-security.kubernetes.io/{level}": "privileged" for level in _LEVELS},
    }
    return cluster.create_namespace(name(session), labels, {NODE: node})


def sweep(cluster: Cluster, own: Namespace) -> tuple[str, ...]:
    """Ask for the end of what earlier sessions left, never waiting for it; give a sentence about each.

    To be called by whoever holds the node's lock. Raises `ClusterError`.
    """
    node = own.annotations.get(NODE, "")
    told = []
    for other in cluster.namespaces(manifest.MANAGED):
        if other.name == own.name or other.terminating:
            continue
        if OWNER_LABEL not in other.labels or not PROBES.fullmatch(other.name):
            continue
        # A namespace does not tell whether its session still runs, perhaps on another machine. But a session holds
        # the lock of its node as long as it has pods, and we hold that of ours: what names our node is over. About
        # other nodes age decides; no session takes an hour. The API server set both times, so no clock is compared
        # with another one's.
        if node and other.annotations.get(NODE) == node:
            reason = f"of an earlier session on {node}"
        elif own.created - other.created > _OVER_SECONDS:
            reason = f"of a session that began {(own.created - other.created) / 3600:.0f} h ago"
        else:
            continue
        cluster.delete_namespace(other.name)
        told.append(f"namespace {other.name} {reason} is being deleted")
    return tuple(told)


def remove_pods(
    cluster: Cluster, clock: Clock, session: str, *, seconds: float, meanwhile: Callable[[], None] = lambda: None
) -> tuple[str, ...]:
    """Delete a session's pods, wait until they are gone, and ask for its namespace's end; tell of those that stay.

    A pod that is still there after `seconds` accuses its node. What was never made is gone. An API server that stumbles
    is asked again; raises `ClusterError` when it does not say in the end what became of a pod. `meanwhile` is called
    whenever pods that were asked to end are still there.
    """
    held = dict.fromkeys(manifest.NAMES.values(), "")
    unasked: dict[str, ClusterError] = {}

    def gone() -> bool:
        unasked.clear()
        for pod in tuple(held):
            try:
                held[pod] = _pod_held(cluster, name(session), pod)
            except ClusterError as error:
                unasked[pod] = error
                continue
            if not held[pod]:
                del held[pod]
        if held:
            meanwhile()
        return not held

    began = clock.now()
    deadline = began + seconds
    away = 0.0
    while not gone():
        pause = pace(clock.now() - began)
        if unasked:
            away += pause
        # Time in which the API server does not answer is not held against the kubelet, up to as long again.
        if clock.now() >= deadline + min(away, seconds):
            break
        clock.sleep(pause)
    with suppress(ClusterError):  # whoever awaits it asks again, and the next session of this node does
        cluster.delete_namespace(name(session))
    if unasked:
        raise next(iter(unasked.values()))
    return tuple(f"pod {name(session)}/{pod} is still there: {why}" for pod, why in held.items())


def await_end(cluster: Cluster, clock: Clock, session: str, *, seconds: float) -> str:
    """Ask for the end of a session's namespace and wait for it; give why it is still there, "" when it is not.

    That is up to the control plane, and says nothing of the node.
    """
    note = ""

    def gone() -> bool:
        nonlocal note
        note = _held(cluster, session)
        return not note

    _until(clock, clock.now() + seconds, gone)
    return note


def _until(clock: Clock, deadline: float, done: Callable[[], bool]) -> None:
    """Poll, at least once, and not after the deadline."""
    while not done() and clock.now() < deadline:
        clock.sleep(EVERY)


def _pod_held(cluster: Cluster, namespace: str, pod: str) -> str:
    """Ask for a pod's end unless that was done; give why it is still there, "" when it is gone.

    Raises `ClusterError`.
    """
    try:
        found = cluster.probe_pod(namespace, pod)
        if not found.terminating:
            cluster.delete_pod(namespace, pod, manifest.GRACE_SECONDS)
    except NotFoundError:
        return ""
    return f"the kubelet of {found.node} has not reported its end"


def _held(cluster: Cluster, session: str) -> str:
    """Ask for the namespace's end unless that was done; give why it is still there, "" when it is gone."""
    try:
        found = cluster.namespace(name(session))
        if not found.terminating:
            cluster.delete_namespace(found.name)
    except NotFoundError:
        return ""
    except ClusterError as error:
        return f"whether namespace {name(session)} is gone is not known: {error}"
    why = "; ".join(found.held_by) or "its pods are still there, or the controller manager does not run"
    return f"namespace {found.name} is still being deleted: {why}"
