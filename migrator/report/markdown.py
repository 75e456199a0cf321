"""A plan for a pull request, in GitHub's Markdown, where no value of a node can become structure."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence

from migrator.model.fate import Fate, KeyFate
from migrator.model.plan import FileChange, Plan, Severity
from migrator.report import text
from migrator.report.diffs import diff, note
from migrator.report.escape import visible
from migrator.report.groups import Group, cut, groups, listed, title, variants

_PLAIN = re.compile(r"[^\W_]([^\W_]|[.,;:'()/=%+→…?-])*|[→×+-]|")
"""A word that means nothing to Markdown: no emphasis, link, mention, reference, HTML or cell."""
_LINK = re.compile(r"://|www\.", re.IGNORECASE)
_WRAPPED = re.compile(r"([('\"]*)(.*?)([.,;:)'\"]*)", re.DOTALL)
"""A word between the punctuation of its sentence."""
_UNSAFE = re.compile(r"[^A-Za-z0-9 /-]", re.ASCII)


def plan(value: Plan) -> str:
    """Give the whole plan: the counts, then a heading for each group of equal nodes."""
    parts = [f"**{text.summary(value)}**"]
    for entry in groups(value):
        parts += _group(entry)
    missing = variants((entry.host for entry in value.unplanned), (entry.problem for entry in value.unplanned))
    for problem, hosts in missing.items():
        parts += [f"## {title(hosts, word, 'hosts')}", f"✗ cannot be planned: {words(problem)}"]
    if shown := text.batches(value):
        head, _, rest = shown.partition("\n")
        parts += [f"## {head}", _fenced(rest.split("\n"), "text")]
    return "\n\n".join(parts) + "\n"


def word(value: str) -> str:
    """Give a short value as it is where Markdown would leave it so, else as code."""
    return value if _PLAIN.fullmatch(value) and not _LINK.search(value) else code(value)


def words(value: str) -> str:
    """Give a sentence on one line, with every word that Markdown could take for more as code."""
    found = (_WRAPPED.fullmatch(part) for part in value.split())
    return " ".join(f"{part[1]}{word(part[2])}{part[3]}" for part in found if part)


def code(value: str) -> str:
    """Give a value as code, on one line.

    A backtick would end the code and a bar the table's cell, so that a value with one of them is written in HTML,
    in entities, which Markdown never takes for structure.
    """
    shown = visible(value)
    if not {"`", "|"} & set(shown) and shown == shown.strip():
        return f"`{shown}`" if shown else "<code></code>"
    return f"<code>{_UNSAFE.sub(lambda found: f'&#{ord(found[0])};', shown)}</code>"


def _group(value: Group) -> Iterator[str]:
    first, name = value.first, title(value.names, word)
    if first.changes:
        yield f"## {name}: {word(first.source)} → {word(first.target)}"
    else:
        why = [entry.steps[0].reason if entry.steps else "the plan has no steps" for entry in value.nodes]
        yield f"## {name}: nothing to do"
        yield f"Why: {_told(value.names, why)}"
    if value.findings:
        yield _table(("", "Finding", "Evidence", "What to do"), _findings(value))
    if first.changes:
        yield _table(("", "Step", "When", "Why, or why not"), _steps(value))
    if value.fates:
        runtime = word(first.source.partition("://")[0])
        yield _table((f"Setting of {runtime}", "Fate", "Where to, or why"), _fates(value.fates))
    if first.changes and value.images:
        images = "\n".join(f"- {code(name)}" for name in value.images)
        yield _folded(text.images_title(value), images)
    if first.changes:
        yield from map(_file, value.files)


def _findings(value: Group) -> Iterator[Sequence[str]]:
    for column in value.findings:
        first, whole = column[0], column[0].severity is Severity.BLOCKS
        remedy = _told(value.names, [entry.remedy for entry in column], whole=whole)
        option = text.flag(first)
        yield (
            f"{text.MARKS[first.severity]} {first.severity}",
            code(first.id),
            _told(value.names, [entry.evidence for entry in column], whole=whole),
            ", or ".join(filter(None, (remedy, option and code(option)))),
        )


def _steps(value: Group) -> Iterator[Sequence[str]]:
    for column in value.steps:
        step = column[0]
        why = _told(value.names, [entry.reason for entry in column])
        yield "+" if step.needed else "-", words(step.title), step.phase, why


def _fates(values: Sequence[KeyFate]) -> Iterator[Sequence[str]]:
    for fate in text.FATES:
        for entry in values:
            if entry.fate is fate:
                yield code(entry.key), fate, words(text.told(entry))
    if others := [code(entry.key) for entry in values if entry.fate not in text.FATES]:
        yield ", ".join(others), Fate.NOT_APPLICABLE, ""


def _told(names: Sequence[str], values: Sequence[str], *, whole: bool = False) -> str:
    """Give what is said of all nodes, or in several lines of one cell what is said of which."""
    kept, left = cut(variants(names, values), whole=whole)
    if len(kept) == 1:
        return words(values[0])
    lines = [f"{listed(nodes, word)}: {words(value)}" for value, nodes in kept.items()]
    if left:
        lines.append(f"… and {left:,} more nodes")
    return "<br>".join(lines)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def _file(change: FileChange) -> str:
    more, lines = note(change), list(diff(change))
    kind = "changed" if change.before.exists else "new"
    head = f"<code>{html.escape(visible(change.path))}</code> ({kind})"
    body = [*([f"Note: {words(more)}"] if more else []), *([_fenced(lines)] if lines else [])]
    return _folded(head, "\n\n".join(body))


def _fenced(lines: Sequence[str], kind: str = "diff") -> str:
    """Give a block whose fence is longer than every run of backticks in it."""
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}{kind}", *lines, fence])


def _folded(head: str, body: str) -> str:
    return f"<details>\n<summary>{head}</summary>\n\n{body}\n\n</details>"
