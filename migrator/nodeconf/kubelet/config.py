"""The kubelet's configuration file: read it, and set single fields without touching another byte."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType

import yaml

from migrator.nodeconf.parsing import NOT_YAML, bound

_PLAIN = re.compile(r"[A-Za-z](?:[\w./-]|:(?=[\w./-]))*|\d+[A-Za-z]+")
"""Strings that need no quotes, if YAML agrees."""
_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SUFFIXES = ((10**9, "G"), (10**6, "M"), (10**3, "k"))

Scalar = str | int | bool


@lru_cache(maxsize=256)
def _read(text: str) -> tuple[Mapping[str, object], yaml.MappingNode | None]:
    """Give the fields, and the tree that knows where each of them stands; no tree for a file without any."""
    try:
        loader = _LOADER(text)
        root = loader.get_single_node()
        document = loader.construct_document(root) if root is not None else None
        bound(document)
    except NOT_YAML as error:
        raise ValueError(f"is not YAML: {' '.join(str(error).split())}") from error
    if document is None:
        return MappingProxyType({}), None
    if not isinstance(document, dict) or not isinstance(root, yaml.MappingNode):
        raise ValueError(f"is not a mapping but a {type(document).__name__}")  # noqa: TRY004 - a bad file is a value
    _refuse_duplicates(root)
    return MappingProxyType(document), root


def read(text: str, *, path: str) -> Mapping[str, object]:
    """Read a KubeletConfiguration, in YAML or JSON; an empty file is an empty mapping.

    Raises `ValueError` when it is not YAML, not a mapping, or says one key twice.
    """
    try:
        return _read(text)[0]
    except ValueError as error:
        raise ValueError(f"{path} {error}; mend it first") from error


def edit(text: str, changes: Mapping[str, Scalar], *, path: str) -> str:
    """Give the text with these top-level fields set, all other bytes as they are; new fields come last.

    Raises `ValueError` as `read` does, and when a field cannot be set in place.
    """
    before = read(text, path=path)
    new = {key: value for key, value in changes.items() if key not in before or not _same(before[key], value)}
    if not new:
        return text
    wanted = dict(before) | new
    for first in (False, True):
        candidate = _candidate(text, new, first=first)
        try:
            after = dict(_read(candidate)[0])
            if after == wanted and all(_same(after[key], value) for key, value in new.items()):
                return candidate
        except (ValueError, RecursionError):  # the latter: a file that refers to itself
            continue
    raise ValueError(f"{path}: {', '.join(new)} cannot be set in place; write each there as a plain `key: value`")


def quantity(size: int) -> str:
    """Write bytes as a decimal Kubernetes quantity: 100000000 is "100M", 104857600 stays "104857600".

    Docker's sizes are decimal (docker/go-units, FromHumanSize), so they come out round.
    """
    return next((f"{size // unit}{suffix}" for unit, suffix in _SUFFIXES if size and size % unit == 0), str(size))


def _same(found: object, wanted: Scalar) -> bool:
    """Tell equal values of one type: YAML's `true` is not 1, and "10" is not 10."""
    return type(found) is type(wanted) and found == wanted


def _candidate(text: str, changes: Mapping[str, Scalar], *, first: bool) -> str:
    """Give a text to try; whether it means what it should is for the caller to see.

    New fields come last, or first: behind a mark of the document's end they would be another document.
    """
    root = _read(text)[1]
    if root is None:
        return _ended(text) + _lines(changes, "")
    edits = list(_replaced(text, root, changes))
    missing = {key: value for key, value in changes.items() if key not in {node.value for node, _ in root.value}}
    if missing and root.flow_style:
        end = len(text[: root.end_mark.index - 1].rstrip())
        comma = ", " if root.value and not text[:end].endswith(",") else ""
        fields = (f"{json.dumps(key)}: {_scalar(value, quoted=True)}" for key, value in missing.items())
        edits.append((end, end, comma + ", ".join(fields)))
    elif missing:
        start = root.value[0][0].start_mark
        lines = _lines(missing, " " * start.column)
        at = start.index - start.column if first else len(text)
        edits.append((at, at, lines if first else _ended(text)[len(text) :] + lines))
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _replaced(text: str, root: yaml.MappingNode, changes: Mapping[str, Scalar]) -> Iterator[tuple[int, int, str]]:
    """Give start, end and new text of each value that is there already."""
    for key, node in root.value:
        if key.value in changes and isinstance(node, yaml.ScalarNode):
            start, end = node.start_mark.index, node.end_mark.index
            space = " " if start == end and not text[:start].endswith((" ", "\t")) else ""
            yield start, end, space + _scalar(changes[key.value], quoted=bool(root.flow_style) or node.style == '"')


def _lines(changes: Mapping[str, Scalar], indent: str) -> str:
    return "".join(f"{indent}{key}: {_scalar(value, quoted=False)}\n" for key, value in changes.items())


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"


def _scalar(value: Scalar, *, quoted: bool) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    if not quoted and _plain(value):
        return value
    return json.dumps(value, ensure_ascii=False)


@lru_cache(maxsize=256)
def _plain(value: str) -> bool:
    return _PLAIN.fullmatch(value) is not None and yaml.safe_load(value) == value


def _refuse_duplicates(root: yaml.Node) -> None:
    """Raise `ValueError` for a key that stands twice in one mapping: readers disagree on which of them counts."""
    for node in _nodes(root):
        if not isinstance(node, yaml.MappingNode):
            continue
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise ValueError(f"has {key.value} twice (line {key.start_mark.line + 1})")
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else "")


def _nodes(root: yaml.Node) -> Iterator[yaml.Node]:
    """Give every node once, however often it is referred to."""
    open_nodes, known = [root], {id(root)}
    while open_nodes:
        node = open_nodes.pop()
        yield node
        inner = node.value if isinstance(node.value, list) else []
        for child in (one for entry in inner for one in (entry if isinstance(entry, tuple) else (entry,))):
            if id(child) not in known:
                known.add(id(child))
                open_nodes.append(child)
