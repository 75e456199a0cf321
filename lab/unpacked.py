"""Programs of several Debian releases, unpacked and never installed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from lab.apt import Archive
from lab.artefacts import artefact
from lab.settings import Settings


def unpacked(
    settings: Settings,
    name: str,
    suite: str,
    packages: Sequence[str],
    *,
    recipe: str = "1",
    closure: bool = False,
    finish: Callable[[Path], None] = lambda _: None,
) -> Path:
    """Give the folder with these packages of a release, built where the cache has it not, as the artefact NAME-SUITE.

    With `closure` all that they depend on is there too. `finish` has the last word on a new folder; who changes what it
    does gives another `recipe`.
    """

    def build(folder: Path) -> None:
        work = settings.cache / "build" / f"apt-{name}-{suite}"
        archive = Archive(suite, root=work)
        archive.update()
        archive.unpack([*packages], into=folder, closure=closure)
        finish(folder)
        shutil.rmtree(work)

    inputs = {"suite": suite, "packages": " ".join(packages), "recipe": recipe}
    return artefact(settings.cache, f"{name}-{suite}", inputs, build)


def command(folder: Path, program: str, *words: str | Path) -> list[str]:
    """Give the command line that starts a program with its own release's C library: this machine's may be older."""
    libraries = [folder / path for path in ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu")]
    loader = next(path / "ld-linux-x86-64.so.2" for path in libraries if (path / "ld-linux-x86-64.so.2").exists())
    return [str(word) for word in (loader, "--library-path", ":".join(map(str, libraries)), folder / program, *words)]
