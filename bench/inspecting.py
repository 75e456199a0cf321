"""Inspecting N hosts against `ansible -m setup` on the same hosts with the same forks, in turn. Budget: 1.0.

Takes an inventory whose hosts can be reached: `python bench/inspecting.py INVENTORY [--limit PATTERN]`; for the lab
`python -m lab run .venv/bin/python bench/inspecting.py "$(python -m lab inventory)"`.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

RUNS = 5


def seconds(*words: str) -> float:
    """Time one command."""
    environment = {**os.environ, "ANSIBLE_PIPELINING": "true", "ANSIBLE_PYTHON_INTERPRETER": "auto_silent"}
    started = time.perf_counter()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, env=environment)
    return time.perf_counter() - started


def main() -> None:
    """Measure and print."""
    inventory, rest = sys.argv[1], sys.argv[2:]
    ansible = str(Path(sys.executable).parent / "ansible")
    ours, theirs = [], []
    for _ in range(RUNS):
        inspect = ["-m", "migrator", "inspect", "--hosts-only", "-o", "json", inventory, *rest]
        ours.append(seconds(sys.executable, *inspect))
        theirs.append(seconds(ansible, "all", "-i", inventory, "-m", "setup", "--become", "--forks", "25", *rest))
    ratios = [mine / its for mine, its in zip(ours, theirs, strict=True)]
    print(
        f"inspect / setup: median {statistics.median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}, {RUNS} pairs"
        f" (inspect {statistics.median(ours):.1f} s, setup {statistics.median(theirs):.1f} s)"
    )


if __name__ == "__main__":
    main()
