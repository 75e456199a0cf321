"""Patterns of file names in two dialects: Go's filepath.Match, and glob(7) of the C library.

A pattern comes from a node and may be built to take for ever, so its stars never go back for another try: each takes
the first place where what follows it fits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from enum import Enum

ANYTHING = "\0"
"""Stands in a pattern for what is not known; it may begin with a dot in both dialects."""
_LONGEST_NAME = 255
_STAR = "*"


class Dialect(Enum):
    """Who reads a pattern."""

    GO = "go"
    """A star stands for names that begin with a dot too; a class that does not end is an error."""
    GLOB = "glob"
    """Only a dot fits one that a name begins with; a class that does not end is a plain bracket."""


def fitting(pattern: str, paths: Iterable[str], dialect: Dialect) -> list[str]:
    """Give the paths that fit, in order. Raises `ValueError` for what Go takes for no pattern."""
    tests = [_test(part, dialect) for part in pattern.split("/")]
    found = []
    for path in paths:
        names = path.split("/")
        if len(names) == len(tests) and all(test(name) for test, name in zip(tests, names, strict=True)):
            found.append(path)
    return sorted(found)


def _test(pattern: str, dialect: Dialect) -> Callable[[str], bool]:
    """Give what tells whether a name between two slashes fits."""
    pieces = [""]
    signs = 0
    for sign in _signs(pattern, dialect):
        if sign != _STAR:
            pieces[-1] += sign
            signs += 1
        elif pieces[-1] or len(pieces) == 1:  # of several stars one is enough
            pieces.append("")
    if signs > _LONGEST_NAME:
        return lambda _: False
    hidden = dialect is Dialect.GLOB and pattern[:1] in {"*", "?", "["}
    first, *rest = pieces
    middle = "".join(f"(?>.*?{piece})" for piece in rest[:-1])
    last = f".*{rest[-1]}" if rest else ""
    expression = re.compile(("(?!\\.)" if hidden else "") + first + middle + last, re.DOTALL)
    return lambda name: expression.fullmatch(name) is not None


def _signs(pattern: str, dialect: Dialect) -> Iterable[str]:
    """Give an expression for each sign of a pattern, and a star for each star."""
    at = 0
    while at < len(pattern):
        sign, at = pattern[at], at + 1
        if sign in {"*", ANYTHING}:
            yield _STAR
        elif sign == "?":
            yield "."
        elif sign == "[" and (found := _class(pattern, at, dialect)):
            expression, at = found
            yield expression
        elif sign == "[" and dialect is Dialect.GO:
            raise ValueError(f"{pattern!r} is no pattern of file names: a bracket in it does not end")
        elif sign == "\\" and at < len(pattern):
            yield re.escape(pattern[at])
            at += 1
        elif sign == "\\" and dialect is Dialect.GO:
            raise ValueError(f"{pattern!r} is no pattern of file names: it ends with a backslash")
        else:
            yield re.escape(sign)


def _class(pattern: str, at: int, dialect: Dialect) -> tuple[str, int] | None:
    """Read what stands in brackets; give an expression, and where it ends. None for what does not end.

    A range whose end is before its beginning fits nothing in both dialects.
    """
    refused = pattern[at : at + 1] in ({"^"} if dialect is Dialect.GO else {"!", "^"})
    at += refused
    ranges: list[str] = []
    any_yet = False
    while True:
        if pattern[at : at + 1] == "]" and any_yet:
            break
        low, at = _member(pattern, at, dialect)
        high = low
        if pattern[at : at + 1] == "-" and (dialect is Dialect.GO or pattern[at + 1 : at + 2] != "]"):
            high, at = _member(pattern, at + 1, dialect)
        if not low or not high:
            return None
        any_yet = True
        if low <= high:
            ranges.append(f"{re.escape(low)}-{re.escape(high)}")
    if not ranges:
        return ("." if refused else "(?!)"), at + 1
    return f"[{'^' if refused else ''}{''.join(ranges)}]", at + 1


def _member(pattern: str, at: int, dialect: Dialect) -> tuple[str, int]:
    """Read one sign of a class; "" where none can stand."""
    if dialect is Dialect.GO and pattern[at : at + 1] in {"-", "]"}:
        return "", at
    if pattern[at : at + 1] == "\\":
        at += 1
    return pattern[at : at + 1], at + 1
