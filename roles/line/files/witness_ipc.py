"""Shared memory of the host that no container may see; it is gone when the witness is."""

import contextlib
import ctypes
import os
import re

from witness_base import ENDINGS, WitnessError, names, part, question, read

_CREATE_NEW = 0o3000
"""IPC_CREAT | IPC_EXCL of sys/ipc.h."""
_REMOVE = 0
"""IPC_RMID."""
_FOLDER = "/dev/shm"  # noqa: S108 - its place is what the probe looks for
_made = []


@question
def shared_memory(key, size, at=""):
    """Make a System V segment with this key and a file in /dev/shm; give the segment's id and the file's path."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not _made:
        _forget(libc, at)
    segment = libc.shmget(ctypes.c_int(key), ctypes.c_size_t(size), _CREATE_NEW | 0o600)
    if segment < 0:
        raise WitnessError(f"no segment with key {key}: {os.strerror(ctypes.get_errno())}")
    _made.append(lambda: libc.shmctl(segment, _REMOVE, None))
    path = f"{_FOLDER}/migrator-probe-{key}"
    try:
        file = os.open(at + path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        shared_memory_end()
        raise WitnessError(f"{path}: {error.strerror}")
    os.close(file)
    _made.append(lambda: os.unlink(at + path))
    return {"id": segment, "file": path}


def _forget(libc, at):
    """Remove what a witness left that was killed: the file, which only we can have made, names the segment's key."""
    for name in names(_FOLDER, at):
        key = re.match(r"migrator-probe-(\d{1,10})$", name)
        path = f"{at}{_FOLDER}/{name}"
        with contextlib.suppress(FileNotFoundError):
            if key and os.lstat(path).st_uid == os.geteuid():
                segment = libc.shmget(ctypes.c_int(int(key.group(1))), ctypes.c_size_t(0), 0)
                if segment >= 0:
                    libc.shmctl(segment, _REMOVE, None)
                os.unlink(path)


@question
def shared_memory_end():
    """Remove them."""
    while _made:
        _made.pop()()
    return {}


@question
def segments():
    """List the keys of the System V segments in the host's own IPC namespace, which is ours."""
    rows = (line.split() for line in (read("/proc/sysvipc/shm") or "").splitlines()[1:])
    return [int(row[0]) for row in rows if row]


ENDINGS.append(shared_memory_end)
part("witness_ipc", globals())
