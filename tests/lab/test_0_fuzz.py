"""Our readers beside the real programs, on a few made-up files; `make fuzz` tries as many as there is time for.

First in order: these need no guest.
"""

from __future__ import annotations

import pytest

from lab.settings import Settings
from tests.fuzz.case import Reader
from tests.fuzz.readers import READERS

CASES = {"units": 120, "containerd": 12, "dockerd": 16, "kubelet-flags": 36, "crio": 16, "registries": 8, "hostile": 40}
"""Of each reader and program: together they take some seconds."""


def _pairs() -> list[tuple[Reader, str]]:
    found = []
    for reader in READERS:
        programs = [*reader.programs(Settings())]
        found += [(reader, program) for program in programs or [""]]
    return found


@pytest.mark.parametrize(("reader", "program"), _pairs(), ids=lambda value: getattr(value, "name", value))
def test_we_read_what_the_program_reads(reader: Reader, program: str) -> None:
    """Each case that the program takes is read as it reads it, or refused in words."""
    if not program:
        pytest.skip(f"no program is at hand; {reader.missing}")
    with reader.start(Settings(), program) as (version, compare):
        tally = compare(range(CASES[reader.name]))

    assert not tally.found, f"{version}, seed {tally.found[0].seed}: {tally.found[0]}"
    assert tally.refused < tally.cases / 3
