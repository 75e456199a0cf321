"""One mutant before the tests that should notice it."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
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
_NODE_LIMIT = 1800.0
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
        verdict = self._by_units(mutant, out)
        on_nodes = GROUPS[group_of(mutant.path)].on_nodes
        return verdict if verdict.noticed or not on_nodes else self._on_nodes(on_nodes, out)

    def _on_nodes(self, tests: Sequence[str], out: Path) -> Verdict:
        """Run what runs roles on real nodes; the mutant acts in the node, and needs no other namespaces."""
        roles = out / "roles"
        shutil.copytree(self._copied / "roles", roles)
        shutil.copytree(out / "changed" / "roles", roles, dirs_exist_ok=True)
        words = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
        own = {"MIGRATOR_ROLES": str(roles), "MIGRATOR_LAB_NAME": f"migrator-mutant-{out.name}"}
        with (out / "log").open("wb") as log:
            process = subprocess.Popen(
                words, cwd=isolation.TREE, env=os.environ | own, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
            try:
                code: int | None = process.wait(_NODE_LIMIT)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGINT)  # it ends its nodes
                process.wait()
                code = None
        if code is None:
            return Verdict(noticed=False, how=f"on a node, not over after {_NODE_LIMIT:.0f} s")
        return Verdict(code != 0, "on a node")

    def _by_units(self, mutant: Mutant, out: Path) -> Verdict:
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
        code = isolation.run(words, self._copied, out / "changed", out, limit=_LIMIT, compiled=self._covering.compiled)
        if code == _NO_TESTS:
            return Verdict(noticed=False, how="its tests were not found")
        if code is None:
            return Verdict(noticed=False, how=f"{len(tests)} tests, not over after {_LIMIT:.0f} s")
        slow = b"from pytest-timeout" in (out / "log").read_bytes()
        return Verdict(code != 0, f"{len(tests)} tests", slow=slow)
