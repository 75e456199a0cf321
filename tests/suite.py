"""`make test`: every test but those of tests/field. `make chaos`: everything that goes wrong, in labs side by side."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from lab import cluster
from lab.errors import LabError
from lab.settings import Settings
from tests import abreast
from tests.abreast import Part
from tests.lab import chaos, faults

_LONGEST = (
    "test_7_fleet", "test_8_promises", "test_3_transaction", "test_6_settings", "test_5_migration", "test_3_faults",
    "test_0_node_switch", "test_0_node_undone",
)  # fmt: skip
"""Begin first, so that nobody waits for one of them in the end."""
_CUTS = "tests/field/test_8_chaos.py::test_wholly_old_or_wholly_new"
_FAULTS = "tests/field/test_11_faults.py::test_it_ends_on_one_runtime"


def main(words: Sequence[str]) -> int:
    """Do what was asked for; return what the process ends with."""
    settings = Settings()
    began = time.monotonic()
    try:
        parts = list({"test": suite, "chaos": table}[words[0]]())
        # While no node takes the processors from them, and before anybody waits for nodes in vain.
        if words[0] == "test" and (code := _units()):
            return code
        units = time.monotonic()
        # A build is not to be taken for a slow test.
        cluster.prepare(settings)
        built = time.monotonic()
        sides = abreast.width(settings)
        good = abreast.run(settings, parts, sides)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    print(
        f"unit tests {units - began:.0f} s, artefacts {built - units:.0f} s, tests in {sides} labs side by side "
        f"{time.monotonic() - built:.0f} s"
    )
    return 0 if good else 1


def _units() -> int:
    words = ["-q", "-n", "2", "--timeout=120", "--ignore=tests/lab", "--ignore=tests/field", "tests"]
    return subprocess.run([sys.executable, "-m", "pytest", *words], check=False).returncode


def suite() -> Iterator[Part]:
    """Give a part for each file."""
    files = {path.stem: path for path in sorted(Path("tests/lab").glob("test_*.py"))}
    for name in (*_LONGEST, *sorted(set(files) - {*_LONGEST})):
        yield Part(name, ("--durations=5", str(files[name])))


def table() -> Iterator[Part]:
    """Give the rows of docs/faults.md, some at a time."""
    for number, names in enumerate(_some(chaos.RUNS, 11), 1):
        yield Part(f"cuts {number}", ("-s", *(f"{_CUTS}[{name}]" for name in names)))
    for number, names in enumerate(_some(faults.FAULTS, 8), 1):
        yield Part(f"faults {number}", ("-s", *(f"{_FAULTS}[{name}]" for name in names)))
    yield Part(
        "after faults", ("-s", "tests/field/test_11_faults.py::test_after_all_of_them_the_same_command_completes")
    )


def _some(names: Iterable[str], most: int) -> Iterator[list[str]]:
    known = list(names)
    return (known[start : start + most] for start in range(0, len(known), most))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
