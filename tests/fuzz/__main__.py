"""`make fuzz`: our readers beside the real programs, for as long as asked for.

Each case has a seed. What is read otherwise is printed with its seed, the files, and both readings; the same seed gives
the same files again: `make fuzz WORDS="containerd --from 1234 --cases 1"`.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Sequence
from itertools import count

from lab.errors import LabError
from lab.settings import Settings
from tests.fuzz.case import Compare, Reader, Tally
from tests.fuzz.readers import READERS

_SHOWN = 5
"""Disagreements of one reader and program that are printed whole."""


def main(words: Sequence[str]) -> int:
    """Do what was asked for; return what the process ends with."""
    asked = _parser().parse_args(words)
    settings = Settings()
    chosen = [reader for reader in READERS if not asked.readers or reader.name in asked.readers]
    pairs = [(reader, program) for reader in chosen for program in reader.programs(settings)]
    for reader in chosen:
        if reader.missing and not reader.programs(settings):
            print(f"{reader.name}: no program is at hand; {reader.missing}")
    first = random.randrange(10**9) if asked.first is None else asked.first  # noqa: S311 - no secret
    wrong = 0
    for reader, program in pairs:
        try:
            with reader.start(settings, program) as (version, compare):
                tally = _run(reader, compare, first, asked.cases, asked.seconds / len(pairs))
        except LabError as error:
            print(f"{reader.name}, {program}: {error}")
            wrong += 1
            continue
        wrong += len(tally.found)
        print(
            f"{reader.name} beside {version}: {tally.cases} cases from seed {first}, {tally.refused} refused on purpose, "
            f"{len(tally.found)} read otherwise",
            flush=True,
        )
        for found in tally.found[:_SHOWN]:
            print(
                f"\nseed {found.seed}:\n{found.given}\n  theirs: {found.theirs}\n  ours:   {found.ours}\n", flush=True
            )
        if tally.found[_SHOWN:]:
            print(f"and the seeds {', '.join(str(found.seed) for found in tally.found[_SHOWN:])}", flush=True)
    return 1 if wrong else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    names = [reader.name for reader in READERS]
    parser.add_argument(
        "readers", nargs="*", choices=[*names, []], metavar="READER", help=f"of {', '.join(names)}; all"
    )
    parser.add_argument("--seconds", type=float, default=600, help="for all together")
    parser.add_argument("--from", dest="first", type=int, help="the first seed; any")
    parser.add_argument("--cases", type=int, help="for each program, however long they take")
    return parser


def _run(reader: Reader, compare: Compare, first: int, cases: int | None, seconds: float) -> Tally:
    ends = time.monotonic() + seconds
    tally = Tally()
    for number in count():
        done = number * reader.batch
        left = reader.batch if cases is None else min(reader.batch, cases - done)
        if left <= 0 or (cases is None and time.monotonic() > ends):
            return tally
        tally += compare(range(first + done, first + done + left))
    raise AssertionError


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
