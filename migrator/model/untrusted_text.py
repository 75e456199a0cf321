"""Words that come from outside: which characters they may have, and how many. What a node says may be hostile.

A value that breaks a rule is refused as a whole, with the place that it has in its document.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import BeforeValidator, StringConstraints, TypeAdapter, ValidationError

_LINE = r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]*"

Line = Annotated[str, StringConstraints(max_length=4096, pattern=rf"^{_LINE}$")]
"""One line without control characters."""
NodePath = Annotated[str, StringConstraints(max_length=4096, pattern=rf"^(?:/{_LINE})?$")]
"""An absolute path (PATH_MAX of linux/limits.h), or "" for none."""
Socket = Annotated[str, StringConstraints(max_length=512, pattern=rf"^(?:(?:unix:(?://)?)?/{_LINE})?$")]
"""Where a runtime listens, with or without a scheme, or "" for nowhere."""
_SOCKET = TypeAdapter(Socket)
TransactionId = Annotated[str, StringConstraints(max_length=300, pattern=r"^(?:[a-z0-9][a-z0-9.-]*)?$")]
"""The folder of a switch below a node's transactions: a time and a Node's name, or "" for none."""
Told = Annotated[str, BeforeValidator(lambda text: " ".join(text.split())[:4000] if isinstance(text, str) else text)]
"""Prose of a node, made one line: whoever reads it takes lines for ours."""
Mode = Annotated[str, StringConstraints(pattern=r"^[0-7]{0,5}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z]{0,64}$")]
"""A hash in hex; another word of letters and digits equals none, and does no harm."""


def is_socket(text: str) -> bool:
    """Tell whether a text is a `Socket`."""
    try:
        _SOCKET.validate_python(text)
    except ValidationError:
        return False
    return True


SocketOrNone = Annotated[
    Socket | None, BeforeValidator(lambda text: text if isinstance(text, str) and is_socket(text) else None)
]
"""Where a runtime listens; anything else counts as none."""

MOST_CHARACTERS = 64 * 2**20
"""Of one answer: a node's facts have some hundred thousand."""
MOST_ENTRIES = 500_000
MOST_IN_ONE = 20_000
"""Entries of one list: the node's own limit is 5,000 (roles/inspect, MOST_ROWS)."""
DEEPEST = 40


def excess(document: object) -> str:
    """Say which bound an answer of JSON breaks; "" for none."""
    characters = entries = 0
    waiting: list[tuple[object, int]] = [(document, 0)]
    while waiting:
        value, depth = waiting.pop()
        entries += 1
        if isinstance(value, str):
            characters += len(value)
        if depth > DEEPEST:
            return f"it is nested more than {DEEPEST} deep"
        if isinstance(value, Mapping | list | tuple) and len(value) > MOST_IN_ONE:
            return f"one of its lists has more than {MOST_IN_ONE} entries"
        waiting += ((inner, depth + 1) for inner in _inside(value))
        if characters > MOST_CHARACTERS or entries + len(waiting) > MOST_ENTRIES:
            return f"it has more than {MOST_ENTRIES} entries or {MOST_CHARACTERS} characters"
    return ""


def _inside(value: object) -> Iterator[object]:
    if isinstance(value, Mapping):
        yield from value.keys()
        yield from value.values()
    elif isinstance(value, list | tuple):
        yield from value


def mistake(error: ValidationError) -> str:
    """Give the place of the first thing that does not fit, and why; without the value itself, which may be a secret."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part)[:80] for part in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]
