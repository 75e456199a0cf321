"""Change a TOML file where it stands, and write it anew where its layout does not allow that."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from itertools import islice
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from migrator.nodeconf.parsing import NOT_TOML
from migrator.runtimes.containerd import toml_order

_HEAD = """\
# Written anew by migrator, with all that it said before: its tables were spread in a way in which they could not be
# changed where they stood.
"""
_MOST_SIGNS = 20
"""Number signs of a line that are tried: a comment behind more of them is not kept."""
_COMMENTS = "# Its comments were:\n"
_STUMBLES = (TOMLKitError, AttributeError, KeyError, IndexError, TypeError, ValueError, RecursionError)
"""What tomlkit raises for tables that stand in several places, beside its own errors."""


def changed(text: str, change: Callable[[MutableMapping[str, Any]], object], wanted: Mapping[str, Any]) -> str:
    """Give the text with a change made to it, after which it says `wanted`.

    What nobody changes stays as it is, comments included. Only where that cannot be done, the file is laid out anew,
    each table with a header of its own; its comments then stand at its head. Raises `ValueError` when there is no
    such file, as for a table that is nested without end.
    """
    try:
        document = tomlkit.parse(toml_order.grouped(text))
        change(document)
        made = tomlkit.dumps(document)
        if "version" not in document:
            made = f"version = {wanted['version']}\n\n{made}"
    except _STUMBLES:
        return _anew(text, wanted)
    return made if _says(made, wanted) else _anew(text, wanted)


def _says(text: str, wanted: Mapping[str, Any]) -> bool:
    try:
        return tomllib.loads(text) == wanted
    except NOT_TOML:
        return False


def _anew(text: str, wanted: Mapping[str, Any]) -> str:
    comments = "".join(f"{comment}\n" for comment in _comments(text))
    try:
        values = tomlkit.dumps({"version": wanted["version"], **wanted})
    except RecursionError as error:
        raise ValueError("has tables within tables without end") from error
    return f"{_HEAD}{_COMMENTS if comments else ''}{comments}\n{values}"


def _comments(text: str) -> Iterator[str]:
    """Give what is behind each number sign that ends its line's TOML."""
    for line in text.splitlines():
        starts = islice((at for at, letter in enumerate(line) if letter == "#"), _MOST_SIGNS)
        if (at := next((at for at in starts if _whole(line[:at])), -1)) >= 0:
            yield line[at:].strip()


def _whole(line: str) -> bool:
    try:
        tomllib.loads(line)
    except NOT_TOML:
        return not line.strip(" \t]}),\"'")  # the end of a value of several lines
    return True
