"""Colours, for terminals only: they add nothing that the text does not say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

_STYLES = (
    (re.compile(r"\S"), "bold"),
    (re.compile(r"  (  )?✗ "), "red"),
    (re.compile(r"  ! |  (  )?\? "), "yellow"),
    (re.compile(r"  \+ |  (  )?✓ "), "green"),
    (re.compile(r"  [-~] "), "dim"),
    (re.compile(r"    \S.*  (lost|unknown)  "), "yellow"),
)
"""How a line begins outside of diffs, and its style."""
_DIFF_STYLES = {"+": "green", "-": "red", "@": "cyan"}


def styled(text: str) -> Text:
    """Give what `text.plan` or `verdict.text` gave, in colours, unchanged otherwise.

    Print it with `soft_wrap`, which keeps its lines.
    """
    from rich.text import Text  # noqa: PLC0415 - start-up time that only terminals need

    result = Text()
    in_diff = False
    for line in text.splitlines(keepends=True):
        in_diff = line.startswith("  --- ") or (in_diff and line != "\n")
        result.append(line, style=_diff_style(line) if in_diff else _style(line))
    return result


def _style(line: str) -> str:
    return next((style for start, style in _STYLES if start.match(line)), "")


def _diff_style(line: str) -> str:
    if line.startswith(("  --- ", "  +++ ")):
        return "bold"
    return _DIFF_STYLES.get(line[2:3], "")
