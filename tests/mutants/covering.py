"""Which unit tests run a line: contexts of coverage, recorded by one run of the unmutated checkout."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from coverage import CoverageData

from tests.mutants.chosen import FAILED
from tests.mutants.isolation import TREE, run
from tests.mutants.operators import Mutant

UNIT = ("--ignore=tests/lab", "--ignore=tests/field")
PYTEST = (".venv/bin/python", "-m", "pytest", "-q", "-p", "tests.mutants.chosen", "-p", "no:cacheprovider", *UNIT)
_LIMIT = 1800.0
_MANY = 20
"""So many failures of tests without a mutant are no matter of the namespaces any more."""


class BaselineError(Exception):
    """The tests fail without a mutant: nothing can be said."""


class Covering:
    """The tests that run the lines of a copied checkout."""

    def __init__(self, copied: Path, scratch: Path) -> None:
        """Record it, unless that was done before for the same files."""
        self._copied = copied
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "migrator-mutants"
        kept = cache / f"{_digest(copied)}.coverage"
        if not kept.exists():
            _record(copied, scratch, kept)
        self._data = CoverageData(str(kept))
        self._data.read()
        # A few tests cannot pass in these namespaces, which proves nothing about a mutant.
        self._failing = set(kept.with_suffix(".failed").read_text(encoding="utf-8").split("\n")) - {""}
        for test in sorted(self._failing):
            print(f"left out, fails without a mutant: {test}")
        self._all = {context.rpartition("|")[0] for context in self._data.measured_contexts()} - {""}

    def tests(self, mutant: Mutant) -> list[str]:
        """Give the ids of the tests that run the mutated line; those of the whole file where an import runs it."""
        lines = self._data.contexts_by_lineno(str(TREE / mutant.path))
        # Nobody calls it in a test while a module is imported: any of the file's tests may look at what came of it.
        ran = range(mutant.first, mutant.last + 1) if mutant.function else lines.keys()
        found = set()
        for context in {context for line in ran for context in lines.get(line, ())}:
            test, _, phase = context.rpartition("|")
            if phase == "run":
                found.add(test)
            elif test:  # a fixture, which other tests of the file may share
                file = test.partition("::")[0]
                found |= {other for other in self._all if other.startswith(f"{file}::")}
        return sorted(found - self._failing)


def _record(copied: Path, scratch: Path, kept: Path) -> None:
    out = scratch / "record"
    unchanged = out / "unchanged"
    unchanged.mkdir(parents=True)
    words = (*PYTEST, "-n", "2", "--cov=migrator", "--cov=roles", "--cov-context=test", "--cov-report=")
    script = f'{FAILED}="$OUT/failed" COVERAGE_FILE="$OUT/coverage" exec "$@"'
    failed = out / "failed"
    failed.touch()
    run(("sh", "-c", script, "record", *words), copied, unchanged, out, limit=_LIMIT)
    if not (out / "coverage").is_file() or len(failed.read_text(encoding="utf-8").splitlines()) > _MANY:
        raise BaselineError(f"the unit tests fail without a mutant:\n{(out / 'log').read_text()[-3000:]}")
    kept.parent.mkdir(parents=True, exist_ok=True)
    for old in sorted(kept.parent.glob("*.coverage"), key=lambda path: path.stat().st_mtime)[:-4]:
        old.unlink()
        old.with_suffix(".failed").unlink()
    shutil.move(failed, kept.with_suffix(".failed"))
    shutil.move(out / "coverage", kept)


def _digest(copied: Path) -> str:
    """Tell one state of the code and its tests from another."""
    found = hashlib.sha256()
    for path in sorted(copied.rglob("*")):
        if path.is_file() and path.relative_to(copied).parts[0] in {
            "migrator",
            "roles",
            "tests",
            "playbooks",
            "templates",
        }:
            found.update(str(path.relative_to(copied)).encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:20]
