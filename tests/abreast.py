"""Parts of a suite side by side: each is a pytest of its own, in one of a few labs. Nodes wait more than they work."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue

from lab import cluster, network
from lab.errors import LabError
from lab.settings import Settings

_LONGEST = 2700.0
"""Seconds after which a part is ended: something in it waits for what does not come."""
_GIB_A_LAB = 6.0
"""Space for the disks and the snapshot of a lab with two nodes."""
_GIB_SPARED = 28.0
"""What a lab asks to be free when it starts, and what a fleet takes."""
_NOTHING_RAN = 5
"""pytest's exit code when no test was asked for."""


@dataclass(frozen=True)
class Part:
    """Some tests that run one after the other."""

    name: str
    words: tuple[str, ...]
    """What pytest is told."""


@dataclass(frozen=True)
class Done:
    """What came of a part."""

    part: Part
    code: int
    seconds: float
    output: str

    @property
    def good(self) -> bool:
        """Whether all of its tests passed."""
        return self.code in {0, _NOTHING_RAN}

    @property
    def verdict(self) -> str:
        """What pytest says in its last line."""
        return (self.output.strip().splitlines() or [f"ended with {self.code}"])[-1].strip("= ")


def width(settings: Settings) -> int:
    """Give how many labs may be up at once. Raises `LabError` for a number that is none."""
    if text := os.environ.get("MIGRATOR_LAB_SIDES", ""):
        if not text.isdigit() or not 1 <= int(text) <= 16:
            raise LabError(f"MIGRATOR_LAB_SIDES={text!r}: a whole number from 1 to 16 is needed")
        return int(text)
    settings.cache.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.cache).free / 2**30 - _GIB_SPARED
    return int(max(1, min(2 * (os.cpu_count() or 1), free // _GIB_A_LAB)))


def run(settings: Settings, parts: Sequence[Part], sides: int) -> bool:
    """Run them, the first ones first, and print what each said when it has ended. Tell whether all passed.

    Labs are left up by a part for the next one there, and are down in the end.
    """
    done: list[Done] = []
    with _labs(settings, sides) as labs, ThreadPoolExecutor(sides) as pool:
        running = [pool.submit(_one, part, labs) for part in parts]
        try:
            for future in as_completed(running):
                done.append(future.result())
                _show(done[-1], len(parts) - len(done))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    print("\nby part:")
    for each in sorted(done, key=lambda each: -each.seconds):
        print(f"{'passed' if each.good else 'FAILED'} {each.seconds:5.0f} s  {each.part.name}: {each.verdict}")
    return all(each.good for each in done)


@contextmanager
def _labs(settings: Settings, sides: int) -> Iterator[SimpleQueue[Settings]]:
    """Give the labs that nobody has."""
    labs = [replace(settings, name=f"{settings.name}-{number}") for number in range(1, sides + 1)]
    free: SimpleQueue[Settings] = SimpleQueue()
    for lab in labs:
        free.put(lab)
    try:
        yield free
    finally:
        for lab in labs:
            if network.exists(lab):
                cluster.down(lab)


def _one(part: Part, labs: SimpleQueue[Settings]) -> Done:
    lab = labs.get()
    try:
        print(f"▸ {part.name} begins in lab {lab.name}", flush=True)
        return _pytest(part, {**os.environ, "MIGRATOR_LAB_NAME": lab.name})
    finally:
        labs.put(lab)


def _pytest(part: Part, environment: Mapping[str, str]) -> Done:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="suite-") as name:
        path = Path(name, "output")
        with path.open("wb") as sink:
            process = subprocess.Popen(
                [sys.executable, "-m", "pytest", "-v", *part.words],
                stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT, env=environment,
            )  # fmt: skip
            try:
                code = process.wait(_LONGEST)
            except subprocess.TimeoutExpired:
                process.kill()
                code = process.wait()
        return Done(part, code, time.monotonic() - began, path.read_text(errors="replace"))


def _show(done: Done, left: int) -> None:
    rule = "=" * 20
    print(f"{rule} {done.part.name} {rule}\n{done.output}", flush=True)
    print(f"{'✓' if done.good else '✗'} {done.part.name}: {done.verdict}; parts left: {left}", flush=True)
