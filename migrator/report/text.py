"""A plan for people: equal nodes once, with findings, steps, the fates of settings, and the diff of every file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from migrator.model.fate import Fate, KeyFate
from migrator.model.plan import FileChange, Finding, NodePlan, Plan, Severity
from migrator.report.diffs import diff, note
from migrator.report.escape import prose, visible
from migrator.report.groups import MOST, Group, cut, groups, listed, title, variants

MARKS = {Severity.BLOCKS: "✗", Severity.WARNS: "!", Severity.INFORMS: "·"}
FATES = (Fate.LOST, Fate.UNKNOWN, Fate.MOVED, Fate.CARRIED)
"""In which order fates are shown; the settings without one of these are only named."""


def plan(value: Plan) -> str:
    """Give the whole plan as text, ending in a summary line."""
    blocks = [group(entry) for entry in groups(value)]
    missing = variants((entry.host for entry in value.unplanned), (entry.problem for entry in value.unplanned))
    for problem, hosts in missing.items():
        blocks.append(f"{title(hosts, visible, 'hosts')}\n  ✗ cannot be planned: {prose(problem)}")
    return "\n\n".join(filter(None, [*blocks, batches(value), summary(value)])) + "\n"


def batches(value: Plan) -> str:
    """Give what is worked on together, and in which order, without a line end; "" for a node alone.

    The first batches are shown, and all for which a pod or a workload has to pay.
    """
    if sum(len(batch.nodes) for batch in value.batches) < 2:
        return ""
    lines = ["Batches, one after the other"]
    width = len(str(len(value.batches)))
    left = 0
    for number, batch in enumerate(value.batches, 1):
        if number > MOST and not any(entry.severity is not Severity.INFORMS for entry in batch.findings):
            left += 1
            continue
        names = title(batch.nodes, visible)
        told = ", ".join(filter(None, (visible(batch.group), "canary" if batch.canary else "")))
        lines.append(f"  {number:>{width}}  {f'{told}: ' if told else ''}{names}")
        for entry in batch.findings:
            lines.append(
                f"  {'':{width}}  {MARKS[entry.severity]} {entry.id} {entry.severity}: {prose(entry.evidence)}"
            )
            lines.append(f"  {'':{width}}      {prose(entry.remedy)}")
    if left:
        lines.append(f"  … and {left:,} more: the plan's JSON (-o json) has each")
    return "\n".join(lines)


def node(value: NodePlan) -> str:
    """Give the plan of one node, without a line end."""
    return group(Group((value,)))


def group(value: Group) -> str:
    """Give the plan of equal nodes, without a line end."""
    first, name = value.first, title(value.names, visible)
    if not first.changes:
        why = [entry.steps[0].reason if entry.steps else "the plan has no steps" for entry in value.nodes]
        return "\n".join([*_told(f"{name}: nothing to do", ", ", value.names, why), *_findings(value), *_fates(value)])
    lines = [f"{name}: {visible(first.source)} → {visible(first.target)}", *_findings(value), *_steps(value)]
    lines += _fates(value)
    if value.images:
        lines += [f"  {images_title(value)}", *(f"    {visible(name)}" for name in value.images)]
    for change in value.files:
        lines += ["", *_file(change)]
    return "\n".join(lines)


def fates(values: Iterable[KeyFate]) -> str:
    """Give a table of what becomes of each setting, without a line end; "" for no settings.

    Lost and unknown ones come first; those that do not matter for pods are named on one line.
    """
    values = tuple(values)
    rows = [(visible(entry.key), entry.fate, told(entry)) for fate in FATES for entry in values if entry.fate is fate]
    width = min(40, max((len(key) for key, _, _ in rows), default=0))
    lines = [f"{key:<{width}}  {fate:<7}  {detail}".rstrip() for key, fate, detail in rows]
    if others := [visible(entry.key) for entry in values if entry.fate not in FATES]:
        lines.append(f"{Fate.NOT_APPLICABLE}: {', '.join(others)}")
    return "\n".join(lines)


def told(fate: KeyFate) -> str:
    """Say where a setting went, and what to know of it."""
    return "; ".join(filter(None, (prose(fate.to), prose(fate.reason))))


def images_title(value: Group) -> str:
    """Head the list of a group's images."""
    each = ", by each node those that its pods use" if value.images_differ else ""
    return f"Images carried over ({len(value.images):,}{each})"


def flag(finding: Finding) -> str:
    """Give the option that waives a finding; "" when none does, or when the remedy names it already."""
    option = f"--allow {finding.id}"
    named = re.search(re.escape(option) + r"(?![\w.-]*\w)", finding.remedy)
    return option if finding.waivable and finding.severity is Severity.BLOCKS and not named else ""


def summary(value: Plan) -> str:
    """Give one line that counts."""
    change = [entry for entry in value.nodes if entry.changes and not entry.blockers]
    blocked = [entry for entry in value.nodes if entry.changes and entry.blockers]
    same = [entry for entry in value.nodes if not entry.changes]
    parts = [f"{len(change):,} to migrate", f"{len(blocked):,} blocked", f"{len(same):,} with nothing to do"]
    if value.unplanned:
        parts.append(f"{len(value.unplanned):,} that could not be planned")
    return "Plan: " + ", ".join(parts) + "."


def _findings(value: Group) -> Iterator[str]:
    for column in value.findings:
        first = column[0]
        remedies = [", or ".join(filter(None, (entry.remedy, flag(entry)))) for entry in column]
        said = [entry.evidence for entry in column]
        if alike := len(set(remedies)) == 1:
            remedy = prose(remedies[0])
        else:
            said = [f"{evidence}; {remedy}" for evidence, remedy in zip(said, remedies, strict=True)]
        head = f"  {MARKS[first.severity]} {visible(first.id)} {first.severity}"
        # What forbids a migration has to be mended on each node: there is no such thing as too much of it.
        yield from _told(head, ": ", value.names, said, whole=first.severity is Severity.BLOCKS)
        if alike and remedy:
            yield f"      {remedy}"


def _steps(value: Group) -> Iterator[str]:
    yield "  Steps"
    width = max(22, *(len(visible(step.title)) for step in value.first.steps))
    for column in value.steps:
        step = column[0]
        head = f"  {'+' if step.needed else '-'} {visible(step.title):<{width}} {step.phase:<6}"
        yield from _told(head, "  ", value.names, [entry.reason for entry in column])


def _told(head: str, joint: str, names: Sequence[str], values: Sequence[str], *, whole: bool = False) -> Iterator[str]:
    """Give one line where all nodes say the same, else the head and a line for each thing that is said."""
    kept, left = cut(variants(names, values), whole=whole)
    if len(kept) == 1:
        said = prose(values[0])
        yield f"{head}{joint}{said}" if said else head.rstrip()
        return
    yield head.rstrip()
    for value, nodes in kept.items():
        yield f"      {listed(nodes, visible)}: {prose(value)}".rstrip()
    if left:
        yield f"      … and {left:,} more nodes: the plan's JSON (-o json) has each"


def _fates(value: Group) -> Iterator[str]:
    if value.fates:
        yield f"  Settings of {visible(value.first.source.partition('://')[0])}"
        yield from (f"    {line}" for line in fates(value.fates).split("\n"))


def _file(change: FileChange) -> Iterator[str]:
    if more := note(change):
        yield f"  {visible(change.path)}: {more}"
    yield from (f"  {line}" for line in diff(change))
