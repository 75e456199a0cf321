"""What a probe session asks for: three pods, one of each QoS class, small enough for a busy node.

Over CRI and through the kubelet the same containers are asked for, so that both sessions can be compared.
"""

from __future__ import annotations

from migrator.model.evidence import ProbeContainerSpec

MIB = 2**20
PORT = 8080
"""The same in two pods: each has its own network."""
LINES = 20

ASKED: tuple[ProbeContainerSpec, ...] = (
    ProbeContainerSpec(
        name="one", pod="a", quality="Burstable", cpu_request=50, cpu_limit=200, memory_request=16 * MIB,
        memory_limit=64 * MIB, port=PORT, lines=LINES,
    ),
    ProbeContainerSpec(
        name="two", pod="a", quality="Burstable", cpu_request=20, cpu_limit=100, memory_request=16 * MIB,
        memory_limit=32 * MIB, seccomp="RuntimeDefault", no_new_privileges=True, dropped=("NET_RAW",),
    ),
    ProbeContainerSpec(
        name="peer", pod="b", quality="Guaranteed", cpu_request=50, cpu_limit=50, memory_request=32 * MIB,
        memory_limit=32 * MIB, port=PORT,
    ),
    ProbeContainerSpec(name="mounter", pod="c", quality="BestEffort", privileged=True),
)  # fmt: skip

MEMORY_OVER = 128 * MIB
"""More than "one" may have."""
MEMORY_UNDER = 16 * MIB
SPIN_SECONDS = 1
"""Ten periods of the quota."""
FORKS = 100
"""Processes that "one" tries to have at once."""
