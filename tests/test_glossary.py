"""docs/glossary.md is true: its names are in the code, and its retired words are not."""

from __future__ import annotations

import ast
import builtins
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TREE = Path(__file__).parents[1]
TEXT = (TREE / "docs" / "glossary.md").read_text(encoding="utf-8")
WORDS, RETIRED = TEXT.split("## Retired words")
NAMES = re.findall(r"^\| \*\*(.+?)\*\* \|.*\| `([\w.]+)` \|$", WORDS, re.MULTILINE)
ROWS = re.findall(r"^\| (?!retired|---)([\w ,]+?) \|", RETIRED, re.MULTILINE)
GONE = frozenset(word.strip() for row in ROWS for word in row.split(","))


@pytest.mark.parametrize("name", [name for _, name in NAMES])
def test_each_name_exists(name: str) -> None:
    """A module, or something that one has."""
    parent, _, attribute = name.rpartition(".")
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        assert hasattr(importlib.import_module(parent), attribute)


def test_the_words_are_in_order() -> None:
    """So that one is found by eye; each stands once."""
    words = [word for word, _ in NAMES]
    assert len(words) > 30
    assert words == sorted(set(words))


def names() -> Iterator[tuple[str, str]]:
    """Give each module, and each class in one, with where it is."""
    for path in sorted((TREE / "migrator").rglob("*.py")):
        yield path.stem, str(path)
        for entry in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(entry, ast.ClassDef):
                yield re.sub(r"(?<!^)(?=[A-Z])", "_", entry.name).lower(), f"{path}: {entry.name}"


def test_no_module_or_class_has_a_retired_name() -> None:
    """As a whole word of its name."""
    assert len(GONE) > 20
    assert [where for name, where in names() if GONE & set(name.strip("_").split("_"))] == []


def test_errors_that_docstrings_name_exist() -> None:
    """A class that was renamed is not promised by its old name any more."""
    texts = {path: path.read_text(encoding="utf-8") for path in sorted((TREE / "migrator").rglob("*.py"))}
    known = {name for text in texts.values() for name in re.findall(r"^class (\w+Error)\b", text, re.MULTILINE)}
    known |= set(dir(builtins))
    named = {(path.name, name) for path, text in texts.items() for name in re.findall(r"`(\w+Error)`", text)}
    assert len(named) > 20
    assert [(path, name) for path, name in sorted(named) if name not in known] == []
