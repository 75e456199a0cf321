"""How long `migrator --help` takes against `python -c pass`, in turn, as the median of the ratios. Budget: 8."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

RUNS = 15


def seconds(*words: str) -> float:
    """Time one run of this interpreter."""
    started = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    """Measure and print."""
    ratios = [seconds("-m", "migrator", "--help") / seconds("-c", "pass") for _ in range(RUNS)]
    middle = statistics.median(ratios)
    print(f"--help / pass: median {middle:.1f}, {min(ratios):.1f} to {max(ratios):.1f}, {RUNS} pairs")


if __name__ == "__main__":
    main()
