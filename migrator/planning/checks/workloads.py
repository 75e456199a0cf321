"""What pods get on the new runtime without being asked: capabilities and resource limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from migrator import versions
from migrator.model.plan import Finding
from migrator.planning.checks.findings import found, listed, named
from migrator.planning.checks.lenient_reads import new_runtime
from migrator.planning.inputs import NodeInputs, Translation

NOT_IN_CRIO = ("AUDIT_WRITE", "MKNOD", "NET_RAW", "SETFCAP", "SYS_CHROOT")
"""Docker's default capabilities that CRI-O's lack (cri-o pkg/config/config.go, default_capabilities)."""

WITHOUT_A_UNITS_LINE: Mapping[str, str] = {"nofile": "1024:524288"}
"""What systemd from 240 on gives a service that sets nothing; containerd's unit from 2.0 on is one."""
UNIT_SETS_NOTHING: versions.Version = (2, 0)
_LINES: Mapping[str, tuple[str, ...]] = {
    "nofile": ("LimitNOFILE=", "RLIMIT_NOFILE", '"nofile='),
    "nproc": ("LimitNPROC=", "RLIMIT_NPROC", '"nproc='),
    "core": ("LimitCORE=", "RLIMIT_CORE", '"core='),
    "memlock": ("LimitMEMLOCK=", "RLIMIT_MEMLOCK", '"memlock='),
}
"""How a unit's drop-in, a base runtime specification and CRI-O's default_ulimits say it."""


def capabilities(now: NodeInputs, draft: Translation) -> Iterator[Finding]:
    """Programs such as ping fail without a capability that they had."""
    if now.target.runtime != "crio":
        return
    texts = [change.content for change in draft.files]
    lost = [name for name in NOT_IN_CRIO if not any("default_capabilities" in text and name in text for text in texts)]
    pods = [pod for pod in now.alive if not pod.privileged and not set(lost) <= set(pod.capabilities)]
    if lost and pods:
        yield found(
            "crio-capabilities",
            f"containers get no {listed(lost)} from CRI-O by default; pods that had them: {named(pods)}",
            "see which need them (ping needs NET_RAW) and add them to their security context",
        )


def limits(now: NodeInputs, draft: Translation) -> Iterator[Finding]:
    """Containers inherit the limits of the runtime's own process."""
    runtime = new_runtime(now)
    after = dict(runtime.unit.limits)
    if not after and now.target.runtime == "containerd" and versions.parse(runtime.version) >= UNIT_SETS_NOTHING:
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
