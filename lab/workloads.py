"""The workloads that a migration must not lose, and whether all of them are available."""

from __future__ import annotations

import json
from pathlib import Path
from string import Template
from typing import Any

from lab import controlplane, docker_settings, images, kubernetes, registries, waiting
from lab.settings import Settings

_FOLDER = Path(__file__).parent / "manifests"
_ON_DOCKER = ("docker.yml", "settings.yml")
"""What needs worker-1's Docker, and what that was told."""
_BUDGETS_V1 = (1, 21)
"""Since when PodDisruptionBudgets are policy/v1; the older name went with 1.25."""
NAMESPACE = "shop"


def manifests(settings: Settings) -> list[str]:
    """Give the manifests with the lab's image, the registry's password and the budgets' version filled in."""
    minor = kubernetes.of_cluster(settings).minor
    names = ["workloads.yml", *(_ON_DOCKER if docker_settings.history(settings.nodes[0]).registry_keys else ())]
    # `safe_substitute` leaves the shell's own `$( )` alone.
    return [
        Template((_FOLDER / name).read_text()).safe_substitute(
            BUSYBOX=images.BUSYBOX,
            PULL_SECRET=registries.credentials("lab"),
            POLICY="policy/v1" if minor >= _BUDGETS_V1 else "policy/v1beta1",
        )
        for name in names
    ]


def deploy(settings: Settings) -> None:
    """Create them all, one manifest after the other.

    All at once, an emulated node is so slow that the kubelet gives up on some sandboxes and starts them again.
    """
    for text in manifests(settings):
        controlplane.kubectl(settings, ["apply", "-f", "-"], stdin=text)
        waiting.until(lambda: not unavailable(settings), "the workloads are available", seconds=300, every=1)


def unavailable(settings: Settings) -> list[str]:
    """Name each workload that is not fully available, with its numbers; an empty list means that all are."""
    answer = controlplane.kubectl(
        settings, ["-n", NAMESPACE, "get", "deployments,statefulsets,daemonsets,jobs", "-o", "json"]
    )
    items: list[dict[str, Any]] = json.loads(answer)["items"]
    return [text for item in items if (text := _lacking(item))] or ([] if items else ["no workloads at all"])


def _lacking(item: dict[str, Any]) -> str:
    kind, status = item["kind"], item.get("status", {})
    if kind == "DaemonSet":
        wanted, have = status.get("desiredNumberScheduled", 0) or 1, status.get("numberAvailable", 0)
    elif kind == "Job":
        wanted, have = 1, status.get("succeeded", 0)
    else:
        wanted, have = item["spec"]["replicas"], status.get("readyReplicas", 0)
    return "" if have >= wanted else f"{kind} {item['metadata']['name']}: {have} of {wanted}"
