"""Which unit tests run a line: contexts of coverage, recorded by a run of the unmutated checkout.

The record is kept for the state of the code; of tests that have changed since only these files are run again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from coverage import CoverageData

from tests.mutants.chosen import FAILED
from tests.mutants.isolation import TREE, run
from tests.mutants.operators import Mutant

PYTEST = (".venv/bin/python", "-m", "pytest", "-q", "-p", "tests.mutants.chosen", "-p", "no:cacheprovider")
_CODE = ("migrator", "roles", "playbooks", "templates")
_LIMIT = 3600.0
_MANY = 20
"""So many failures of tests without a mutant are no matter of the namespaces any more."""
_KEPT = 3
"""States of the code."""


class BaselineError(Exception):
    """The tests fail without a mutant: nothing can be said."""


class Covering:
    """The tests that run the lines of a copied checkout."""

    def __init__(self, copied: Path, scratch: Path) -> None:
        """Record it, as far as that was not done before for the same files."""
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "migrator-mutants"
        self._copied = copied
        code = (path for name in _CODE for path in (copied / name).rglob("*"))
        self._kept = home / _digest(code)
        self._kept.mkdir(parents=True, exist_ok=True)
        self.compiled = self._kept / "compiled"
        """Compiled files of the unmutated checkout, which save a mutant's run most of its time."""
        if changed := self._changed(copied):
            self._record(copied, scratch, changed)
            self._compile(copied, scratch)
        self._kept.touch()
        for old in sorted(home.iterdir(), key=lambda path: path.stat().st_mtime)[:-_KEPT]:
            shutil.rmtree(old)
        self._data = CoverageData(str(self._kept / "coverage"))
        self._data.read()
        # A few tests cannot pass in these namespaces, which proves nothing about a mutant.
        self._failing = set((self._kept / "failed").read_text(encoding="utf-8").splitlines())
        for test in sorted(self._failing):
            print(f"left out, fails without a mutant: {test}")
        with contextlib.closing(
            sqlite3.connect(self._kept / "coverage")
        ) as tables:  # coverage's "dbschema" page has them
            query = "SELECT context, COUNT(*) FROM line_bits JOIN context ON context.id = context_id GROUP BY context"
            self._reach = {context.rpartition("|")[0]: files for context, files in tables.execute(query)}
        self._all = {context.rpartition("|")[0] for context in self._data.measured_contexts()} - {""}

    def tests(self, mutant: Mutant) -> list[str]:
        """Give the ids of the tests that run the mutated line; for one that an import runs, whole files of them too."""
        found = set()
        if mutant.function:
            lines = self._data.contexts_by_lineno(str(TREE / mutant.path))
            contexts = {context for line in range(mutant.first, mutant.last + 1) for context in lines.get(line, ())}
        else:
            # No test runs a line while its module is imported: those that run this file, or one that imports it, may
            # look at what came of it.
            files = [mutant.path, *self._importing(mutant.path, _CODE[:2])]
            contexts = {context for path in files for context in self._contexts(path)}
            found |= {path for path in self._importing(mutant.path, ("tests",)) if Path(path).name.startswith("test_")}
        for context in contexts:
            test, _, phase = context.rpartition("|")
            if phase == "run":
                found.add(test)
            elif test:  # a fixture, which other tests of the file may share
                file = test.partition("::")[0]
                found |= {other for other in self._all if other.startswith(f"{file}::")}
        return sorted(found - self._failing)

    def order(self, tests: list[str]) -> list[str]:
        """Give the files of these tests: those first whose tests run the fewest files of ours, as they are quick."""
        reach: dict[str, list[int]] = {}
        for test in tests:
            reach.setdefault(test.partition("::")[0], []).append(self._reach.get(test, 0))
        return sorted(reach, key=lambda file: sum(reach[file]) / len(reach[file]))

    def _contexts(self, path: str) -> set[str]:
        lines = self._data.contexts_by_lineno(str(TREE / path))
        return {context for entries in lines.values() for context in entries}

    def _importing(self, path: str, folders: Iterable[str]) -> list[str]:
        """List the files in these folders that import a module."""
        module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        package, _, name = module.rpartition(".")
        whole, part = (
            f"from {module} import",
            re.compile(rf"from {re.escape(package)} import [^()]*?\b{name}\b|import {name}\b"),
        )
        texts = {
            file: file.read_text(encoding="utf-8") for top in folders for file in (self._copied / top).rglob("*.py")
        }
        found = [file for file, text in texts.items() if whole in text or (part.search(text) and package in text)]
        return [str(file.relative_to(self._copied)) for file in found]

    def _changed(self, copied: Path) -> dict[str, str]:
        """Give the digests of files of tests that were not recorded as they are now."""
        index = self._kept / "tests.json"
        before = json.loads(index.read_text(encoding="utf-8")) if index.is_file() else {}
        now = {str(path.relative_to(copied)): _digest([path]) for path in sorted((copied / "tests").glob("test_*.py"))}
        return {name: digest for name, digest in now.items() if before.get(name) != digest}

    def _compile(self, copied: Path, scratch: Path) -> None:
        """Keep what Python and pytest make of the files."""
        out = scratch / "compile"
        (out / "unchanged").mkdir(parents=True)
        words = (*PYTEST, "--collect-only", "--ignore=tests/lab", "--ignore=tests/field", "tests")
        run(words, copied, out / "unchanged", out, limit=_LIMIT)
        shutil.rmtree(self.compiled, ignore_errors=True)
        shutil.copytree(out / "compiled", self.compiled)

    def _record(self, copied: Path, scratch: Path, changed: dict[str, str]) -> None:
        out = scratch / "record"
        (out / "unchanged").mkdir(parents=True)
        failed = out / "failed"
        failed.touch()
        words = (*PYTEST, "-n", "2", "--cov=migrator", "--cov=roles", "--cov-context=test", "--cov-report=", *changed)
        script = f'{FAILED}="$OUT/failed" COVERAGE_FILE="$OUT/coverage" exec "$@"'
        run(("sh", "-c", script, "record", *words), copied, out / "unchanged", out, limit=_LIMIT)
        failures = failed.read_text(encoding="utf-8").splitlines()
        if not (out / "coverage").is_file() or len(failures) > _MANY:
            raise BaselineError(f"the unit tests fail without a mutant:\n{(out / 'log').read_text()[-3000:]}")
        data, new = CoverageData(str(self._kept / "coverage")), CoverageData(str(out / "coverage"))
        data.read()
        new.read()
        data.update(new)
        data.write()
        kept = self._kept / "failed"
        old = kept.read_text(encoding="utf-8").splitlines() if kept.is_file() else []
        stay = [test for test in old if test.partition("::")[0] not in changed]
        kept.write_text("\n".join([*stay, *failures]), encoding="utf-8")
        index = self._kept / "tests.json"
        before = json.loads(index.read_text(encoding="utf-8")) if index.is_file() else {}
        index.write_text(json.dumps(before | changed), encoding="utf-8")


def _digest(paths: Iterable[Path]) -> str:
    """Tell one state of files from another."""
    found = hashlib.sha256()
    for path in sorted(paths):
        if path.is_file():
            found.update(path.name.encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:20]
