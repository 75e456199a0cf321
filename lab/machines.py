"""What the lab's nodes run on: guests of QEMU's, or containers. Two kinds behind one door."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from lab import container, qemu
from lab.errors import LabError
from lab.settings import SUITE, Node, Settings

KINDS = ("guest", "container")


class Machines(Protocol):
    """One kind. Each function raises `LabError`."""

    def create_disk(self, settings: Settings, node: Node, image: Path, *, data: str = "") -> None:
        """Make its disks anew; `data` is the size of a second, empty one, "" for none."""
        ...

    def start(
        self, settings: Settings, node: Node, image: Path, *, snapshot: str | None = None, words: str = ""
    ) -> None:
        """Boot it, or go on from a snapshot; `words` are for its kernel."""
        ...

    def running(self, settings: Settings, node: Node) -> bool:
        """Tell whether it is on."""
        ...

    def pause(self, settings: Settings, node: Node) -> None:
        """Have it stand still."""
        ...

    def resume(self, settings: Settings, node: Node) -> None:
        """Have it go on."""
        ...

    def save(self, settings: Settings, node: Node, tag: str) -> None:
        """Keep a paused one under `tag`."""
        ...

    def load(self, settings: Settings, node: Node, tag: str) -> None:
        """Put it back to `tag`, going on."""
        ...

    def cut_power(self, settings: Settings, node: Node) -> None:
        """End it at once, and return when it is gone."""
        ...

    def crash(self, settings: Settings, node: Node) -> None:
        """Kill what runs it, so that nothing of it is tidied up."""
        ...

    def remove(self, settings: Settings, node: Node) -> None:
        """End it and leave nothing of it on this machine but its disks."""
        ...


def kind(settings: Settings) -> str:
    """Give the kind that is asked for; `auto` takes containers where this machine can do them, which is tried.

    What was found is kept as long as the kernel runs. Raises `LabError` for a kind that does not exist.
    """
    asked = os.environ.get("MIGRATOR_LAB_NODES", "auto")
    if asked not in (*KINDS, "auto"):
        raise LabError(f"MIGRATOR_LAB_NODES={asked!r}: one of {', '.join(KINDS)}, auto is needed")
    found = asked if asked != "auto" else "guest" if why_guests(settings) else "container"
    if found == "guest" and (others := sorted({node.suite for node in settings.nodes} - {SUITE})):
        raise LabError(
            f"nodes of {', '.join(others)} have to be containers, and here they are guests: {_why(settings)}"
        )
    return found


def why_guests(settings: Settings) -> str:
    """Say why this machine's nodes have to be guests; "" where they need not."""
    booted = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    kept = settings.cache / f"containers-{booted}"
    if not kept.exists():
        settings.cache.mkdir(parents=True, exist_ok=True)
        kept.write_text(container.obstacle(settings))
    return kept.read_text()


def said(settings: Settings) -> str:
    """Say what nodes are on this machine, and why."""
    if kind(settings) == "container":
        lacks = "" if container.capable() else ", which has not CAP_SYS_RESOURCE: a shim stands before runc and crun"
        return f"containers of this machine{lacks}"
    return f"guests of QEMU's ({_why(settings)})"


def _why(settings: Settings) -> str:
    return why_guests(settings) if os.environ.get("MIGRATOR_LAB_NODES", "auto") == "auto" else "MIGRATOR_LAB_NODES"


def of(settings: Settings) -> Machines:
    """Give the door to the nodes' machines."""
    return container if kind(settings) == "container" else qemu


SPARES: Machines = qemu
"""What spare guests are: roles are tested on a kernel and an init of their own, with the cgroups that one wants."""
