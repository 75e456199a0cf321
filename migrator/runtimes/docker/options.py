"""Docker's effective configuration: daemon.json and dockerd's command line together, as Docker merges them.

Rules of moby, daemon/config/config.go (`findConfigurationConflicts`, `MergeDaemonConfigurations`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from migrator.memoize import memoize
from migrator.nodeconf.parsing import nested
from migrator.runtimes.docker import flags as docker_flags
from migrator.runtimes.docker.keys import KEYS
from migrator.runtimes.docker.validators import JSON_NAMES

JSON = Any
"""A value of JSON."""
CONFIG = "/etc/docker/daemon.json"
DEEPEST = 64
"""Objects and lists inside each other; Docker needs five."""

_MERGED = frozenset({"runtimes"})
"""Keys that may stand in both places; the file's entries count where both have one."""
_BY_ENTRY = frozenset({"proxies"})
"""Keys whose entries are flags of their own, so that only the same entry in both places is refused."""
_RENAMED = {"host-gateway-ip": "host-gateway-ips"}
"""Flags that 28 and later know by another key in the file."""


@memoize
def read(text: str, arguments: Sequence[str] = (), *, path: str = CONFIG) -> dict[str, JSON]:
    """Give every option that Docker runs with, by its key in daemon.json; unknown ones by their own names.

    `text` is the file's content, "" when there is none; `arguments` is dockerd's command line without the program.
    Raises `ValueError` saying where and what is wrong, when Docker itself would not start with them, and for values
    that no other configuration could take, such as a host with a line break.
    """
    options = _parse(text, path)
    _check(options, path)
    flags = docker_flags.read(arguments)
    _sound(flags, "dockerd's command line")
    _check(flags, "dockerd's command line")
    for key, value in flags.items():
        options[key] = _joined(key, options, value, path)
    return options


def _joined(key: str, options: dict[str, JSON], flag: JSON, path: str) -> JSON:
    """Join a key from the command line to the file's."""
    present = options.get(key)
    if _RENAMED.get(key) in options:
        raise _conflict(_RENAMED[key], path)
    if key not in options:
        return flag
    if key not in _MERGED | _BY_ENTRY:
        raise _conflict(key, path)
    present = present or {}
    twice = sorted(set(present) & set(flag)) if key in _BY_ENTRY else []
    if twice:
        raise _conflict(f"{key}.{twice[0]}", path)
    return {**flag, **present}


def _conflict(key: str, path: str) -> ValueError:
    return ValueError(
        f"{key} stands both in {path} and on dockerd's command line, and Docker does not start with that: "
        f"take it out of one of them"
    )


def _check(options: dict[str, JSON], where: str) -> None:
    for key, value in options.items():
        if key in KEYS and value is not None:
            try:
                KEYS[key].shape(key, value)
            except ValueError as error:
                raise ValueError(f"{where}: {error}") from None


def _parse(text: str, path: str) -> dict[str, JSON]:
    text = text.removeprefix("\ufeff")
    if not text.strip():
        return {}
    try:
        document = json.loads(text, object_pairs_hook=_pairs(text, path), parse_constant=_constant)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}, line {error.lineno}, column {error.colno}: {error.msg}; repair the JSON") from None
    except RecursionError:
        raise _too_deep(path) from None
    except ValueError as error:
        raise error if str(error).startswith(path) else ValueError(f"{path}: {error}") from None
    if document is None:  # `null`, with which dockerd starts
        return {}
    if not isinstance(document, dict):
        raise ValueError(f"{path} must be a JSON object, is {JSON_NAMES.get(type(document), 'null')}")  # noqa: TRY004 - one kind of error
    _sound(document, path)
    return document


def _sound(document: JSON, where: str) -> None:
    """Refuse what no configuration file could take: endless depth, and text that is no Unicode."""
    for depth, value in nested(document):
        if depth > DEEPEST:
            raise _too_deep(where)
        if isinstance(value, str) and not _encodes(value):
            raise ValueError(f"{where} has half a character in a string (one of \\ud800 to \\udfff alone)")


def _too_deep(path: str) -> ValueError:
    return ValueError(f"{path} has more than {DEEPEST} objects and lists inside each other: no option needs that")


def _pairs(text: str, path: str) -> Any:  # noqa: ANN401 - what json calls an object hook
    """Make objects of their pairs, and refuse a key that comes twice: Docker would take the last without a word."""

    def pairs(found: list[tuple[str, JSON]]) -> dict[str, JSON]:
        made = dict(found)
        if len(made) == len(found):
            return made
        keys = [key for key, _ in found]
        twice = next(key for key in keys if keys.count(key) > 1)
        places = re.finditer(re.escape(json.dumps(twice, ensure_ascii=False)) + r"\s*:", text)
        lines = [str(text.count("\n", 0, place.start()) + 1) for place in places]
        where = f" (lines {', '.join(lines)})" if lines else ""
        raise ValueError(f"{path} has {twice!r} twice in one object{where}: take one of them out")

    return pairs


def _constant(name: str) -> JSON:
    raise ValueError(f"{name} is no JSON: write a number")


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
