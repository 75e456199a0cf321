"""`make test`: every test, real guests included, with the time that it took; ends the lab afterwards."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from lab import cluster, images
from lab.errors import LabError
from lab.settings import Settings

_FLEET = "tests/lab/test_7_fleet.py"
"""Has a lab of its own, of six nodes."""


def main() -> int:
    """Run the tests that need no guest, then those that do, and end what was started."""
    settings = Settings()
    started = time.monotonic()
    # While no guest takes the processors from them, and before anybody waits for guests in vain.
    if code := _pytest("-q", "-n", "2", "--timeout=120", "--ignore=tests/lab", "--ignore=tests/field", "tests"):
        return code
    units = time.monotonic()
    # A build is not to be taken for a slow test: the longest one comes with these.
    images.layouts(settings)
    own = sorted(map(str, Path("tests/lab").glob("test_0_*.py")))
    on_nodes = [path for path in own if "test_0_node_" in path]
    if code := _pytest("-v", "-n", "2", "--dist", "loadfile", "--durations=10", *sorted({*own} - {*on_nodes})):
        return code
    # These wait most of the time, each on a node of its own.
    if code := _pytest("-v", "-n", "4", "--dist", "loadfile", "--durations=10", *on_nodes):
        return code
    guestless = time.monotonic()
    if code := _pytest("-v", "--durations=5", _FLEET):
        return code
    fleet = time.monotonic()
    try:
        # Before pytest, so that a build is not taken for a slow test.
        cluster.up(settings)
        up = time.monotonic()
        code = _pytest("-v", "--durations=25", "--ignore-glob=tests/lab/test_0_*", f"--ignore={_FLEET}", "tests/lab")
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    finally:
        cluster.down(settings)
    ended = time.monotonic()
    print(
        f"unit tests {units - started:.0f} s, tests without guests {guestless - units:.0f} s, "
        f"fleet {fleet - guestless:.0f} s, lab up {up - fleet:.0f} s, its tests {ended - up:.0f} s"
    )
    return code


def _pytest(*words: str) -> int:
    return subprocess.run([sys.executable, "-m", "pytest", *words], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
