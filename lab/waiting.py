"""Wait for a state by asking for it; guests are emulated, so deadlines are generous."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence

from lab.errors import LabError


def until(reached: Callable[[], bool], what: str, *, seconds: float, every: float = 0.5) -> None:
    """Ask every `every` seconds until `reached()`; raise `LabError` naming `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > deadline:
            raise LabError(f"waited {seconds:.0f} s in vain until {what}")
        time.sleep(every)


def succeeds(argv: Sequence[str], *, seconds: float = 30) -> bool:
    """Tell whether a command exits with 0 within `seconds`."""
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0
