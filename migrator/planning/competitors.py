"""Who else works on nodes: programs in the cluster that remove, reboot or drain them, or write a runtime's files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from migrator.model.kubernetes import NO_DISRUPTION, NO_SCALE_DOWN, Pod
from migrator.planning.image_names import last_part


@dataclass(frozen=True)
class Competitor:
    """One such program, known by its image."""

    image: str
    """What the last part of its image's repository begins with; with a slash in it, a part of the whole name."""
    what: str
    """What it does to nodes."""
    remedy: str
    writes: bool = False
    """Whether it writes the runtime's configuration on the nodes that its pods run on, and does nothing elsewhere."""
    spares: str = ""
    """Annotation by which a Node is left alone."""


_PAUSE = "scale it to zero while nodes are migrated"
_RUNTIME = "tell it of the new runtime, and stop its pods on this node until the node is migrated"
COMPETITORS = (
    Competitor("cluster-autoscaler", "removes nodes that are empty, or not Ready for long",
               f"kubectl annotate node NODE {NO_SCALE_DOWN}=true until it is migrated", spares=NO_SCALE_DOWN),
    Competitor("/karpenter", "replaces nodes that are empty, drifted or not Ready",
               f"kubectl annotate node NODE {NO_DISRUPTION}=true until it is migrated", spares=NO_DISRUPTION),
    Competitor("kured", "drains and reboots nodes",
               "keep its lock while nodes are migrated (kured, Disabling reboots)"),
    Competitor("descheduler", "evicts pods, also from where a drain has just put them", _PAUSE),
    Competitor("draino", "drains nodes by their conditions", _PAUSE),
    Competitor("node-healthcheck", "has nodes rebooted or replaced that are not Ready",
               "set spec.pauseRequests of its NodeHealthChecks while nodes are migrated"),
    Competitor("self-node-remediation", "reboots nodes that are not Ready",
               "pause the NodeHealthChecks that ask for it"),
    Competitor("node-problem-detector", "reports conditions of nodes, by which others drain or replace them",
               "see who acts on them; a stopped runtime is one of them"),
    Competitor("system-upgrade-controller", "drains and upgrades nodes by its plans", _PAUSE),
    Competitor("container-toolkit", "writes the NVIDIA runtime into the runtime's configuration and restarts it",
               f"{_RUNTIME} (gpu-operator: RUNTIME and CONTAINERD_CONFIG of the toolkit)", writes=True),
    Competitor("kata-deploy", "writes Kata's handlers into the runtime's configuration and restarts it", _RUNTIME,
               writes=True),
    Competitor("sysbox-deploy-k8s", "installs a runtime and changes the kubelet's", _RUNTIME, writes=True),
    Competitor("kwasm-node-installer", "writes handlers into the runtime's configuration", _RUNTIME, writes=True),
)  # fmt: skip
"""Sources: the documentation of each; NVIDIA/gpu-operator#712, #598 and kata-containers#13108 for what was broken."""


@lru_cache(maxsize=4096)
def of_image(image: str) -> Competitor | None:
    """Give the program that an image is of; None for an ordinary one. A cluster has few images, and many pods."""
    name, whole = last_part(image), f"/{image}"

    def of(entry: Competitor) -> bool:
        return entry.image in whole if "/" in entry.image else name.startswith(entry.image)

    return next(filter(of, COMPETITORS), None)


def of_pods(pods: Iterable[Pod]) -> dict[Competitor, tuple[str, ...]]:
    """Give those that run in pods, each with the namespaces and owners of these."""
    found: dict[Competitor, set[str]] = {}
    for pod in pods:
        for image in pod.images:
            if entry := of_image(image):
                found.setdefault(entry, set()).add(f"{pod.namespace}/{pod.owner or pod.name}")
    return {entry: tuple(sorted(names)) for entry, names in found.items()}
