"""QEMU of Debian 13, unpacked beside whatever the host has: one emulator, the same on every machine.

Not the host's: QEMU 7.2 of Debian 12 needs four times as long as 10.0 to start a process in an emulated guest.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from lab.apt import Archive
from lab.artefacts import artefact
from lab.settings import Settings

_SUITE = "trixie"
_PACKAGE = "qemu-system-x86"
_PROGRAM = "usr/bin/qemu-system-x86_64"
_LIBRARIES = "usr/lib/x86_64-linux-gnu"
_DATA = ("usr/share/qemu", "usr/share/seabios")
"""Firmware."""
_START = f"""#!/bin/sh
# With its own C library and loader, which are newer than this machine's may be.
here=$(dirname "$(readlink -f "$0")")
export QEMU_MODULE_DIR="$here/{_LIBRARIES}/qemu"
exec "$here/{_LIBRARIES}/ld-linux-x86-64.so.2" --library-path "$here/{_LIBRARIES}" "$here/{_PROGRAM}" \\
  {" ".join(f'-L "$here/{folder}"' for folder in _DATA)} "$@"
"""


def program(settings: Settings) -> Path:
    """Give the emulator; it takes the words that `qemu-system-x86_64` takes."""
    return artefact(
        settings.cache, "emulator", {"suite": _SUITE, "package": _PACKAGE, "start": _START, "recipe": "1"},
        lambda folder: _build(settings, folder),
    ) / "qemu"  # fmt: skip


def _build(settings: Settings, folder: Path) -> None:
    work = settings.cache / "build" / "emulator"
    shutil.rmtree(work, ignore_errors=True)
    archive = Archive(_SUITE, root=work / "apt")
    archive.update()
    archive.unpack([_PACKAGE], into=work / "root", closure=True)
    for part in (_LIBRARIES, *_DATA):
        shutil.copytree(work / "root" / part, folder / part, symlinks=True)
    (folder / _PROGRAM).parent.mkdir(parents=True)
    shutil.copy2(work / "root" / _PROGRAM, folder / _PROGRAM)
    (folder / "qemu").write_text(_START)
    (folder / "qemu").chmod(0o755)
    shutil.rmtree(work)
