"""The unit tests, in as many pytests side by side as there are processors, each with files of its own.

A pytest that hands single tests to workers spends as much on that as most of these tests take. Which files a pytest
gets follows from what they took the last time on this machine, and from their size where that is not known.
"""

from __future__ import annotations

import heapq
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pytest

SECONDS = Path(".pytest_cache/units.json")
"""How long each file took the last time; it may be missing."""
_WORDS = ("-q", "-p", "tests.units", "-p", "no:testinfra", "-p", "no:cov", "-p", "no:xdist", "--timeout", "120")
_BYTES = 20_000.0
"""Of a file, for each second that it may take."""
_OUT = "UNITS_SECONDS"


def main(words: Sequence[str]) -> int:
    """Run them with these words for pytest; return what the process ends with."""
    files = sorted(str(path) for path in Path("tests").glob("test_*.py"))
    parts = divided(files, _known(), os.cpu_count() or 1)
    with tempfile.TemporaryDirectory() as name:
        folder, began = Path(name), time.monotonic()
        running = [_start(part, words, folder / str(number)) for number, part in enumerate(parts)]
        codes = []
        for number, process in enumerate(running):
            codes.append(process.wait())
            print((folder / f"{number}.txt").read_text(errors="replace"), end="", flush=True)
        print(f"unit tests: {len(files)} files in {len(parts)} processes, {time.monotonic() - began:.0f} s")
        _keep(folder.glob("*.json"))
    return max(codes)


def divided(files: Sequence[str], known: Mapping[str, float], parts: int) -> list[list[str]]:
    """Give each part files that take about as long together: always the longest left to whoever has least."""
    cost = {name: known.get(name, Path(name).stat().st_size / _BYTES) for name in files}
    least: list[tuple[float, int, list[str]]] = [(0.0, number, []) for number in range(min(parts, len(files)))]
    for name in sorted(files, key=lambda name: -cost[name]):
        taken, number, part = least[0]
        heapq.heapreplace(least, (taken + cost[name], number, [*part, name]))
    return [sorted(part) for _, _, part in sorted(least)]


def _known() -> dict[str, float]:
    try:
        return {str(name): float(seconds) for name, seconds in json.loads(SECONDS.read_text()).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _keep(written: Iterable[Path]) -> None:
    found = _known()
    for path in written:
        found |= json.loads(path.read_text())
    SECONDS.parent.mkdir(exist_ok=True)
    SECONDS.write_text(json.dumps(found, indent=1))


def _start(part: Sequence[str], words: Sequence[str], out: Path) -> subprocess.Popen[bytes]:
    with Path(f"{out}.txt").open("wb") as text:
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", *_WORDS, *words, *part],
            stdout=text, stderr=subprocess.STDOUT, env={**os.environ, _OUT: f"{out}.json"},
        )  # fmt: skip


_taken: Counter[str] = Counter()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add up what a file takes, in the pytest that has this module as a plugin."""
    _taken[report.nodeid.partition("::")[0]] += report.duration


def pytest_sessionfinish() -> None:
    """Tell it."""
    if _OUT in os.environ:
        Path(os.environ[_OUT]).write_text(json.dumps(_taken))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
