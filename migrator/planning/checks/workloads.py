"""What pods get on the new runtime without being asked: capabilities and resource limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from migrator import versions
from migrator.model.plan import Finding
from migrator.planning.checks.findings import found, listed
from migrator.planning.checks.lenient_reads import new_runtime
from migrator.planning.inputs import NodeInputs, Translation

WITHOUT_A_UNITS_LINE: Mapping[str, str] = {"nofile": "1024:524288"}
"""What systemd from 240 on gives a service that sets nothing; containerd's unit from 2.0 on is one."""
_LINES: Mapping[str, tuple[str, ...]] = {
    "nofile": ("LimitNOFILE=", "RLIMIT_NOFILE", '"nofile='),
    "nproc": ("LimitNPROC=", "RLIMIT_NPROC", '"nproc='),
    "core": ("LimitCORE=", "RLIMIT_CORE", '"core='),
    "memlock": ("LimitMEMLOCK=", "RLIMIT_MEMLOCK", '"memlock='),
}
"""How a unit's drop-in, a base runtime specification and CRI-O's default_ulimits say it."""


def limits(now: NodeInputs, draft: Translation) -> Iterator[Finding]:
    """Containers inherit the limits of the runtime's own process."""
    runtime = new_runtime(now)
    after = dict(runtime.unit.limits)
    silent = now.runtime.silent_unit
    if not after and silent and versions.parse(runtime.version) >= silent:
        after = dict(WITHOUT_A_UNITS_LINE)
    before = now.facts.docker.limits if now.facts.docker else {}
    texts = [change.content for change in draft.files]
    told = set(draft.settings.ulimits) if draft.settings else set()
    changes = [
        f"{name} {before[name]} → {after[name]}"
        for name in before
        if name in after and before[name] != after[name] and name not in told and not _carried(name, texts)
    ]
    if changes:
        yield found(
            "ulimits-change",
            f"limits inside containers change (soft:hard): {listed(changes)}",
            f"set Limit…= in a drop-in of {runtime.unit.name} if pods rely on the old ones",
        )


def _carried(name: str, texts: list[str]) -> bool:
    return any(line in text for text in texts for line in _LINES.get(name, ()))
