"""What a cgroup allows, the same for v1 and v2 (kernel Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from migrator.proof.procfs import by_file

UNLIMITED = -1
"""No limit; None is for what could not be read."""
_NEARLY_ALL = 2**62
"""v1 says "no limit" by the greatest number of bytes that whole pages make; it depends on the page's size."""


@dataclass(frozen=True)
class Limits:
    """Limits of one cgroup; UNLIMITED for none, None for unknown."""

    memory: int | None = None
    """Bytes."""
    swap: int | None = None
    """Bytes of swap beside the memory."""
    quota: int | None = None
    """Microseconds of CPU time in each period."""
    period: int | None = None
    """Microseconds."""
    shares: int | None = None
    """cpu.shares; only v1 has it."""
    weight: int | None = None
    """cpu.weight; only v2 has it."""
    pids: int | None = None


def parse(files: Mapping[str, str]) -> Limits:
    """Read the limits from a cgroup's files. Never raises."""
    at = by_file(files)
    memory = _either(at, "memory.limit_in_bytes", "memory.max")
    quota, period = _cpu(at)
    return Limits(
        memory=memory,
        swap=_swap(at, memory),
        quota=quota,
        period=period,
        shares=_number(at.get("cpu.shares")),
        weight=_number(at.get("cpu.weight")),
        pids=_number(at.get("pids.max")),
    )


def _cpu(at: Mapping[str, str]) -> tuple[int | None, int | None]:
    words = at.get("cpu.max", "").split()
    if len(words) == 2:
        return _number(words[0]), _number(words[1])
    return _number(at.get("cpu.cfs_quota_us")), _number(at.get("cpu.cfs_period_us"))


def _swap(at: Mapping[str, str], memory: int | None) -> int | None:
    if "memory.swap.max" in at:
        return _number(at["memory.swap.max"])
    both = _number(at.get("memory.memsw.limit_in_bytes"))
    if both is None or memory is None or UNLIMITED in {both, memory}:
        return UNLIMITED if both == UNLIMITED else None
    return both - memory


def _either(at: Mapping[str, str], *names: str) -> int | None:
    return next((number for name in names if (number := _number(at.get(name))) is not None), None)


def _number(text: str | None) -> int | None:
    """Read a number; UNLIMITED for "max", for -1 and for v1's greatest."""
    if text == "max":
        return UNLIMITED
    try:
        number = int(text or "")
    except ValueError:
        return None
    return UNLIMITED if number < 0 or number >= _NEARLY_ALL else number
