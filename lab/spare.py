"""A guest with Docker that belongs to no cluster: what roles are tested on."""

from __future__ import annotations

from lab import cluster, emulator, guest_image, guests
from lab.artefacts import key_of
from lab.machines import SPARES
from lab.settings import SPARE, Settings

CGROUPS = {"v2": "", "v1": "systemd.unified_cgroup_hierarchy=0"}
"""What the kernel is told for each version of cgroups (systemd(1))."""


def prepare(settings: Settings) -> None:
    """Build what it needs and the cache has not; in the lab's network nothing could be fetched."""
    guest_image.guest_image(settings, SPARE)
    emulator.program(settings)


def up(settings: Settings, cgroup: str = "v2") -> None:
    """Start it freshly booted with this version of cgroups, Docker running. The lab must be up."""
    cluster.require_up(settings)
    if SPARES.running(settings, SPARE):
        down(settings)
    image = guest_image.guest_image(settings, SPARE)
    key = key_of({"image": image.name, "recipe": "1"})
    marks = {name: settings.state / "snapshots" / f"spare-{name}-{key}" for name in CGROUPS}
    snapshot = f"booted-{cgroup}"
    if marks[cgroup].exists():
        SPARES.start(settings, SPARE, image, snapshot=snapshot)
    else:
        if not any(mark.exists() for mark in marks.values()):
            SPARES.create_disk(settings, SPARE, image)
        SPARES.start(settings, SPARE, image, words=CGROUPS[cgroup])
    guests.await_boot(settings, SPARE)
    guests.set_clock(settings, SPARE)
    guests.script(settings, SPARE, "until docker version >/dev/null 2>&1; do sleep 1; done\n")
    if not marks[cgroup].exists():
        SPARES.save(settings, SPARE, snapshot)
        marks[cgroup].touch()


def down(settings: Settings) -> None:
    """End it; its freshly booted state is kept."""
    if SPARES.running(settings, SPARE):
        SPARES.cut_power(settings, SPARE)
