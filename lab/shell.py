"""Run a host command, or say in one paragraph why it failed."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.errors import LabError

_TAIL = 25


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    log: Path | None = None,
    timeout: float | None = None,
) -> str:
    """Run `argv` to its end and return its standard output (empty when `log` takes it).

    Raises `LabError` with the last lines of output when it exits non-zero or takes more than
    `timeout` seconds.
    """
    words = [str(word) for word in argv]
    try:
        if log is not None:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("ab") as sink:
                done = subprocess.run(
                    words, cwd=cwd, env=env, stdin=subprocess.DEVNULL,
                    stdout=sink, stderr=subprocess.STDOUT, timeout=timeout, check=False,
                )  # fmt: skip
            output = log.read_text(errors="replace")
        else:
            finished = subprocess.run(
                words, cwd=cwd, env=env, input=stdin, capture_output=True,
                text=True, timeout=timeout, check=False,
            )  # fmt: skip
            if finished.returncode == 0:
                return finished.stdout
            done, output = finished, finished.stdout + finished.stderr  # type: ignore[assignment]
    except FileNotFoundError as error:
        raise LabError(f"{words[0]} is not installed; `python -m lab check` names its package") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"`{' '.join(words)}` took more than {timeout:.0f} s") from error
    if done.returncode != 0:
        tail = "\n".join(output.strip().splitlines()[-_TAIL:])
        where = f" (whole output: {log})" if log else ""
        raise LabError(f"`{' '.join(words)}` failed with exit {done.returncode}{where}:\n{tail}")
    return ""
