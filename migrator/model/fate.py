"""What becomes of each setting of the old runtime."""

from __future__ import annotations

from enum import StrEnum

from migrator.model.base import Value


class Fate(StrEnum):
    """What became of a setting of the old runtime. Each has exactly one."""

    CARRIED = "carried"
    """The new runtime does the same."""
    MOVED = "moved"
    """Something else does the same: the kubelet, systemd, the network plugin."""
    NOT_APPLICABLE = "not applicable"
    """It never concerned pods, or its value is what happens anyway."""
    LOST = "lost"
    """Nothing does the same; that needs consent."""
    UNKNOWN = "unknown"
    """No Docker of 1.13 to 29 has this key."""


class KeyFate(Value):
    """One key, or one entry of a key that holds several."""

    key: str
    """For example "registry-mirrors", or "log-opts.max-size" for an entry: the part before the dot is the key."""
    fate: Fate
    to: str = ""
    """Where it went: a file and the key in it."""
    reason: str = ""
    """Why it is lost or not applicable; what to know of one that is carried."""
