"""Put the tables of a TOML file in an order in which they can be edited: each beside its parent and its siblings."""

from __future__ import annotations

import re
import tomllib

from migrator.nodeconf.parsing import NOT_TOML

Path = tuple[str, ...]
_HEADER = re.compile(r"\[.*\][ \t]*(?:#.*)?")


def grouped(text: str) -> str:
    """Give the same document with the tables below one name next to each other; mostly that is `text` itself.

    A table comes where the first one of its family stands, parents first, and brings the comments right above it.
    A file whose tables cannot be told from other lines that look like one is given back as it is.
    """
    chunks = _chunks(text.splitlines(keepends=True))
    paths = [_path(chunk) for chunk in chunks]
    first: dict[Path, int] = {}
    for index, path in enumerate(paths):
        for length in range(1, len(path) + 1):
            first.setdefault(path[:length], index)
    families = [[first[path[: length + 1]] for length in range(len(path))] for path in paths]
    order = sorted(range(len(chunks)), key=families.__getitem__)
    if order == list(range(len(chunks))):
        return text
    lines = [line for index in order for line in chunks[index]]
    moved = "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)
    try:
        same = tomllib.loads(moved) == tomllib.loads(text)
    except NOT_TOML:
        return text
    return moved if same else text


def _chunks(lines: list[str]) -> list[list[str]]:
    """Split into what stands before the first table, and each table with the comments right above its header."""
    chunks: list[list[str]] = [[]]
    for line in lines:
        if _names(line):
            above = len(chunks[-1])
            while above and chunks[-1][above - 1].lstrip().startswith("#"):
                above -= 1
            chunks.append(chunks[-1][above:])
            del chunks[-2][above:]
        chunks[-1].append(line)
    return chunks


def _path(chunk: list[str]) -> Path:
    return next(filter(None, map(_names, chunk)), ())


def _names(line: str) -> Path:
    """Read a table's header; () for another line, one that only looks like one too."""
    if not _HEADER.fullmatch(line.strip()):
        return ()
    try:
        value: object = tomllib.loads(line)
    except NOT_TOML:
        return ()
    names: list[str] = []
    while isinstance(value, dict | list) and value:
        if isinstance(value, dict):
            name, value = next(iter(value.items()))
            names.append(name)
        else:
            value = value[0]
    return tuple(names)
