"""A guest with Docker that belongs to no cluster: what roles are tested on."""

from __future__ import annotations

from lab import cluster, guest_image, guests, qemu, waiting
from lab.settings import SPARE, Settings

_BOOTED = "booted"


def up(settings: Settings) -> None:
    """Start it freshly booted, Docker running. The lab must be up."""
    cluster.require_up(settings)
    if qemu.running(settings, SPARE):
        down(settings)
    image = guest_image.guest_image(settings)
    key = settings.state / "snapshots" / f"spare-{cluster.key(settings, image)}"
    if key.exists():
        qemu.start(settings, SPARE, image, snapshot=_BOOTED)
    else:
        qemu.create_disk(settings, SPARE, image)
        qemu.start(settings, SPARE, image)
    guests.await_boot(settings, SPARE)
    guests.set_clock(settings, SPARE)
    guests.script(settings, SPARE, "until docker version >/dev/null 2>&1; do sleep 1; done\n")
    if not key.exists():
        qemu.save(settings, SPARE, _BOOTED)
        key.touch()


def down(settings: Settings) -> None:
    """End it; its freshly booted state is kept."""
    if not qemu.running(settings, SPARE):
        return
    qemu.quit_guest(settings, SPARE)
    waiting.until(lambda: not qemu.running(settings, SPARE), "the spare guest ends", seconds=30)
