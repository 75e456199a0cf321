"""What a percent sign stands for in a unit file, and which files a service's `EnvironmentFile=` names.

Source: systemd.unit(5) "SPECIFIERS"; specifier.c, unit-printf.c and load-fragment.c (config_parse_unit_env_file),
compared with systemd 247, 252 and 257 (tests/fuzz/units.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from migrator.nodeconf import globs

_KNOWN = frozenset("aAbBcCdDEfgGhHiIjJlLmMnNopPqrRsStTuUvVwWyY")
"""All that systemd up to 257 replaces; d, D, q, y and Y are newer than 247."""
_SPECIFIER = re.compile(r"%([A-Za-z0-9%])")
_FOLDERS = {"t": "/run", "S": "/var/lib", "C": "/var/cache", "L": "/var/log", "E": "/etc", "T": "/tmp", "V": "/var/tmp"}  # noqa: S108 - what systemd says
_USER = {"h": "/root", "u": "root", "g": "root", "U": "0", "G": "0"}
_LONGEST_PATH, _LONGEST_NAME = 4096, 255
_ANYTHING = globs.ANYTHING
"""Stands for what only systemd knows."""


def resolved(text: str) -> bool:
    """Tell whether systemd takes the text; it drops a setting with a letter or digit that it does not know behind %."""
    return all(letter in _KNOWN or letter == "%" for letter in _SPECIFIER.findall(text))


@dataclass(frozen=True)
class Named:
    """What one `EnvironmentFile=` names."""

    optional: bool
    """Whether the service starts without it too."""
    path: str
    """As it is written, for people."""
    _pattern: str

    def choose(self, known: Iterable[str]) -> list[str]:
        """Give the files that it names, in systemd's order, of those that are known."""
        return globs.fitting(self._pattern, known, globs.Dialect.GLOB)


def named(value: str, unit: str) -> Named | None:
    """Read an `EnvironmentFile=` of a unit of this name; None for one that systemd ignores.

    Ignored is what is no absolute path, quotes included, what climbs, and what has an unknown specifier in it.
    """
    path = value.removeprefix("-")
    if not path.startswith(("/", "%")) or not resolved(path):
        return None
    text = _SPECIFIER.sub(lambda match: _meaning(match[1], unit), path)
    if not text.startswith("/"):
        return None
    parts = [part for part in text.split("/") if part not in {"", "."}]
    if ".." in parts or len(text) >= _LONGEST_PATH or any(len(part) > _LONGEST_NAME for part in parts):
        return None
    return Named(value.startswith("-"), path, "/" + "/".join(parts))


def _meaning(letter: str, unit: str) -> str:
    """Give what a specifier is replaced with for the system's manager."""
    name = unit.rpartition(".")[0]
    prefix, at, instance = name.partition("@")
    plain = {
        "%": "%", "n": unit, "N": name, "p": prefix, "j": prefix.rpartition("-")[2], "i": instance, **_FOLDERS, **_USER,
    }  # fmt: skip
    escaped = letter in "PIJf" or (at and not instance)  # of a template, whose instance its file does not tell
    return _ANYTHING if escaped and letter not in {"%", "p", "j", *_FOLDERS, *_USER} else plain.get(letter, _ANYTHING)
