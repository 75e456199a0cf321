"""What people have said of mutants: those that were placed by hand, and those that change nothing that matters.

An entry whose text is not in its file any more is an error: a list that rots without a word is worth nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.mutants.operators import Mutant, in_function

_HERE = Path(__file__).parent
DIRECTED = _HERE / "directed.yml"
EQUIVALENT = _HERE / "equivalent.yml"


class RottenError(Exception):
    """An entry does not fit the code any more."""


@dataclass(frozen=True)
class Equivalent:
    """A mutant that no test needs to notice."""

    file: str
    source: str
    """The line that it is in."""
    new: str
    """What takes the place; "*" for everything in that line."""
    why: str

    def is_it(self, mutant: Mutant) -> bool:
        """Tell whether it is this one."""
        return (self.file, self.source) == (mutant.path, mutant.source) and self.new in {"*", mutant.new}


def directed(tree: Path, entries: list[dict[str, Any]] | None = None) -> list[Mutant]:
    """Read the mutants that were placed by hand."""
    given = entries if entries is not None else yaml.safe_load(DIRECTED.read_text(encoding="utf-8"))
    return [_directed(tree, entry) for entry in given]


def _directed(tree: Path, entry: dict[str, Any]) -> Mutant:
    path, old, new = entry["file"], entry["old"].rstrip("\n"), entry["new"].rstrip("\n")
    text = (tree / path).read_text(encoding="utf-8") if (tree / path).is_file() else ""
    if text.count(old) != 1:
        raise RottenError(f"{DIRECTED.name}: {path} has this text {text.count(old)} times, and should once:\n{old}")
    line = text[: text.index(old)].count("\n") + 1
    last = line + old.count("\n")
    return Mutant(
        path=path, line=line, first=line, last=last, function=in_function(text, line, last),
        old=" ".join(old.split()), new=" ".join(new.split()) or "(removed)",
        source=text.splitlines()[line - 1].strip(), text=text.replace(old, new), why=entry["why"],
    )  # fmt: skip


def equivalents(tree: Path) -> list[Equivalent]:
    """Read the mutants that somebody has judged to change nothing that matters."""
    found = [Equivalent(**entry) for entry in yaml.safe_load(EQUIVALENT.read_text(encoding="utf-8")) or []]
    for entry in found:
        path = tree / entry.file
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        if entry.source not in map(str.strip, lines):
            raise RottenError(f"{EQUIVALENT.name}: {entry.file} has no line any more that is\n{entry.source}")
    return found
