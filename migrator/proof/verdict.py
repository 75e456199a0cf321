"""What a session's evidence proves."""

from __future__ import annotations

from collections.abc import Sequence

from migrator.model.evidence import Checked, Evidence, Outcome, Verdict
from migrator.proof import checks
from migrator.proof.catalogue import JOBS, RULES
from migrator.proof.checks.inputs import CheckInputs
from migrator.proof.compare import differences

Job = tuple[str, Outcome, str]
"""A job, what came of it, and a sentence that says why."""


def judge(evidence: Evidence, baseline: Evidence | None = None) -> Verdict:
    """Compare what was seen with what must hold, and with what was before. Never raises.

    `baseline` is a session of the same node on its old runtime, or before its reboot.
    """
    return Verdict(
        circumstances=evidence.circumstances,
        checks=tuple(checks.run(CheckInputs(evidence, baseline))),
        differences=differences(baseline, evidence) if baseline else (),
        trace=evidence.trace,
        problems=(*evidence.unasked, *evidence.problems),
        seconds=evidence.seconds,
    )


def jobs(verdict: Verdict) -> tuple[Job, ...]:
    """Sum a verdict up: the five jobs of a low-level runtime, then runtime, network and host.

    A job is passed when nothing of it failed and each check that proves it passed; where one of those is unknown, so
    is the job.
    """
    return tuple(_job(name, [entry for entry in verdict.checks if entry.job == name]) for name in JOBS)


def _job(name: str, entries: Sequence[Checked]) -> Job:
    failed, unknown, passed = (
        [entry for entry in entries if entry.outcome is outcome]
        for outcome in (Outcome.FAILED, Outcome.UNKNOWN, Outcome.PASSED)
    )
    unproved = [entry for entry in unknown if RULES[rule_id(entry)].proves]
    if failed:
        first = failed[0]
        more = f", and {len(failed) - 1} more" if len(failed) > 1 else ""
        return name, Outcome.FAILED, f"{first.id}: {first.found}, expected {first.expected}{more}"
    if not passed and not unknown:
        return name, Outcome.UNKNOWN, "nothing was checked"
    if unproved or not passed:
        first = (unproved or unknown)[0]
        return name, Outcome.UNKNOWN, f"not proved: {first.id}: {first.found}"
    rest = f", {len(unknown)} unknown" if unknown else ""
    return name, Outcome.PASSED, f"{JOBS[name]}: {len(passed)} checks passed{rest}"


def rule_id(entry: Checked) -> str:
    """Give the id that the catalogue has, without the container."""
    return entry.id.partition("[")[0]
