"""Which values Docker's configuration may have: each shape refuses what Docker would, and what no file could take.

A shape is called with a key and its value, raises `ValueError` with both and what is wanted instead, and never
repeats a value that may hold a password.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from migrator.runtimes.docker import sizes as docker_sizes

Shape = Callable[[str, Any], None]
JSON_NAMES = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", int: "a number", float: "a number"}

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_RUNTIME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)
_ADDRESS = re.compile(r"(?:[A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})", re.ASCII)
_LEVELS = frozenset({"panic", "fatal", "error", "warn", "warning", "info", "debug", "trace"})
ULIMITS = frozenset(
    {
        "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio",
        "rttime", "sigpending", "stack",
    }
)  # fmt: skip
"""Names of limits that Docker knows (docker/go-units, ulimit.go)."""


def _wrong(key: str, wanted: str, value: object) -> ValueError:
    return ValueError(f"{key} must be {wanted}, is {JSON_NAMES.get(type(value), 'null')}")


def _typed(wanted: str, kind: type) -> Shape:
    def shape(key: str, value: Any) -> None:  # noqa: ANN401 - JSON
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise _wrong(key, wanted, value)

    return shape


def _all(wanted: str, container: type, inner: type) -> Shape:
    def shape(key: str, value: Any) -> None:  # noqa: ANN401
        if not isinstance(value, dict | list) or not isinstance(value, container):
            raise _wrong(key, wanted, value)
        for name, entry in list(value.items()) if isinstance(value, dict) else list(enumerate(value)):
            if not isinstance(entry, inner) or (isinstance(entry, bool) and inner is not bool):
                raise _wrong(f"{key}.{name}" if container is dict else f"{key}[{name}]", _A[inner], entry)

    return shape


_A = {str: "a string", bool: "a boolean", dict: "an object"}
boolean = _typed("a boolean", bool)
_whole = _typed("a whole number", int)
text = _typed("a string", str)
tables = _typed("an object", dict)
texts = _all("a list of strings", list, str)
objects = _all("a list of objects", list, dict)
words = _all("an object of strings", dict, str)
switches = _all("an object of booleans", dict, bool)
groups = _all("an object of objects", dict, dict)


def number(key: str, value: Any) -> None:  # noqa: ANN401
    """Take a whole number of 64 bits, which is what Docker has for each."""
    _whole(key, value)
    if not -(2**63) <= value < 2**63:
        raise ValueError(f"{key} is {value}: Docker takes no number of more than 64 bits")


def count(key: str, value: Any) -> None:  # noqa: ANN401
    """Take a whole number that is not negative."""
    number(key, value)
    if value < 0:
        raise ValueError(f"{key} is {value}: it must not be negative")


def path(key: str, value: Any) -> None:  # noqa: ANN401
    """Take an absolute path that leads nowhere else than it seems to."""
    text(key, value)
    if value and (not value.startswith("/") or ".." in value.split("/") or _CONTROL.search(value)):
        raise ValueError(f"{key} is {value!r}: it must be an absolute path without `..`")


def paths(key: str, value: Any) -> None:  # noqa: ANN401
    """Take a list of absolute paths."""
    texts(key, value)
    for number_, entry in enumerate(value):
        path(f"{key}[{number_}]", entry)


def profile(key: str, value: Any) -> None:  # noqa: ANN401
    """Take a seccomp profile's path, or one of Docker's two words for none of one's own."""
    text(key, value)
    if value not in {"builtin", "unconfined"}:
        path(key, value)


def level(key: str, value: Any) -> None:  # noqa: ANN401
    """Take a level of logrus."""
    text(key, value)
    if value and value.lower() not in _LEVELS:
        raise ValueError(f"{key} is {value!r}: it must be one of {', '.join(sorted(_LEVELS))}")


def log_format(key: str, value: Any) -> None:  # noqa: ANN401
    """Take a format of Docker's own log."""
    text(key, value)
    if value not in {"", "text", "json"}:
        raise ValueError(f"{key} is {value!r}: it must be text or json")


def address(key: str, value: Any) -> None:  # noqa: ANN401
    """Take an address to listen on: host:port."""
    text(key, value)
    match = _ADDRESS.fullmatch(value)
    if value and (match is None or not 0 < int(match["port"]) < 2**16):
        raise ValueError(f"{key} is {value!r}: it must be an address and a port, such as 127.0.0.1:9323")


def runtime_name(key: str, value: Any) -> None:  # noqa: ANN401
    """Take the name of a low-level runtime."""
    text(key, value)
    if value and not _RUNTIME.fullmatch(value):
        raise ValueError(f"{key} is {value!r}: a runtime's name must be of letters, digits, and . _ - between them")


def runtimes(key: str, value: Any) -> None:  # noqa: ANN401
    """Take descriptions of low-level runtimes: a path, maybe with arguments, or a type, maybe with options."""
    groups(key, value)
    for name, entry in value.items():
        runtime_name(f"{key}.{name}", name or " ")
        _runtime(f"{key}.{name}", fields(entry))


def _runtime(place: str, entry: dict[str, Any]) -> None:
    for part in ("path", "runtimetype"):
        found = entry.get(part, "")
        text(f"{place}.{part}", found)
        if _CONTROL.search(found) or ".." in found.split("/"):
            raise ValueError(f"{place}.{part} is {found!r}: it must be a plain path or name")
    texts(f"{place}.runtimeArgs", entry.get("runtimeargs", []))
    tables(f"{place}.options", entry.get("options", {}))
    for option, setting in entry.get("options", {}).items():
        if not isinstance(setting, str | int | bool):
            raise _wrong(f"{place}.options.{option}", "a string, a number or a boolean", setting)
    if bool(entry.get("path")) == bool(entry.get("runtimetype")):
        raise ValueError(f"{place} must have either a path or a runtimeType")


def fields(entry: dict[str, Any]) -> dict[str, Any]:
    """Give an object's fields in lower case, which Go does not look at, without those that are null."""
    return {name.lower(): value for name, value in entry.items() if value is not None}


def ulimits(key: str, value: Any) -> None:  # noqa: ANN401
    """Take limits: objects with Name, Soft and Hard, in any case, as Go reads them."""
    groups(key, value)
    for name, entry in value.items():
        place = f"{key}.{name}"
        parts = fields(entry)
        limit = parts.get("name") or name
        text(f"{place}.Name", limit)
        if limit not in ULIMITS:
            raise ValueError(f"{place}: {limit!r} is no limit; there are {', '.join(sorted(ULIMITS))}")
        soft, hard = parts.get("soft", 0), parts.get("hard", 0)
        for part, setting in (("Soft", soft), ("Hard", hard)):
            number(f"{place}.{part}", setting)
            if not -1 <= setting < 2**63:
                raise ValueError(f"{place}.{part} is {setting}: it must be a number, or -1 for no limit")
        if hard != -1 and (soft == -1 or soft > hard):
            raise ValueError(f"{place}: the soft limit {soft} is above the hard limit {hard}")


def log_options(key: str, value: Any) -> None:  # noqa: ANN401
    """Take options of a log driver: strings, also for numbers, with sizes and counts that are ones."""
    words(key, value)
    if "max-size" in value and docker_sizes.human(value["max-size"]) <= 0:
        raise ValueError(f"{key}.max-size is {value['max-size']!r}: it must be a size such as 100m")
    files = value.get("max-file", "1")
    if not re.fullmatch(r"\+?[0-9]{1,9}", files, re.ASCII) or int(files) < 1:
        raise ValueError(f"{key}.max-file is {files!r}: it must be a number of files, 1 or more")


def settings(key: str, value: Any) -> None:  # noqa: ANN401
    """Take a list of name=value, without line breaks."""
    texts(key, value)
    for entry in value:
        if "=" not in entry or _CONTROL.search(entry):
            raise ValueError(f"{key} has {entry!r}: it must be name=value")


def proxies(key: str, value: Any) -> None:  # noqa: ANN401
    """Take proxies' addresses."""
    words(key, value)
    for name, entry in value.items():
        proxy(f"{key}.{name}", entry)


def proxy(key: str, value: str) -> None:
    """Take what stands in an environment variable, on one line."""
    if _CONTROL.search(value):
        raise ValueError(f"{key} has a line break or another control character in it")
