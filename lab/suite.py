"""`make test`: every test in one run, real guests included, with the time that it took; ends the lab afterwards."""

from __future__ import annotations

import subprocess
import sys
import time

from lab import cluster
from lab.errors import LabError
from lab.settings import Settings


def main() -> int:
    """Run pytest over everything and end what it started."""
    settings = Settings()
    started = time.monotonic()
    try:
        # Before pytest, so that a build is not taken for a slow test.
        cluster.up(settings)
        up = time.monotonic()
        done = subprocess.run([sys.executable, "-m", "pytest", "-v", "--durations=15", "tests"], check=False)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    finally:
        cluster.down(settings)
    print(f"lab up in {up - started:.0f} s, tests in {time.monotonic() - up:.0f} s")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
