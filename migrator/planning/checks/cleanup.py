"""Whether Docker may be removed from a node."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.model.plan import Finding
from migrator.planning.checks.docker_users import reaches
from migrator.planning.checks.findings import found, listed
from migrator.planning.inputs import NodeInputs, Translation
from migrator.runtimes.docker.runtime import DOCKER


def unneeded(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """Neither the kubelet, nor containers, nor units, nor pods need it."""
    removal = now.removal
    if removal is None:
        return
    if DOCKER.reported(now.node.runtime):
        yield found(
            "docker-needed",
            f"the kubelet reports {now.node.runtime}",
            "only a migrated node can be cleaned up",
        )
    pods = [pod.full_name for pod in now.alive if any(reaches(path, removal.root) for path in pod.host_paths)]
    for identity, names, evidence, remedy in (
        ("docker-needed", removal.running, f"containers run in Docker: {listed(removal.running)}",
         "stop them, or move them elsewhere"),
        ("docker-needed", removal.dependents, f"units that need Docker's: {listed(removal.dependents)}",
         "take that out of them: they would stop, or not start any more"),
        ("docker-active", removal.active, f"{listed(removal.active)} runs",
         "see who uses it; images may be built there"),
        ("docker-socket-mounts", pods, f"pods reach into Docker from the host's file system: {listed(pods)}",
         "change them first: what they reach for goes"),
    ):  # fmt: skip
        if names:
            yield found(identity, evidence, remedy)


def lost(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """What somebody may want to keep."""
    removal = now.removal
    if removal is None:
        return
    for identity, what, names, remedy in (
        ("docker-containers", "containers that are not Kubernetes'", removal.containers,
         "remove them by docker rm when nobody needs what is in them"),
        ("docker-volumes", "named volumes", removal.volumes, "save what is in them"),
    ):  # fmt: skip
        if names:
            yield found(identity, f"{what} go with Docker's data: {listed(names)}", remedy)


def removable(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """What cannot be removed by removing packages and files."""
    removal = now.removal
    if removal is None:
        return
    if removal.refusal:
        yield found(
            "docker-removal",
            f"the packages cannot be removed alone: {removal.refusal}",
            "remove first what needs them",
        )
    by_hand = "remove Docker and its data by hand"
    for names, what, remedy in (
        (removal.special, "no plain folders of files", by_hand),
        (removal.strange, "does not look like a folder of Docker's", by_hand),
        (removal.others, f"in {removal.root}, and not Docker's", "move it elsewhere"),
        (removal.shared, "data of others in what would go", "move it elsewhere"),
        (removal.mounts, "mounted in what would go, or from there", "unmount it"),
        (removal.stuck, "cannot be removed as it is", "take the attribute away (chattr -i, -a), or mount it writable"),
    ):
        if names:
            yield found("docker-removal", f"{what}: {listed(names)}", remedy)
    stays = [*removal.plugged, *removal.kept_rules]
    if stays:
        yield found("docker-leftovers", f"stays, because it may not be Docker's: {listed(stays)}", "")
    if removal.passing:
        yield found("docker-leftovers", f"goes at the next boot by itself: {listed(removal.passing)}", "")
