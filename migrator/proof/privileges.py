"""What a process of a container may: capabilities, by runtime and by what was asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from migrator.model.evidence import ProbeContainerSpec
from migrator.runtimes.traits import Traits

CAPABILITIES: Final = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
    "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
    "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
    "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
    "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
    "CHECKPOINT_RESTORE",
)  # fmt: skip
"""By number (linux/capability.h)."""

OLD: Final = frozenset(CAPABILITIES[:38])
"""Those that every runtime knows; the later ones came with Linux 5.8 and 5.9, and older runtimes leave them out."""


def names(mask: str) -> frozenset[str] | None:
    """Name the capabilities of a hexadecimal mask; None when it is none."""
    try:
        bits = int(mask, 16)
    except ValueError:
        return None
    return frozenset(name for number, name in enumerate(CAPABILITIES) if bits >> number & 1)


def mask(capabilities: Iterable[str]) -> str:
    """Write capabilities as the kernel does in /proc/PID/status."""
    return f"{sum(1 << CAPABILITIES.index(name) for name in set(capabilities)):016x}"


def expected(asked: ProbeContainerSpec, traits: Traits) -> frozenset[str]:
    """Give what an unprivileged container has: the runtime's own set, with what was added and without what was dropped.

    "ALL" is understood in both lists; what is dropped is gone, also when it was added.
    """
    base = frozenset() if "ALL" in asked.dropped else traits.capabilities
    if "ALL" in asked.added:
        base = frozenset(CAPABILITIES)
    return (base | (set(asked.added) - {"ALL"})) - set(asked.dropped)


def written(capabilities: Iterable[str]) -> str:
    """Write them for a person, in the kernel's order."""
    chosen = set(capabilities)
    return " ".join(name for name in CAPABILITIES if name in chosen) or "none"
