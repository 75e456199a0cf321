"""The kubelet's flags: those that its files say, each with its place, and those that it runs with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from migrator.model.facts import NodeFacts
from migrator.nodeconf.systemd import overrides
from migrator.nodeconf.systemd.edit import DROP_IN
from migrator.nodeconf.systemd.unit import Unit, Word

_SPECIFIER = re.compile(r"%[A-Za-z]")
_VERBOSITY = re.compile(r"-v(\d+)")
"""The one short flag: klog's, whose value may follow at once."""


@dataclass(frozen=True)
class Flag:
    """One flag as it was given. Two are equal when name, value and place are."""

    name: str
    """With two dashes; underscores are dashes, as they are for the kubelet (component-base, WordSepNormalizeFunc)."""
    value: str
    """"" for a boolean without one."""
    path: str = ""
    """The file that it stands in; "" for a flag of a running process."""
    variable: str = ""
    """The variable in whose value it stands; "" when it stands in ExecStart."""
    numbers: tuple[int, ...] = field(default=(), compare=False, repr=False)
    """Of the one word that it is in `Service.words`, or of two when its value follows as a word of its own."""


@dataclass(frozen=True)
class Difference:
    """A flag whose values in the running process are not those of the files."""

    name: str
    running: tuple[str, ...]
    """All values that the process was given; () when it was not given the flag."""
    written: tuple[str, ...]
    """All values in the files; () when no file has it."""
    path: str = ""
    """The file of the last of `written`."""
    variable: str = ""


def unit(facts: NodeFacts) -> Unit:
    """Give the files that make the kubelet's service.

    Raises `ValueError` when one of them was not read.
    """
    paths = facts.kubelet.unit.fragments
    if facts.file(DROP_IN).exists and DROP_IN not in paths and paths:
        known = Unit(tuple((path, "") for path in paths)).replaced(DROP_IN, "").fragments
        paths = tuple(path for path, _ in known)
    for path in (*paths, *facts.kubelet.unit.environment_files):
        file = facts.file(path)
        if file.problem and not (file.folder and path not in paths):
            raise ValueError(f"{path}: {file.problem}")
    if missing := [path for path in paths if not facts.file(path).exists]:
        raise ValueError(f"{missing[0]} belongs to {facts.kubelet.unit.name} and was not read")
    fragments = tuple((path, facts.file(path).content) for path in paths)
    return Unit(fragments, overrides.variables_of(facts, facts.kubelet.unit))


def flags(facts: NodeFacts) -> tuple[Flag, ...]:
    """Give the flags that systemd would start the kubelet with, in their order; () when there is no such service.

    Raises `ValueError` when a file was not read, or when systemd would refuse it.
    """
    return flags_of(unit(facts))


@lru_cache(maxsize=256)
def flags_of(files: Unit) -> tuple[Flag, ...]:
    """Give the flags that these files say. Raises `ValueError` as `unit.command` does."""
    return _flags(files.service.words[1:])


def running(facts: NodeFacts) -> tuple[Flag, ...]:
    """Give the flags that the kubelet runs with, in their order; () when it does not run."""
    return read(facts.kubelet.arguments)


def read(arguments: Iterable[str]) -> tuple[Flag, ...]:
    """Read a command line without its program."""
    return _read(tuple(arguments))


@lru_cache(maxsize=256)
def _read(arguments: tuple[str, ...]) -> tuple[Flag, ...]:
    return _flags(Word(text, "", "") for text in arguments)


def effective(found: Iterable[Flag]) -> dict[str, str]:
    """Give the value of each flag by name; the last one given wins, as it does for the kubelet."""
    return {flag.name: flag.value for flag in found}


def unexplained(facts: NodeFacts) -> tuple[Difference, ...]:
    """Give the flags in which the running kubelet and its files differ; () when it does not run.

    The files were changed and the kubelet not restarted, or something sets flags in a way that is not followed here.
    Raises `ValueError` as `flags` does.
    """
    if not facts.kubelet.arguments:
        return ()
    process, files = running(facts), flags(facts)
    names = dict.fromkeys(flag.name for flag in (*process, *files))
    found = []
    for name in names:
        runs = tuple(flag.value for flag in process if flag.name == name)
        says = [flag for flag in files if flag.name == name]
        written = tuple(flag.value for flag in says)
        if runs != written and not _specified(runs, written):
            place = says[-1] if says else Flag(name, "")
            found.append(Difference(name, runs, written, place.path, place.variable))
    return tuple(found)


def _specified(runs: Sequence[str], written: Sequence[str]) -> bool:
    """Tell whether the values differ only in what systemd puts in the place of specifiers such as %H."""

    def fits(run: str, said: str) -> bool:
        return re.fullmatch(".*".join(map(re.escape, _SPECIFIER.split(said))), run, re.DOTALL) is not None

    return len(runs) == len(written) and all(map(fits, runs, written))


def _flags(words: Iterable[Word]) -> tuple[Flag, ...]:
    found: list[Flag] = []
    bare = False
    for number, word in enumerate(words, start=1):
        text = word.text
        # What begins with a dash is a flag, but for a negative number: `--oom-score-adj -999`.
        if text.startswith("-") and not text[1:2].isdigit():
            name, equals, value = text.partition("=")
            if match := _VERBOSITY.fullmatch(name):
                name, equals, value = "-v", "=", match[1]
            name = "--" + name.lstrip("-").replace("_", "-")
            found.append(Flag(name, value, word.path, word.variable, (number,)))
            bare = not equals
        elif bare:
            last = found[-1]
            found[-1] = Flag(last.name, text, last.path, last.variable, (*last.numbers, number))
            bare = False
    return tuple(found)
