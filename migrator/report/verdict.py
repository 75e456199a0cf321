"""Verdicts of nodes for people: what was proved, what failed and why, what nobody knows, what changed."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.model.evidence import Checked, Difference, NodeProfile, Outcome, StartupPhase, Verdict, Via
from migrator.model.verification import NodeProof, Verification
from migrator.proof.verdict import jobs
from migrator.report.escape import prose, visible
from migrator.report.groups import listed, variants

MARKS = {Outcome.PASSED: "✓", Outcome.FAILED: "✗", Outcome.UNKNOWN: "?"}
SESSIONS = {Via.CRI: "CRI", Via.KUBELET: "pods"}
"""How a session is called by who started its containers."""
_JOBS = {"rootfs": "root filesystem"}
_STEPS = {"api": "API server", "cri": "CRI", "low-level": "low-level runtime"}
_WIDTH = 17


def node(value: NodeProof, *, verbose: bool = False) -> str:
    """Give one node, without a line end; `verbose` lists every check."""
    return "\n".join(_node(value, verbose=verbose))


def summary(value: Verification) -> str:
    """Give one line that counts."""
    unproved = sum(not entry.good and bool(entry.verdicts) for entry in value.nodes)
    untried = sum(not entry.verdicts for entry in value.nodes)
    good = len(value.nodes) - unproved - untried
    parts = [f"{good:,} proved", f"{unproved:,} not proved"]
    if untried:
        parts.append(f"{untried:,} of which nothing is known")
    return f"Nodes: {', '.join(parts)}."


def shortcomings(value: NodeProof) -> str:
    """Say in one sentence why a node is not good; "" for one that is."""
    said = [f"{prose(value.problem)}"] if value.problem else []
    if failed := [check.id for verdict in value.verdicts for check in verdict.failed]:
        said.append(f"{listed(failed, visible)} failed")
    if changed := [entry.what for verdict in value.verdicts for entry in verdict.unannounced]:
        said.append(f"{listed(changed, visible)} changed since the baseline")
    if undone := [entry.what for entry in value.reboot or () if not entry.announced]:
        said.append(f"{listed(undone, visible)} did not survive the reboot")
    said += [prose(problem) for verdict in value.verdicts for problem in verdict.problems]
    if not said and not value.good:
        said.append("no check passed")
    return f"{visible(value.node)}: {'; '.join(said)}" if said else ""


def reasons(value: Checked) -> dict[str, str]:
    """Give what is to be known of a failed check, by the name of each line; what is not known is left out."""
    told = {"expected": value.expected, "found": value.found, "source": value.source, "to do": value.remedy}
    return {what: prose(said) for what, said in told.items() if said}


def _node(value: NodeProof, *, verbose: bool) -> Iterator[str]:
    name = visible(value.node)
    if not value.verdicts:
        yield f"{name}: cannot be proved"
        yield f"  ✗ {prose(value.problem)}"
        return
    yield _head(value)
    for number, verdict in enumerate(value.verdicts):
        if len(value.verdicts) > 1:
            yield from [""] if number else []
            yield f"  {SESSIONS[verdict.circumstances.via]}: {_counts(verdict.checks)}"
        yield from _verdict(verdict, verbose=verbose)
    if value.reboot is not None:
        changed = f"changed on the host ({len(value.reboot)})" if value.reboot else "nothing changed on the host"
        yield f"  Reboot: {changed}"
        yield from (_difference(entry, "it does not survive a reboot") for entry in value.reboot)
    if value.problem:
        yield f"  ✗ {prose(value.problem)}"


def _head(value: NodeProof) -> str:
    said = "proved" if value.good else "NOT proved"
    checks = tuple(check for verdict in value.verdicts for check in verdict.checks)
    times = ", ".join(f"{SESSIONS[entry.circumstances.via]} {entry.seconds:.0f} s" for entry in value.verdicts)
    again = ", after its reboot" if value.reboot is not None else ""
    return f"{visible(value.node)}: {said}{again}, {_counts(checks)} ({times})"


def _counts(checks: tuple[Checked, ...]) -> str:
    number = {outcome: sum(check.outcome is outcome for check in checks) for outcome in Outcome}
    return f"{len(checks)} checks: " + ", ".join(f"{count} {outcome}" for outcome, count in number.items())


def _verdict(value: Verdict, *, verbose: bool) -> Iterator[str]:
    yield f"  {_where(value.circumstances)}"
    for job, outcome, sentence in jobs(value):
        yield f"  {MARKS[outcome]} {_JOBS.get(job, visible(job)):<{_WIDTH}} {prose(sentence)}".rstrip()
    for problem in value.problems:
        yield f"  ! not the whole session: {prose(problem)}"
    if value.failed:
        yield f"  Failed ({len(value.failed)})"
        yield from (line for check in value.failed for line in _failure(check))
    yield from _unknown(value)
    if value.differences:
        yield f"  Other than in the baseline ({len(value.differences)})"
        yield from (_difference(entry, "nobody announced it") for entry in value.differences)
    if value.trace:
        yield "  From the request to the first process"
        yield from map(_leg, value.trace)
    if verbose:
        yield f"  Checks ({len(value.checks)})"
        yield from map(_check, value.checks)


def _where(value: NodeProfile) -> str:
    """Name what the verdict holds for; what is not known is left out."""
    low_level = f"{value.low_level} {value.low_level_version}".strip()
    kubelet = value.kubelet_version and f"kubelet {value.kubelet_version}"
    driver = value.cgroup_driver and f"driver {value.cgroup_driver}"
    runtime = f"{value.runtime} {value.runtime_version}".strip()
    parts = (runtime, low_level, kubelet, f"cgroup {value.cgroup}", driver, value.architecture)
    return visible(", ".join(filter(None, parts)))


def _failure(value: Checked) -> Iterator[str]:
    yield f"  ✗ {visible(value.id)}"
    yield from (f"      {what:<8}  {said}" for what, said in reasons(value).items())


def _unknown(value: Verdict) -> Iterator[str]:
    """Take the checks together that have the same reason: one missing container leaves dozens of them."""
    checks = [check for check in value.checks if check.outcome is Outcome.UNKNOWN]
    if checks:
        yield f"  Unknown ({len(checks)}), which is not passed"
    for reason, ids in variants((check.id for check in checks), (prose(check.found) for check in checks)).items():
        yield f"  ? {reason or 'no reason given'}: {listed(ids, visible)}"


def _difference(value: Difference, reproach: str) -> str:
    """Give a difference with the reason that was announced for it, or else with `reproach`."""
    mark = "~" if value.announced else "✗"
    source = f" ({prose(value.source)})" if value.source else ""
    change = f"{visible(value.what)}: {_shown(value.before)} → {_shown(value.after)}"
    return f"  {mark} {change}; {prose(value.announced) or reproach}{source}"


def _shown(value: str) -> str:
    return prose(value) or "nothing"


def _leg(value: StartupPhase) -> str:
    exact = f" (± {value.resolution:g} s)" if value.resolution >= 1 else ""
    step = _STEPS.get(value.step, visible(value.step))
    return f"    {value.seconds:7.2f} s  {step:<{_WIDTH}}  {prose(value.what)}{exact}"


def _check(value: Checked) -> str:
    return f"    {MARKS[value.outcome]} {visible(value.id):<34} {prose(value.found)}".rstrip()
