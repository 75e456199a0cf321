"""Images that are carried over: whether they are there, what they lose on the way, and room for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from migrator.model.facts import Disk, DockerImage
from migrator.model.plan import Finding
from migrator.planning.checks.findings import found, listed
from migrator.planning.checks.lenient_reads import new_runtime
from migrator.planning.image_names import familiar
from migrator.planning.inputs import NodeInputs, Translation

KEPT_FREE = 0.15
"""Share of an image filesystem below which the kubelet evicts (`imagefs.available<15%`, its default)."""


def _stored(now: NodeInputs) -> tuple[DockerImage, ...]:
    return now.facts.docker.images if now.facts.docker else ()


def origins(now: NodeInputs, draft: Translation) -> Iterator[Finding]:
    """What Docker does not have has to be pulled; what a registry does not have cannot be."""
    if now.facts.docker is None:
        return
    there = {familiar(name) for image in _stored(now) for name in image.names} | {image.id for image in _stored(now)}
    pause = {draft.settings.pause_image} if draft.settings and draft.settings.pause_image else set()
    missing = [name for name in now.images | pause if familiar(name) not in there]
    if missing:
        only = " (the pause image is pulled without the kubelet's passwords)" if pause & set(missing) else ""
        yield found(
            "images-missing",
            f"in use or asked for, and not in Docker's store: {listed(missing)}",
            f"see that their registries answer, or pull them with Docker first{only}",
        )
    needed = {familiar(name) for name in now.images | pause}
    alone = [tag for image in _stored(now) if not image.digests for tag in image.tags if familiar(tag) in needed]
    if alone:
        yield found(
            "node-only-images",
            f"never pulled or pushed, so that no registry is known to have them: {listed(alone)}",
            "they are carried over; push them somewhere all the same",
        )


def room(now: NodeInputs, draft: Translation) -> Iterator[Finding]:
    """Docker's store stays, so the node holds each image twice for a while."""
    runtime = new_runtime(now)
    carried = {image.id: image.size for image in _stored(now) if set(image.names) & set(draft.images)}
    needed = sum(carried.values()) * runtime.copies
    root = root_of_data(now, draft)
    disk = _under(now.facts.host.disks, root)
    if disk is None or not disk.size or not needed:
        return
    left = disk.free - needed
    if left < KEPT_FREE * disk.size:
        yield found(
            "disk-space",
            f"{len(carried)} images need {_human(needed)} below {root}; {disk.mount} has {_human(disk.free)} of "
            f"{_human(disk.size)} free, and the kubelet wants {KEPT_FREE:.0%} to stay free",
            "remove unused images (docker image prune), or give the folder a larger disk",
        )


def root_of_data(now: NodeInputs, draft: Translation) -> str:
    """Give the folder that the new runtime will keep images and containers in."""
    if draft.settings and draft.settings.root:
        return draft.settings.root
    try:
        return now.runtime.data_root(now.facts)
    except ValueError:  # `unreadable-file` says so
        return new_runtime(now).root


def _under(disks: tuple[Disk, ...], root: str) -> Disk | None:
    """Give the filesystem that holds `root`: the one that was asked for it, else the one mounted nearest above."""
    if exact := next((disk for disk in disks if disk.path == root), None):
        return exact
    folder = PurePosixPath(root)
    above = [disk for disk in disks if PurePosixPath(disk.mount) in {folder, *folder.parents}]
    return max(above, key=lambda disk: len(PurePosixPath(disk.mount).parts), default=None)


def _human(size: int) -> str:
    return f"{size / 1024**3:.1f} GiB" if size >= 1024**3 else f"{size / 1024**2:.0f} MiB"
