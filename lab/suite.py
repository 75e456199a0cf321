"""`make test`: every test, real guests included, with the time that it took; ends the lab afterwards."""

from __future__ import annotations

import subprocess
import sys
import time

from lab import cluster
from lab.errors import LabError
from lab.settings import Settings


def main() -> int:
    """Run the unit tests, then those that need the lab, and end what was started."""
    settings = Settings()
    started = time.monotonic()
    # While no guest takes the processors from them, and before anybody waits for guests in vain.
    if code := _pytest("-q", "-n", "2", "--ignore=tests/lab", "--ignore=tests/field", "tests"):
        return code
    units = time.monotonic()
    try:
        # Before pytest, so that a build is not taken for a slow test.
        cluster.up(settings)
        up = time.monotonic()
        code = _pytest("-v", "--durations=25", "tests/lab")
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    finally:
        cluster.down(settings)
    ended = time.monotonic()
    print(f"unit tests {units - started:.0f} s, lab up {up - units:.0f} s, its tests {ended - up:.0f} s")
    return code


def _pytest(*words: str) -> int:
    return subprocess.run([sys.executable, "-m", "pytest", *words], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
