"""A plan for a terminal: short, one block a node, with the diff of every file."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from migrator.model.plan import FileChange, NodePlan, Plan, Severity

_MARK = {Severity.BLOCKS: "✗", Severity.WARNS: "!", Severity.INFORMS: "·"}


def plan(value: Plan) -> str:
    """Give the whole plan as text, ending in a summary line."""
    blocks = [node(entry) for entry in value.nodes]
    blocks += [f"{entry.host}\n  ✗ cannot be planned: {entry.problem}" for entry in value.unplanned]
    return "\n\n".join([*blocks, summary(value)]) + "\n"


def node(value: NodePlan) -> str:
    """Give the plan of one node."""
    if not value.changes:
        reasons = value.steps[0].reason if value.steps else ""
        return "\n".join([f"{value.node}: nothing to do, {reasons}", *_findings(value)])
    lines = [f"{value.node}: {value.source} → {value.target}", *_findings(value), "  Steps"]
    for step in value.steps:
        mark = "+" if step.needed else "-"
        lines.append(f"  {mark} {step.title:<22} {step.phase:<6}  {step.reason}")
    if value.images:
        lines += ["  Images carried over", *(f"    {image}" for image in value.images)]
    for change in value.files:
        lines += ["", *(f"  {line}" for line in diff(change))]
    return "\n".join(lines)


def _findings(value: NodePlan) -> Iterator[str]:
    for finding in sorted(value.findings, key=lambda entry: list(_MARK).index(entry.severity)):
        yield f"  {_MARK[finding.severity]} {finding.id} {finding.severity}: {finding.evidence}"
        yield f"      {finding.remedy}"


def diff(change: FileChange) -> Iterator[str]:
    """Give a unified diff of one file."""
    before = change.before.content.splitlines()
    after = change.content.splitlines()
    name = change.path if change.before.exists else "/dev/null"
    yield from difflib.unified_diff(before, after, name, change.path, lineterm="")


def summary(value: Plan) -> str:
    """Give one line that counts."""
    change = [entry for entry in value.nodes if entry.changes and not entry.blockers]
    blocked = [entry for entry in value.nodes if entry.changes and entry.blockers]
    same = [entry for entry in value.nodes if not entry.changes]
    parts = [f"{len(change)} to migrate", f"{len(blocked)} blocked", f"{len(same)} with nothing to do"]
    if value.unplanned:
        parts.append(f"{len(value.unplanned)} that could not be planned")
    return "Plan: " + ", ".join(parts) + "."
