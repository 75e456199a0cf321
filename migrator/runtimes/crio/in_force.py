"""CRI-O's configuration files, one after the other: which of them has the last word on what we write.

Sources: cri-o, pkg/config/config.go (UpdateFromPath, UpdateFromDropInFile), v1.20.0 to v1.36.0; what `crio config` of
1.34 prints is compared (tests/fuzz).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from migrator.runtimes.crio import read

MAIN = "/etc/crio/crio.conf"
FOLDER = "/etc/crio/crio.conf.d"

_KEPT_IF_EMPTY = frozenset({"crio.root", "crio.runroot", "crio.storage_driver"})
_ADD_UP = frozenset({"crio.storage_option"})
_Read = TypeVar("_Read")


@dataclass(frozen=True)
class Overruled:
    """A setting of ours that another file replaces."""

    key: str
    path: str
    """The file of ours that says it."""
    value: object
    by: str
    there: object


def order(paths: Iterable[str]) -> tuple[str, ...]:
    """Give the files that are read, in their order, of all that there are.

    Every file of the folder and of folders in it is read, whatever its name: hidden ones and copies that an editor has
    left too.
    """
    there = set(paths)
    below = sorted((path for path in there if path.startswith(f"{FOLDER}/")), key=lambda path: path.split("/"))
    return (*([MAIN] if MAIN in there else []), *below)


def overruled(texts: Mapping[str, str], ours: Collection[str]) -> tuple[Overruled, ...]:
    """Name the settings of our files that another one has the last word on. `texts` are those of all, by path.

    Raises `ValueError` for a file that CRI-O refuses: it does not start with one.
    """
    wanted: dict[str, tuple[str, object]] = {}
    last: dict[str, tuple[str, object]] = {}
    for path, table in _each(texts, read.table):
        for key, value in _settings(table):
            if key in _ADD_UP or (key in _KEPT_IF_EMPTY and value == ""):
                continue
            last[key] = (path, value)
            if path in ours:
                wanted[key] = (path, value)
    return tuple(
        Overruled(key, path, value, *last[key])
        for key, (path, value) in wanted.items()
        if last[key][0] not in ours and last[key][1] != value
    )


def runtimes(texts: Mapping[str, str]) -> tuple[str, frozenset[str]]:
    """Give the default runtime that the files name, "" for none, and the names of all that they describe.

    Raises `ValueError` as `overruled` does.
    """
    default, names = "", set()
    for _, said in _each(texts, read.settings):
        default = said.default_handler or default
        names |= {handler.name for handler in said.handlers}
    return default, frozenset(names)


def _each(texts: Mapping[str, str], how: Callable[[str], _Read]) -> Iterator[tuple[str, _Read]]:
    """Read the files in their order; an error names the file."""
    for path in order(texts):
        try:
            said = how(texts[path])
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        yield path, said


def _settings(table: Mapping[str, object], above: str = "crio") -> Iterator[tuple[str, object]]:
    """Give every setting with its full name; a runtime or a workload is replaced as a whole, and is one."""
    for key, value in table.items():
        name = f"{above}.{key}"
        if isinstance(value, dict) and above not in {"crio.runtime.runtimes", "crio.runtime.workloads"}:
            yield from _settings(value, name)
        else:
            yield name, value
