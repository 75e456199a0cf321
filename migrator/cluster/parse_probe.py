"""The API's JSON of what a probe session makes, as our values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from migrator.model.probe_status import ContainerStatus, Namespace, PodEvent, ProbePod

Item = Mapping[str, Any]
_DELETION = ("NamespaceDeletion", "NamespaceContentRemaining", "NamespaceFinalizersRemaining")
"""Types of conditions that say why a namespace still exists (k8s.io/api core/v1 types.go, 1.20)."""


def namespace(item: Item) -> Namespace:
    """Read a Namespace."""
    meta = item["metadata"]
    return Namespace(
        name=meta["name"],
        labels=meta.get("labels") or {},
        annotations=meta.get("annotations") or {},
        created=moment(meta.get("creationTimestamp")),
        terminating="deletionTimestamp" in meta,
        held_by=tuple(
            entry.get("message", "")
            for entry in (item.get("status") or {}).get("conditions") or []
            if entry["type"].startswith(_DELETION) and entry["status"] == "True"
        ),
    )


def probe_pod(item: Item) -> ProbePod:
    """Read a Pod's progress."""
    meta, status = item["metadata"], item.get("status") or {}
    return ProbePod(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        phase=status.get("phase", ""),
        reason=status.get("reason", ""),
        message=status.get("message", ""),
        address=status.get("podIP", ""),
        node=item["spec"].get("nodeName", ""),
        created=moment(meta.get("creationTimestamp")),
        started=moment(status.get("startTime")),
        terminating="deletionTimestamp" in meta,
        statuses=tuple(_status(entry) for entry in status.get("containerStatuses") or []),
    )


def _status(item: Item) -> ContainerStatus:
    # Exactly one member is set, and its name is the state.
    states: dict[str, Item] = item.get("state") or {}
    state = next(iter(states), "")
    details = states.get(state) or {}
    return ContainerStatus(
        name=item["name"],
        id=item.get("containerID", "").rpartition("://")[2],
        state=state,
        reason=details.get("reason", ""),
        message=details.get("message", ""),
        started_at=moment(details.get("startedAt")),
        exit_code=details.get("exitCode", 0),
    )


def event(item: Item) -> PodEvent:
    """Read an Event; who reports by events.k8s.io sets eventTime and a series instead of the older fields."""
    first = item.get("firstTimestamp") or item.get("eventTime") or item["metadata"].get("creationTimestamp")
    return PodEvent(
        type=item.get("type", ""),
        reason=item.get("reason", ""),
        message=item.get("message", ""),
        time=moment(first),
        count=(item.get("series") or {}).get("count") or item.get("count") or 1,
    )


def moment(text: str | None) -> float:
    """Read a time of the API, for example "2026-01-01T00:00:00Z"; null, which Go writes for none, is 0.0."""
    return datetime.fromisoformat(text).timestamp() if text else 0.0
