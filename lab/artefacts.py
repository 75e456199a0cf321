"""Things that take minutes to build and are kept: one folder per artefact and set of inputs.

An artefact is built in a temporary folder and renamed when it is whole, so a build that was
broken off leaves nothing that looks finished. The hashes of its files are written beside it
and compared at every use. One process builds at a time; others wait, and find what it has built.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

MANIFEST = "manifest.json"
_checked: set[Path] = set()
"""Artefacts whose hashes this process has compared already."""
_locked: set[Path] = set()
"""Caches in which this process builds: one artefact may need another."""


def digest(path: Path) -> str:
    """Give the SHA-256 of a file's content in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def key_of(inputs: Mapping[str, str]) -> str:
    """Give the short name that a set of inputs has in the cache: 16 hex digits."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]


def _hashes(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())
    return {str(path.relative_to(folder)): digest(path) for path in files if path.name != MANIFEST}


def _intact(folder: Path) -> bool:
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError):
        return False
    return bool(manifest["files"] == _hashes(folder))


def artefact(cache: Path, name: str, inputs: Mapping[str, str], build: Callable[[Path], None]) -> Path:
    """Give the folder of an artefact, built by `build(folder)` unless the cache has it intact.

    `inputs` is everything that the result depends on; a change of any makes another artefact.
    """
    final = cache / "artefacts" / f"{name}-{key_of(inputs)}"
    if final not in _checked and not _intact(final):
        with _alone(cache):
            if not _intact(final):
                _make(final, name, inputs, build)
    _checked.add(final)
    return final


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    if cache in _locked:
        yield
        return
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _locked.add(cache)
        try:
            yield
        finally:
            _locked.remove(cache)


def _make(final: Path, name: str, inputs: Mapping[str, str], build: Callable[[Path], None]) -> None:
    if final.exists():
        say(f"{name}: the cached files are damaged, building them again")
        shutil.rmtree(final)
    started = time.monotonic()
    say(f"{name}: building")
    unfinished = final.with_name(final.name + ".partial")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    build(unfinished)
    manifest = {"inputs": dict(inputs), "files": _hashes(unfinished)}
    (unfinished / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True))
    unfinished.rename(final)
    say(f"{name}: built in {time.monotonic() - started:.0f} s")


def say(message: str) -> None:
    """Tell the person who waits what is happening."""
    print(f"lab: {message}", file=sys.stderr, flush=True)
