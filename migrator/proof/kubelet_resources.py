"""The numbers that a kubelet makes of requests and limits, and what a cgroup has of them afterwards.

Kubernetes 1.20.2: pkg/kubelet/cm/helpers_linux.go, pkg/kubelet/qos/policy.go.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from migrator.model.evidence import NodeProfile, ProbeContainerSpec, Via

PERIOD = 100_000
"""Microseconds of CPU time that limits are counted in."""
_SHARES_OF_A_CPU = 1024
_LEAST_SHARES, _MOST_SHARES = 2, 262_144
_LEAST_QUOTA = 1000
_MOST_WEIGHT = 10_000
_OOM: Mapping[str, int] = {"Guaranteed": -997, "BestEffort": 1000}
_BURSTABLE = range(3, 1000)
BURSTABLE_OVER_CRI = 999
"""What we ask for where no kubelet computes it."""


def shares(request: int, limit: int = 0) -> int:
    """Give cpu.shares of a request in millicores; without one the limit counts."""
    return min(max((request or limit) * _SHARES_OF_A_CPU // 1000, _LEAST_SHARES), _MOST_SHARES)


def quota(limit: int) -> int:
    """Give the CPU time in each period of a limit in millicores, in microseconds."""
    return max(limit * PERIOD // 1000, _LEAST_QUOTA)


def weights(cpu_shares: int) -> frozenset[int]:
    """Give every cpu.weight that may stand for these shares.

    The old formula is linear; runc 1.3.2, crun 1.23 and kubelet 1.35 have another, by which 1024 shares are 100.
    """
    linear = 1 + (cpu_shares - _LEAST_SHARES) * (_MOST_WEIGHT - 1) // (_MOST_SHARES - _LEAST_SHARES)
    return frozenset({linear, _weight(cpu_shares)})


def _weight(cpu_shares: int) -> int:
    """opencontainers/cgroups 0.0.3, ConvertCPUSharesToCgroupV2Value."""
    if cpu_shares <= _LEAST_SHARES:
        return 1
    if cpu_shares >= _MOST_SHARES:
        return _MOST_WEIGHT
    power = math.log2(cpu_shares)
    return math.ceil(10 ** ((power * power + 125 * power) / 612 - 7 / 34))


def oom_score(asked: ProbeContainerSpec, circumstances: NodeProfile) -> int | None:
    """Give oom_score_adj of a container; None when the node's memory is not known and matters."""
    if asked.quality in _OOM:
        return _OOM[asked.quality]
    if circumstances.via is Via.CRI:
        return BURSTABLE_OVER_CRI
    if not circumstances.memory:
        return None
    score = 1000 - 1000 * asked.memory_request // circumstances.memory
    return min(max(score, _BURSTABLE.start), _BURSTABLE.stop - 1)


def whole_pages(amount: int, page: int) -> int:
    """Give what the kernel makes of a limit in bytes."""
    return amount // page * page if page > 0 else amount


def pod_memory(containers: Iterable[ProbeContainerSpec]) -> int:
    """Give the memory limit of a pod in bytes; 0 for none: every container must have one."""
    limits = [asked.memory_limit for asked in containers]
    return sum(limits) if limits and all(limits) else 0


def pod_cpu_limit(containers: Iterable[ProbeContainerSpec]) -> int:
    """Give the CPU limit of a pod in millicores, likewise."""
    limits = [asked.cpu_limit for asked in containers]
    return sum(limits) if limits and all(limits) else 0


def pod_cpu_request(containers: Iterable[ProbeContainerSpec]) -> int:
    """Give the CPU request of a pod in millicores; a container with a limit alone requests that."""
    return sum(asked.cpu_request or asked.cpu_limit for asked in containers)
