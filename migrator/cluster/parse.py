"""The API's JSON, as our values. Fields that an older or newer API server does not send count as absent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from kubernetes.utils.quantity import parse_quantity

from migrator.model.kubernetes import (
    CORDONED,
    CRI_SOCKET,
    MACHINES,
    NO_DISRUPTION,
    NO_SCALE_DOWN,
    OPERATORS,
    PROGRESS,
    Budget,
    DaemonSet,
    Node,
    Pod,
    Requirement,
    RuntimeClass,
)
from migrator.model.untrusted_text import is_socket

Item = Mapping[str, Any]
_MIRROR = "kubernetes.io/config.mirror"
_CONTROL_PLANE = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
_ZONES = ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone")
"""The second until Kubernetes 1.17 (k8s.io/api/core/v1/well_known_labels.go)."""
_READ = frozenset({CRI_SOCKET, CORDONED, PROGRESS, NO_SCALE_DOWN, NO_DISRUPTION, *MACHINES})
"""Annotations of a Node that matter; the others may be many."""
_LONGEST_PROGRESS = 500
_APPS = frozenset({"apps", "extensions", ""})
"""Groups of the kinds of workloads; the second until Kubernetes 1.15, and in pods made by a controller of 1.8 or before
(k8s.io/api/extensions/v1beta1/types.go)."""
_GROUPS = {"ReplicaSet": _APPS, "ReplicationController": frozenset({""}), "StatefulSet": _APPS}
"""Of the kinds whose replicas are read. Other groups have such too, as OpenKruise a StatefulSet; its DaemonSet is not
told apart, as one is like the other here: its pods stay."""
_TOLD_OTHERWISE = frozenset(f"node.kubernetes.io/{key}" for key in ("unschedulable", "not-ready", "unreachable"))
"""Taints of the node lifecycle controller, some seconds behind the field and the condition that they follow
(k8s.io/api/core/v1/well_known_taints.go)."""


def node(item: Item) -> Node:
    """Read a Node."""
    meta, spec, status = item["metadata"], item.get("spec") or {}, item["status"]
    conditions = _conditions(status)
    ready = conditions.get("Ready", {})
    labels = meta.get("labels") or {}
    room = status.get("allocatable") or {}
    return Node(
        name=meta["name"],
        machine_id=status["nodeInfo"]["machineID"],
        runtime=status["nodeInfo"]["containerRuntimeVersion"],
        kubelet_version=status["nodeInfo"]["kubeletVersion"],
        ready=ready.get("status") == "True",
        heartbeat=str(ready.get("lastHeartbeatTime", "")),
        unschedulable=bool(spec.get("unschedulable")),
        zone=next((labels[key] for key in _ZONES if key in labels), ""),
        control_plane=any(label in labels for label in _CONTROL_PLANE),
        addresses=tuple(entry["address"] for entry in status.get("addresses") or []),
        annotations=_annotations(meta.get("annotations") or {}),
        pressures=tuple(
            sorted(kind for kind, entry in conditions.items() if "Pressure" in kind and entry["status"] == "True")
        ),
        tainted=any(
            taint.get("effect") in {"NoSchedule", "NoExecute"} and taint.get("key") not in _TOLD_OTHERWISE
            for taint in spec.get("taints") or []
        ),
        cpu=_millis(room.get("cpu")),
        memory=_whole(room.get("memory")),
        room=_whole(room.get("pods")),
        volumes=tuple(status.get("volumesInUse") or ()),
    )


def _annotations(found: Mapping[str, str]) -> dict[str, str]:
    """Give those that matter. The node's own kubelet may write them: what is no socket's place counts as none."""
    read = {key: value for key, value in found.items() if key in _READ}
    if PROGRESS in read:
        read[PROGRESS] = " ".join(read[PROGRESS].split())[:_LONGEST_PROGRESS]
    for key in read.keys() - {PROGRESS, CRI_SOCKET, CORDONED}:
        read[key] = " ".join(read[key].split())[:_LONGEST_PROGRESS]
    if CRI_SOCKET in read and not is_socket(read[CRI_SOCKET]):
        del read[CRI_SOCKET]
    return read


def pod(item: Item) -> Pod:
    """Read a Pod."""
    meta, spec, status = item["metadata"], item["spec"], item.get("status") or {}
    owner = next((entry for entry in meta.get("ownerReferences") or [] if entry.get("controller")), None)
    volumes = spec.get("volumes") or []
    running, starting = spec["containers"], spec.get("initContainers") or []
    contexts = [entry.get("securityContext") or {} for entry in (*starting, *running)]
    return Pod(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        node=spec.get("nodeName", ""),
        phase=status.get("phase", ""),
        owner="" if owner is None else f"{_kind(owner)}/{owner['name']}",
        mirror=_MIRROR in (meta.get("annotations") or {}),
        terminating="deletionTimestamp" in meta,
        grace=int(meta.get("deletionGracePeriodSeconds") or 0),
        ends_within=_seconds(spec.get("terminationGracePeriodSeconds")),
        ready=_conditions(status).get("Ready", {}).get("status") == "True",
        labels=meta.get("labels") or {},
        empty_dirs=tuple(volume["name"] for volume in volumes if "emptyDir" in volume),
        host_paths=_host_paths(spec),
        claims=tuple(
            volume["persistentVolumeClaim"]["claimName"] for volume in volumes if "persistentVolumeClaim" in volume
        ),
        images=tuple(entry.get("image", "") for entry in (*starting, *running)),
        container_ids=tuple(entry.get("containerID", "") for entry in status.get("containerStatuses") or []),
        runtime_class=spec.get("runtimeClassName") or "",
        priority=int(spec.get("priority") or 0),
        cpu=_requested(running, starting, "cpu", _millis) + _millis((spec.get("overhead") or {}).get("cpu")),
        memory=_requested(running, starting, "memory", _whole) + _whole((spec.get("overhead") or {}).get("memory")),
        host_ports=tuple(
            int(port["hostPort"]) for entry in running for port in entry.get("ports") or [] if port.get("hostPort")
        ),
        capabilities=tuple(
            sorted({name for entry in contexts for name in (entry.get("capabilities") or {}).get("add") or []})
        ),
        privileged=any(entry.get("privileged") for entry in contexts),
        host_network=bool(spec.get("hostNetwork")),
    )


def _kind(owner: Item) -> str:
    """Give an owner's kind; with its group, as kubectl writes it, where that is not the one of the kind we know."""
    kind, group = str(owner["kind"]), str(owner.get("apiVersion", "")).rpartition("/")[0]
    ours = group in _GROUPS.get(kind, {group})
    return kind if ours else f"{kind}.{group}"


def budget(item: Item, version: str) -> Budget:
    """Read a PodDisruptionBudget of this version of the API.

    An empty selector selects every pod of the namespace in policy/v1, and none in v1beta1 (kubernetes 1.21 release
    notes, #99290).
    """
    selector = item["spec"].get("selector")
    status = item.get("status") or {}
    labels = (selector or {}).get("matchLabels") or {}
    expressions = tuple(
        Requirement(key=entry["key"], operator=entry["operator"], values=tuple(entry.get("values") or ()))
        for entry in (selector or {}).get("matchExpressions") or []
    )
    some = bool(labels or expressions) or (selector is not None and version == "policy/v1")
    expected = int(status.get("expectedPods", 0))
    return Budget(
        namespace=item["metadata"]["namespace"],
        name=item["metadata"]["name"],
        match_labels=labels,
        expressions=expressions,
        disruptions_allowed=int(status.get("disruptionsAllowed", 0)),
        never=0 < expected <= int(status.get("desiredHealthy", 0)),
        violated=int(status.get("currentHealthy", 0)) < int(status.get("desiredHealthy", 0)),
        simple=some and all(entry.operator in OPERATORS for entry in expressions),
    )


def runtime_class(item: Item) -> RuntimeClass:
    """Read a RuntimeClass; its handler stands at the top level since v1beta1."""
    return RuntimeClass(name=item["metadata"]["name"], handler=item.get("handler", ""))


def daemon_set(item: Item) -> DaemonSet:
    """Read a DaemonSet, as far as it reaches into hosts."""
    spec = item["spec"]["template"]["spec"]
    return DaemonSet(
        namespace=item["metadata"]["namespace"],
        name=item["metadata"]["name"],
        host_paths=_host_paths(spec),
        images=tuple(entry.get("image", "") for entry in spec["containers"]),
    )


def _host_paths(spec: Item) -> tuple[str, ...]:
    return tuple(volume["hostPath"]["path"] for volume in spec.get("volumes") or [] if "hostPath" in volume)


def _conditions(status: Item) -> dict[str, Item]:
    return {entry["type"]: entry for entry in status.get("conditions") or []}


def _requested(running: Iterable[Item], starting: Iterable[Item], what: str, read: Any) -> int:  # noqa: ANN401
    """Sum up as the scheduler does: all containers together, or the largest init container when that is more."""

    def of(entry: Item) -> int:
        return int(read(((entry.get("resources") or {}).get("requests") or {}).get(what)))

    return max(sum(map(of, running)), max(map(of, starting), default=0))


def _seconds(told: int | None) -> int:
    """Read a grace period; an API server fills in its default, 30 (k8s.io/api/core/v1/types.go)."""
    return 30 if told is None else int(told)


def _millis(quantity: object) -> int:
    return int(_quantity(quantity) * 1000)


def _whole(quantity: object) -> int:
    return int(_quantity(quantity))


def _quantity(quantity: object) -> Decimal:
    found: Decimal = parse_quantity(quantity or 0)  # type: ignore[no-untyped-call]
    return found
