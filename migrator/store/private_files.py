"""Files for their owner alone: what is kept of nodes says where they are weak, whatever was hidden in it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path


def make_folder(folder: Path) -> None:
    """Make a folder and those above it that are missing, for the owner alone. Raises `OSError`."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(mode=0o700, exist_ok=True)
        one.chmod(0o700)
    if not folder.is_dir():
        raise NotADirectoryError(20, os.strerror(20), str(folder))


def new_folder(folder: Path) -> None:
    """Make a folder that is not there yet, below one that may be missing. Raises `OSError`."""
    make_folder(folder.parent)
    folder.mkdir(mode=0o700)  # one that is there may be somebody else's
    folder.chmod(0o700)  # whatever the umask


def close_folder(folder: Path, ours: Collection[str] = (), *, endings: Collection[str] = ()) -> None:
    """Make a folder, and close one that is there to others when nothing but ours is in it. Raises `OSError`.

    Ours is what is called one of `ours` or ends in one of `endings`. A folder that others have files in, such as
    /tmp, stays as it is: the files themselves are for their owner alone.
    """
    make_folder(folder)
    strange = any(path.name not in ours and path.suffix not in endings for path in folder.iterdir())
    if not strange and folder.stat().st_uid == os.geteuid():
        folder.chmod(0o700)


def write(path: Path, text: str) -> None:
    """Write a file in one step, so that nobody sees half of it or reads it by an earlier file's mode.

    Raises `OSError`, and `ValueError` for text that is no Unicode.
    """
    data = text.encode()
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)  # whatever the umask
            file.write(data)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def append(path: Path, text: str) -> None:
    """Add to a file. Raises `OSError`, also for a link in its place."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, 0o600)
        file.write(text)
