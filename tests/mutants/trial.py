"""One mutant before the tests that should notice it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

from tests.mutants import isolation
from tests.mutants.chosen import LIST
from tests.mutants.covering import PYTEST, Covering
from tests.mutants.groups import GROUPS, group_of
from tests.mutants.operators import Mutant

_LIMIT = 600.0
"""Seconds for all tests of a mutant; the slowest lines are run by all of them."""
_TEST_LIMIT = 150
"""Seconds for one test: a mutant may wait for ever. Other work on the machine must not be taken for that."""
_FEWER = "MIGRATOR_RUNS=200"
"""Rollouts that are simulated for each mutant."""
_COMMAND_LIMIT = 1800.0
_NO_TESTS = 5
"""pytest's exit code where it found no test."""


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant."""

    noticed: bool
    how: str
    """For example "12 tests", or "no test runs it"."""
    slow: bool = False
    """Whether a limit of time has told."""


class Trial:
    """Puts mutants of one copied checkout to the test; several at the same time."""

    def __init__(self, copied: Path, scratch: Path, covering: Covering) -> None:
        self._copied, self._scratch, self._covering = copied, scratch, covering
        self._numbers = itertools.count()

    def of(self, mutant: Mutant) -> Verdict:
        """Run what should notice it."""
        out = self._scratch / str(next(self._numbers))
        changed = out / "changed" / mutant.path
        changed.parent.mkdir(parents=True)
        changed.write_text(mutant.text, encoding="utf-8")
        command = GROUPS[group_of(mutant.path)].command
        if command:
            code = self._run(command, out, limit=_COMMAND_LIMIT, alone=False)
            return Verdict(code != 0, " ".join(command))
        tests = self._covering.tests(mutant)
        if not tests:
            return Verdict(noticed=False, how="no test runs it")
        (out / "chosen").write_text("\n".join(tests), encoding="utf-8")
        files = self._covering.order(tests)
        words = (
            "sh",
            "-c",
            f'{_FEWER} {LIST}="$OUT/chosen" exec "$@"',
            "trial",
            *PYTEST,
            "-x",
            f"--timeout={_TEST_LIMIT}",
            *files,
        )
        code = self._run(words, out, limit=_LIMIT, alone=True)
        if code == _NO_TESTS:
            return Verdict(noticed=False, how="its tests were not found")
        if code is None:
            return Verdict(noticed=False, how=f"{len(tests)} tests, not over after {_LIMIT:.0f} s")
        slow = b"from pytest-timeout" in (out / "log").read_bytes()
        return Verdict(code != 0, f"{len(tests)} tests", slow=slow)

    def _run(self, words: tuple[str, ...], out: Path, *, limit: float, alone: bool) -> int | None:
        compiled = self._covering.compiled if alone else None
        return isolation.run(words, self._copied, out / "changed", out, limit=limit, alone=alone, compiled=compiled)
