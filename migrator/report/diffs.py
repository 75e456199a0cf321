"""What would change in a file, without anything that a terminal would obey."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from functools import lru_cache

from migrator.model.plan import FileChange
from migrator.report.escape import visible

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
"""Only a line feed ends a line: `str.splitlines` would hide a carriage return and its like."""


def diff(change: FileChange) -> Iterator[str]:
    """Give a unified diff, line by line; nothing when the text stays, or is taken from another file."""
    if not change.copies:
        path = visible(change.path)
        old = path if change.before.exists else "/dev/null"
        yield from _compared(change.before.content, change.content, old, path)


@lru_cache(maxsize=256)
def _compared(before: str, after: str, old: str, new: str) -> tuple[str, ...]:
    """Compare two texts. Remembered, because nodes that differ in their images still get the same files."""
    found = []
    for line in difflib.unified_diff(_LINE.findall(before), _LINE.findall(after), old, new):
        found.append(visible(line.removesuffix("\n"), tabs=True))
        if not line.endswith("\n"):
            found.append("\\ No newline at end of file")
    return tuple(found)


def note(change: FileChange) -> str:
    """Say what the diff does not: where the bytes come from, mode and owner where they are unusual or new.

    Empty when the diff says it all.
    """
    said = [*_bytes(change), *_rights(change)]
    if not said and not change.copies and change.content == change.before.content:
        said = ["its content stays" if change.before.exists else "new and empty"]
    return visible(", ".join(said))


def _bytes(change: FileChange) -> Iterator[str]:
    before = change.before
    if change.copies:
        yield f"copied from {change.copies.path} (sha256 {change.copies.sha256})"
        yield f"replaces sha256 {before.sha256 or 'unknown'}" if before.exists else "new"
    elif before.problem:
        yield f"what it says now is not shown ({before.problem})"
    elif before.hidden:
        yield "secrets in it are shown as their hashes"


def _rights(change: FileChange) -> Iterator[str]:
    """Compare an existing file with itself, a new one with what is usual."""
    before = change.before
    owner, mode = f"{change.owner}:{change.group}", change.mode
    if not before.exists:
        yield from [f"mode {mode}"] if mode != "0644" else []
        yield from [f"owner {owner}"] if owner != "root:root" else []
        return
    if before.mode not in {"", mode}:
        yield f"mode {before.mode} → {mode}"
    if (was := f"{before.owner}:{before.group}") not in {":", owner}:
        yield f"owner {was} → {owner}"
