"""Which kernel modules a host does not load although modules-load.d names them: modprobe.d(5), modules-load.d(5)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from migrator.nodeconf import conf_d

FOLDERS = conf_d.folders("modprobe.d")
_INSMOD = re.compile(r"(?:/(?:usr/)?s?bin/)?insmod")
_FILE = re.compile(r"(?:[^/]*/)*([^/.]+)\.ko(?:\.(?:gz|xz|zst))?")


@dataclass(frozen=True)
class Rule:
    """A line that keeps a module from being loaded, or has something else done."""

    path: str
    line: str


def against(files: Mapping[str, str], module: str) -> tuple[Rule, ...]:
    """Give the lines that keep systemd from loading a module at boot; `files` are texts by path.

    That is `blacklist`, which systemd applies to names too (its module-util.c, KMOD_PROBE_APPLY_BLACKLIST), and
    `install` with a command that does not load it after all.
    """
    paths = conf_d.chosen(files, FOLDERS).values()
    return tuple(Rule(path, line) for path in paths for line in _lines(files[path]) if _refuses(line, plain(module)))


def plain(module: str) -> str:
    """Give a module's name as the kernel has it: a dash is an underscore."""
    return module.replace("-", "_")


@lru_cache(maxsize=256)
def _lines(text: str) -> tuple[str, ...]:
    joined = text.replace("\\\n", " ").splitlines()
    return tuple(" ".join(line.split()) for line in joined if line.strip() and not line.lstrip().startswith("#"))


def _refuses(line: str, module: str) -> bool:
    command, _, rest = line.partition(" ")
    name, _, what = rest.partition(" ")
    if plain(name) != module:
        return False
    return command == "blacklist" or (command == "install" and not _loads(what, module))


def _loads(command: str, module: str) -> bool:
    """Tell whether a command of `install` loads the module after all: by modprobe past this line, or by its file."""
    words = command.split()
    if "--ignore-install" in words or "-i" in words:
        return True
    inserted = any(_INSMOD.fullmatch(word) for word in words)
    files = (match for word in words if (match := _FILE.fullmatch(word)))
    return inserted and any(plain(match[1]) == module for match in files)
