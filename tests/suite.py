"""`make test`: every test but those of tests/field. `make chaos`: everything that goes wrong, in labs side by side."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from lab import cluster, spare
from lab.errors import LabError
from lab.settings import Settings
from tests import abreast, units
from tests.abreast import Lane, Part
from tests.lab import chaos, faults

_LONGEST = ("test_7_fleet", "test_8_promises", "test_3_transaction", "test_6_settings", "test_5_migration")
"""Begin first, so that nobody waits for one of them in the end."""
_ALONE = "test_0_node_"
"""What files are called that need a node of their own, and no cluster."""
_HERE = "test_0_"
"""And those whose programs run on this machine: they see what others leave here."""
_CUTS = "tests/field/test_8_chaos.py::test_wholly_old_or_wholly_new"
_FAULTS = "tests/field/test_11_faults.py::test_it_ends_on_one_runtime"
_AFTER = "tests/field/test_11_faults.py::test_after_all_of_them_the_same_command_completes"


def main(words: Sequence[str]) -> int:
    """Do what was asked for; return what the process ends with."""
    settings = Settings()
    began = time.monotonic()
    try:
        sides = abreast.width(settings)
        lanes = {"test": suite, "chaos": table}[words[0]](settings, sides)
        # While no node takes the processors from them, and before anybody waits for nodes in vain.
        if words[0] == "test" and (code := units.main(())):
            return code
        tested = time.monotonic()
        # A build is not to be taken for a slow test.
        cluster.prepare(settings)
        spare.prepare(settings)
        built = time.monotonic()
        if words[0] == "test" and (code := _pytest("-v", "-n", "2", "--dist", "loadfile", "--durations=5", *here())):
            return code
        tried = time.monotonic()
        good = abreast.run(lanes)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    print(
        f"unit tests {tested - began:.0f} s, artefacts {built - tested:.0f} s, tests on this machine {tried - built:.0f} s, "
        f"in {sides} labs side by side {time.monotonic() - tried:.0f} s"
    )
    return 0 if good else 1


def here() -> list[str]:
    """Give the files whose programs run on this machine."""
    files = sorted(Path("tests/lab").glob(f"{_HERE}*.py"))
    return [str(path) for path in files if not path.name.startswith(_ALONE)]


def _pytest(*words: str) -> int:
    return subprocess.run([sys.executable, "-m", "pytest", *words], check=False).returncode


def suite(settings: Settings, sides: int) -> list[Lane]:
    """Give a part for each file: those that need a cluster, and those that need a node alone, side by side."""
    others = here()
    files = {path.stem: path for path in sorted(Path("tests/lab").glob("test_*.py")) if str(path) not in others}
    names = (*_LONGEST, *sorted(set(files) - {*_LONGEST}))
    parts = [Part(name, ("--durations=5", str(files[name]))) for name in names]
    alone = [part for part in parts if part.name.startswith(_ALONE)]
    clusters = [part for part in parts if part not in alone]
    return [
        Lane(clusters, _labs(settings, "cluster", sides)),
        Lane(alone, _labs(settings, "node", max(1, sides // 2))),
    ]


def table(settings: Settings, sides: int) -> list[Lane]:
    """Give the rows of docs/faults.md, some at a time."""
    cuts = [
        Part(f"cuts {number}", ("-s", *(f"{_CUTS}[{name}]" for name in names)))
        for number, names in enumerate(_some(chaos.RUNS, 11), 1)
    ]
    broken = [
        Part(f"faults {number}", ("-s", *(f"{_FAULTS}[{name}]" for name in names)))
        for number, names in enumerate(_some(faults.FAULTS, 8), 1)
    ]
    return [Lane([*cuts, *broken, Part("after faults", ("-s", _AFTER))], _labs(settings, "cluster", sides))]


def _labs(settings: Settings, kind: str, number: int) -> list[str]:
    return [f"{settings.name}-{kind}-{each}" for each in range(1, number + 1)]


def _some(names: Iterable[str], most: int) -> Iterator[list[str]]:
    known = list(names)
    return (known[start : start + most] for start in range(0, len(known), most))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
