"""Parsers' ways to refuse text that is not what it claims to be, beside their own errors; and TOML, read with care."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

import yaml

NOT_TOML = (ValueError, RecursionError)
"""Of tomllib: also for numbers of thousands of digits, and for lists within lists without end."""
NOT_JSON = (ValueError, RecursionError)
NOT_YAML = (yaml.YAMLError, ValueError, KeyError, AttributeError, TypeError, RecursionError)
"""Of PyYAML: also for a tag (`!!bool x`) whose value is none, and for a list where a key is needed."""
DEEPEST = 100
"""Levels of tables and lists inside each other: no configuration has that many, and comparing them has an end."""
_DEEP_KEY = re.compile(
    r"""(?<![\w-])(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){%d}""" % DEEPEST,  # noqa: UP031 - braces
    re.ASCII,
)
"""A key of as many parts: tomllib takes time by the square of their number."""

MOST = 200_000
"""Values of a document. A file has at most 1 MiB; only aliases make more of it."""


def toml_document(text: str) -> dict[str, Any]:
    """Parse a TOML document. Raises `ValueError` for text that is none, and for one without an end."""
    if _DEEP_KEY.search(text):
        raise ValueError(f"has more than {DEEPEST} tables and lists inside each other")
    try:
        document = tomllib.loads(text)
    except NOT_TOML as error:
        raise ValueError(f"is not TOML: {error}") from error
    bound(document)
    return document


def bound(document: object) -> None:
    """Raise `ValueError` for a document without end: nested in itself, or made of copies of copies (YAML's aliases)."""
    for number, (depth, _) in enumerate(nested(document)):
        if depth > DEEPEST:
            raise ValueError(f"has more than {DEEPEST} tables and lists inside each other")
        if number > MOST:
            raise ValueError(f"has more than {MOST} values")


def nested(document: object) -> Iterator[tuple[int, object]]:
    """Give every value and key with its depth, without calling itself, because depth is what is looked for."""
    left = [(1, document)]
    while left:
        depth, value = left.pop()
        yield depth, value
        if isinstance(value, dict):
            left += [(depth + 1, inner) for pair in value.items() for inner in pair]
        elif isinstance(value, list):
            left += [(depth + 1, inner) for inner in value]
