"""What a comparison is made of, whatever is compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from lab.settings import Settings


@dataclass(frozen=True)
class Disagreement:
    """One case that a program reads in one way and we in another."""

    seed: int
    given: str
    """The files, as they were given to both."""
    theirs: str
    ours: str


@dataclass(frozen=True)
class Tally:
    """What came of some cases."""

    cases: int = 0
    refused: int = 0
    """Cases that we do not read, with a message that says so, and the program does."""
    found: tuple[Disagreement, ...] = ()

    def __add__(self, other: Tally) -> Tally:
        """Add up."""
        return Tally(self.cases + other.cases, self.refused + other.refused, (*self.found, *other.found))


def tallied(seeds: Sequence[int], one: Callable[[int], tuple[Mapping[str, str], tuple[str, str] | str]]) -> Tally:
    """Try cases of several files each, and add up.

    `one` gives the files of a seed by path, and what came of it: what the program and we say where that is not the same,
    "refused", or "" where it is.
    """
    refused, found = 0, []
    for seed in seeds:
        made, came = one(seed)
        if came == "refused":
            refused += 1
        elif isinstance(came, tuple):
            given = "\n".join(f"--- {path}\n{text}" for path, text in made.items())
            found.append(Disagreement(seed, given, *came))
    return Tally(len(seeds), refused, tuple(found))


Compare = Callable[[Sequence[int]], Tally]
"""Try the cases of these seeds."""


@dataclass(frozen=True)
class Reader:
    """One of our readers and the programs that it is compared with."""

    name: str
    programs: Callable[[Settings], Iterable[str]]
    """Names of the programs that are at hand."""
    start: Callable[[Settings, str], AbstractContextManager[tuple[str, Compare]]]
    """Have a program at work; give its version, and what compares."""
    missing: str = ""
    """What to do where no program is at hand."""
    batch: int = 40
    """Cases at a time."""
