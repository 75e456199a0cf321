"""Limits by what happens when a container goes beyond them."""
# ruff: noqa: D401 - each function says what must hold

from __future__ import annotations

from migrator.model.evidence import ActionResult
from migrator.proof.checks.inputs import CheckInputs, Result, holds, need, unknown
from migrator.proof.spec import FORKS

KILLED = 137
"""Exit code of a process that SIGKILL ended."""
_OVERSHOOT = 1.5
"""A container may use up to this multiple of its limit in a short time: quota is handed out in slices."""
_STARVED = 0.1
"""Less than this part of its limit is the fault of a busy node."""
_MANY = 0.5


def memory(scene: CheckInputs) -> Result:
    """More memory than the limit must be the end of the process, by the kernel."""
    act = scene.act("memory-over", "one")
    expected = f"exit {KILLED} and one more OOM kill"
    before, after = _count(act, "oom_kills_before"), _count(act, "oom_kills_after")
    if act.exit_code != KILLED:
        return holds(good=False, expected=expected, found=f"exit {act.exit_code}, {_said(act)}")
    if before is None or after is None:
        return holds(good=True, expected=expected, found="killed; its cgroup's counter was gone or unreadable")
    return holds(after > before, expected, f"exit {KILLED}, OOM kills {before} → {after}")


def memory_allowed(scene: CheckInputs) -> Result:
    """Memory below the limit must be had."""
    act = scene.act("memory-under", "one")
    return holds(act.exit_code == 0, "exit 0", f"exit {act.exit_code}, {_said(act)}")


def cpu(scene: CheckInputs) -> Result | None:
    """A busy loop gets about its quota, and the kernel counts that it was held back."""
    if not scene.circumstances.cpu_quota:
        return None
    act = scene.act("spin", "one")
    limit = need(scene.subject("one").asked.cpu_limit or None, "CPU limit of the container") / 1000
    wall, used = _number(act, "wall_ns"), _number(act, "cpu_ns")
    need(wall or None, "time that the busy loop took")
    got = need(used, "CPU time of the busy loop") / need(wall, "time of the busy loop")
    before, after = _count(act, "throttled_before"), _count(act, "throttled_after")
    expected = f"at most {limit * _OVERSHOOT:.2f} CPUs, throttled"
    found = f"{got:.2f} CPUs, throttled {before} → {after}"
    if got > limit * _OVERSHOOT:
        return holds(good=False, expected=expected, found=found)
    if got < limit * _STARVED:
        return unknown(expected, f"{found}: starved by other work on the node")
    if before is None or after is None or after <= before:
        return unknown(expected, f"{found}: nothing shows that the quota held it back")
    return holds(good=True, expected=expected, found=found)


def processes(scene: CheckInputs) -> Result:
    """Forks end where the limit is."""
    act = scene.act("fork", "one")
    limit = _count(act, "limit")
    limit = scene.circumstances.pods_limit if limit is None else limit
    forked = int(need(_number(act, "forked"), "number of processes that could be started"))
    found = f"{forked} processes, then {act.answer.get('error', 'no error')}"
    if not limit:
        if forked < FORKS and act.answer.get("error") != "EAGAIN":
            return unknown(f"{FORKS} processes", found)
        return holds(forked >= FORKS, f"no limit: {FORKS} processes", found)
    if limit >= FORKS:
        good = forked >= FORKS
        return (
            unknown(f"at most {limit}", f"{found}: fewer were tried than are allowed") if good else _short(limit, found)
        )
    if forked >= limit:
        return holds(good=False, expected=f"fewer than {limit}", found=found)
    return (
        holds(good=True, expected=f"fewer than {limit}", found=found)
        if forked >= limit * _MANY
        else _short(limit, found)
    )


def _short(limit: int, found: str) -> Result:
    return unknown(f"up to {limit}", f"{found}: another limit came first")


def _said(act: ActionResult) -> str:
    words = [f"{key} {value}" for key, value in sorted(act.answer.items())]
    return ", ".join(words) or "no answer"


def _number(act: ActionResult, name: str) -> float | None:
    value = act.answer.get(name)
    return None if not isinstance(value, int | float) else float(value)


def _count(act: ActionResult, name: str) -> int | None:
    value = act.facts.get(name)
    return value if isinstance(value, int) else None
