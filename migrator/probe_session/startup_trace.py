"""The way of one pod from the request to its first process, with the time of each stage. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from migrator.cri import Container, Sandbox
from migrator.model.evidence import StartupPhase
from migrator.model.probe_status import PodEvent, ProbePod

_SECOND = 1.0
_CENT = 0.01
"""How well two machines' clocks can be set against each other by asking over a connection."""
_NANO = 1e9


def trace(
    pod: ProbePod,
    events: Iterable[PodEvent],
    sandbox: Sandbox | None,
    container: Container | None,
    process_start: float,
    *,
    asked: float = 0.0,
    answered: float = 0.0,
) -> tuple[StartupPhase, ...]:
    """Give the legs in the order of the flow; one whose time is not known is left out.

    `process_start` and `asked` are seconds since the epoch by the node's clock, the former counted from its boot,
    which /proc/stat tells in whole seconds (btime, proc(5)); `answered` is how many seconds the
    API server took to accept the pod. Without `asked` the legs count from the pod's creation, which the API server
    notes in whole seconds by its own clock: then none of them is more exact than that, and clocks that differ show.
    """
    coarse = _CENT if asked else _SECOND
    begin = asked or pod.created
    pulled = next((event for event in events if event.reason == "Pulled"), None)
    legs = [
        StartupPhase(
            step="api", what="the API server accepted the pod", seconds=answered, resolution=0 if asked else _SECOND
        ),
        _leg("kubelet", "the kubelet took it up", pod.started, begin, _SECOND),
        _leg("cri", "the runtime made its sandbox", sandbox.created_at / _NANO if sandbox else 0, begin, coarse),
        _leg("image", "the image was found on the node", pulled.time if pulled else 0, begin, _SECOND),
    ]
    if container:
        made, ran = container.created_at / _NANO, container.started_at / _NANO
        legs.append(_leg("low-level", f"container {container.name} was created", made, begin, coarse))
        legs.append(_leg("low-level", f"container {container.name} was started", ran, begin, coarse))
    legs.append(_leg("kernel", "its first process ran", process_start, begin, _SECOND))
    return tuple(leg for leg in legs if leg)


def _leg(step: str, what: str, time: float, begin: float, resolution: float) -> StartupPhase | None:
    if time <= 0:
        return None
    seconds = time - begin
    # A time that was cut down to a whole second may seem to come before the request; nothing really does.
    if -resolution < seconds < 0:
        seconds = 0.0
    return StartupPhase(step=step, what=what, seconds=round(seconds, 3), resolution=resolution)
