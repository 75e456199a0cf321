"""Which sysctls systemd sets at boot, and by which file: sysctl.d(5), systemd's sysctl.c."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

from migrator.nodeconf import conf_d

FOLDERS = conf_d.folders("sysctl.d")
BY_PROCPS = "/etc/sysctl.conf"
"""Read last by `sysctl --system`, and by systemd only where a folder has a link to it."""
_GLOB = re.compile(r"[*?\[]")
_SEPARATOR = re.compile(r"[./]")
_SWAPPED = str.maketrans("./", "/.")
_WHITESPACE = " \t\n\r"


@dataclass(frozen=True)
class Assignment:
    """A line of such a file."""

    key: str
    """As below /proc/sys; it may be a pattern."""
    value: str
    path: str
    excludes: bool = False
    """Whether it only keeps patterns from what it names: a key with `-` before it and no value."""


def assignments(files: Mapping[str, str]) -> tuple[Assignment, ...]:
    """Give all lines in the order in which systemd applies them; `files` are texts by path."""
    chosen = conf_d.chosen(files, FOLDERS)
    return tuple(line for name in sorted(chosen, key=str.encode) for line in lines(chosen[name], files[chosen[name]]))


@lru_cache(maxsize=1024)
def lines(path: str, text: str) -> tuple[Assignment, ...]:
    """Read one file; what is no assignment is passed over, as systemd does."""
    found = []
    for line in text.split("\n"):
        body = line.strip(_WHITESPACE)
        if not body or body[0] in "#;":
            continue
        key, equals, value = body.partition("=")
        key = key.strip(_WHITESPACE)
        if equals or key.startswith("-"):
            name = normal(key.removeprefix("-"))
            found.append(Assignment(name, value.strip(_WHITESPACE), path, excludes=not equals))
    return tuple(found)


def in_force(known: Iterable[Assignment], key: str) -> Assignment | None:
    """Give the line that decides a sysctl; None when there is none.

    The last line that names it counts, before any pattern.
    """
    last: dict[str, Assignment] = {}
    for line in known:  # a later line takes the place of one with the same key, patterns too
        last.pop(line.key, None)
        last[line.key] = line
    wanted = normal(key)
    if named := last.get(wanted):
        return None if named.excludes else named
    matching = [line for line in last.values() if not line.excludes and _matches(wanted, line.key)]
    return matching[-1] if matching else None


def normal(key: str) -> str:
    """Give a key as below /proc/sys: where its first separator is a dot, dots and slashes change places.

    Source: systemd, sysctl-util.c, sysctl_normalize.
    """
    first = _SEPARATOR.search(key)
    return key.translate(_SWAPPED) if first and first[0] == "." else key


def _matches(key: str, pattern: str) -> bool:
    """Tell whether a pattern names a key, part by part."""
    mine, theirs = key.split("/"), pattern.split("/")
    return len(mine) == len(theirs) and bool(_GLOB.search(pattern)) and all(map(fnmatchcase, mine, theirs))
