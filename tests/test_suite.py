"""The suite's parts have every test once, and run in labs of their own."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.settings import Settings
from tests import abreast, suite, units
from tests.abreast import Lane, Part
from tests.lab import chaos, faults

ROOT = Path(__file__).parents[1]


def test_every_file_is_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """The longest begin first."""
    monkeypatch.chdir(ROOT)

    lanes = suite.suite(Settings(name="x"), 4)
    files = [part.words[-1] for lane in lanes for part in lane.parts]

    every = [*files, *suite.here()]
    assert sorted(every) == sorted(str(path) for path in Path("tests/lab").glob("test_*.py"))
    assert len(files) == len(set(files))
    assert files[0] == "tests/lab/test_7_fleet.py"
    assert lanes[0].labs == ["x-cluster-1", "x-cluster-2", "x-cluster-3", "x-cluster-4"]
    assert len({name for lane in lanes for name in lane.labs}) == 6
    assert {part.name[:12] for part in lanes[1].parts} == {"test_0_node_"}


def test_every_row_of_the_table_is_in_one_part() -> None:
    """Each cut and each fault, by its id."""
    rows = Counter(
        word.partition("[")[2][:-1]
        for lane in suite.table(Settings(), 4)
        for part in lane.parts
        for word in part.words
        if "[" in word
    )

    assert rows == Counter([*chaos.RUNS, *faults.FAULTS])


def test_each_unit_test_file_is_in_one_part(tmp_path: Path) -> None:
    """Parts take about as long, whether that is known or guessed by size; there are no more of them than files."""
    files = []
    for number in range(9):
        (tmp_path / str(number)).write_bytes(b"x" * 1000 * number)
        files.append(str(tmp_path / str(number)))

    for known in ({}, dict.fromkeys(files, 2.0), {files[0]: 100.0}):
        parts = units.divided(files, known, 2)
        assert sorted(name for part in parts for name in part) == files
    assert [files[0]] in parts, "one that takes longer than all others is alone"
    assert abs(len(units.divided(files, dict.fromkeys(files, 2.0), 2)[0]) - 4.5) < 1
    assert units.divided(files[:1], {}, 2) == [files[:1]]


@pytest.mark.parametrize("text", ["0", "17", "-1", "many"])
def test_a_number_of_labs_that_makes_no_sense_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is started."""
    monkeypatch.setenv("MIGRATOR_LAB_SIDES", text)

    with pytest.raises(LabError, match=f"MIGRATOR_LAB_SIDES='{text}': a whole number from 1 to 16 is needed"):
        abreast.width(Settings())


def test_parts_run_in_labs_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each is told which; what each said is printed whole, and one that fails is told of without ending the others."""
    monkeypatch.chdir(tmp_path)
    for name, verdict in (("good", "True"), ("bad", "False")):
        (tmp_path / f"test_{name}.py").write_text(
            "import os, pathlib\n"
            "def test_it():\n"
            f"    pathlib.Path('{name}').write_text(os.environ['MIGRATOR_LAB_NAME'])\n"
            f"    assert {verdict}\n"
        )
    parts = [Part(name, ("-p", "no:cacheprovider", f"test_{name}.py")) for name in ("bad", "good")]

    passed = abreast.run([Lane(parts, ["nobodys-lab-1", "nobodys-lab-2"])])

    assert not passed
    assert sorted((tmp_path / name).read_text() for name in ("good", "bad")) == ["nobodys-lab-1", "nobodys-lab-2"]
    told = capfd.readouterr().out
    assert "assert False" in told
    assert "✗ bad: 1 failed" in told
    assert "✓ good: 1 passed" in told
    assert "bad begins in lab nobodys-lab-" in told
