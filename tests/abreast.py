"""Parts of a suite side by side: each is a pytest of its own, in one of a few labs. Nodes wait more than they work."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

from lab import cluster, machines, network
from lab.errors import LabError
from lab.settings import Settings

_LONGEST = 2700.0
"""Seconds after which a part is ended: something in it waits for what does not come."""
_GIB_A_LAB = 6.0
"""Space for the disks and the snapshot of a lab with two nodes."""
_GIB_SPARED = 28.0
"""What a lab asks to be free when it starts, and what a fleet takes."""


@dataclass(frozen=True)
class Part:
    """Some tests that run one after the other."""

    name: str
    words: tuple[str, ...]
    """What pytest is told."""


@dataclass(frozen=True)
class Lane:
    """Parts that share some labs, which are down when the last of them has ended."""

    parts: Sequence[Part]
    labs: Sequence[str]
    """Their names."""


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
        return self.code == 0

    @property
    def verdict(self) -> str:
        """What pytest says in its last line."""
        return (self.output.strip().splitlines() or [f"ended with {self.code}"])[-1].strip("= ")


def width(settings: Settings) -> int:
    """Give how many labs may be up at once; more than processors only wait for each other.

    Raises `LabError` for a number that is none.
    """
    if text := os.environ.get("MIGRATOR_LAB_SIDES", ""):
        if not text.isdigit() or not 1 <= int(text) <= 16:
            raise LabError(f"MIGRATOR_LAB_SIDES={text!r}: a whole number from 1 to 16 is needed")
        return int(text)
    if machines.kind(settings) == "guest":
        return 1  # one emulator for each processor is more than enough
    settings.cache.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.cache).free / 2**30 - _GIB_SPARED
    return int(max(1, min(os.cpu_count() or 1, free // _GIB_A_LAB)))


def run(lanes: Sequence[Lane]) -> bool:
    """Run the parts of all lanes, the first ones first, and print what each said when it has ended.

    Tell whether all passed. One that fails does not end the others.
    """
    left = sum(len(lane.parts) for lane in lanes)
    done: list[Done] = []
    with ExitStack() as stack:
        running = [future for lane in lanes for future in stack.enter_context(_begun(lane))]
        try:
            for future in as_completed(running):
                done.append(future.result())
                _show(done[-1], left - len(done))
        except BaseException:
            for future in running:  # of all lanes, before one is waited for
                future.cancel()
            raise
    _say("\nby part:")
    for each in sorted(done, key=lambda each: -each.seconds):
        _say(f"{'passed' if each.good else 'FAILED'} {each.seconds:5.0f} s  {each.part.name}: {each.verdict}")
    return all(each.good for each in done)


@contextmanager
def _begun(lane: Lane) -> Iterator[list[Future[Done]]]:
    free: SimpleQueue[str] = SimpleQueue()
    for lab in lane.labs:
        free.put(lab)
    pool = ThreadPoolExecutor(len(lane.labs))
    running = [pool.submit(_one, part, free) for part in lane.parts]
    # Labs that nobody needs any more would only take time from the others.
    ended = Thread(target=_end, args=(lane, running))
    ended.start()
    try:
        yield running
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        ended.join()


def _end(lane: Lane, running: Sequence[Future[Done]]) -> None:
    wait(running)
    for lab in (Settings(name=name) for name in lane.labs):
        if network.exists(lab):
            cluster.down(lab)


def _one(part: Part, labs: SimpleQueue[str]) -> Done:
    lab = labs.get()
    try:
        _say(f"▸ {part.name} begins in lab {lab}")
        return _pytest(part, {**os.environ, "MIGRATOR_LAB_NAME": lab})
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
    verdict = f"{'✓' if done.good else '✗'} {done.part.name}: {done.verdict}; parts left: {left}"
    _say(f"{rule} {done.part.name} {rule}\n{done.output}\n{verdict}")


def _say(text: str) -> None:
    """Print it in one piece: others print at the same time."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
