"""What keeps a file from being replaced and put back: flags, mounts, other names.

Runs on the node: Python 3.6 or later, standard library only.
"""

import fcntl
import os
import re
import stat
import struct

_GETFLAGS = 2 << 30 | struct.calcsize("l") << 16 | ord("f") << 8 | 1
"""FS_IOC_GETFLAGS (Linux, include/uapi/linux/fs.h)."""
_LOCKS = {0x10: "immutable (chattr +i)", 0x20: "append-only (chattr +a)"}
"""FS_IMMUTABLE_FL and FS_APPEND_FL."""
MOUNTS = "/proc/self/mountinfo"


def lock_of(path):
    """Say which flag keeps a file or folder from being changed, by root too; "" for none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        kind = os.fstat(descriptor).st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
            return ""
        answer = bytearray(8)
        fcntl.ioctl(descriptor, _GETFLAGS, answer)
        flags = struct.unpack_from("=I", answer)[0]
    except OSError:  # a file system without flags
        return ""
    finally:
        os.close(descriptor)
    return next((name for flag, name in sorted(_LOCKS.items()) if flags & flag), "")


def existing(folder):
    """Give the nearest of a folder and those above it that is there."""
    while not os.path.lexists(folder) and os.path.dirname(folder) != folder:
        folder = os.path.dirname(folder)
    return folder


def obstacle(path, mounts=None):
    """Say what keeps the file at `path` from being replaced and put back; "" for nothing that can be seen.

    `mounts` are the mount points, where they are known already.
    """
    path = os.path.realpath(path)
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return folder_obstacle(os.path.dirname(path))
    except OSError as error:
        return "{}: {}".format(path, error.strerror)
    mounted = path in (mount_points() if mounts is None else mounts)
    why = {
        "is no regular file": not stat.S_ISREG(status.st_mode),
        "has {} names (hard links): the others would keep the old file".format(status.st_nlink): status.st_nlink > 1,
        "is {}".format(lock_of(path)): lock_of(path),
        "is mounted there by itself: nothing can take its place": mounted,
    }
    found = next((words for words, holds in why.items() if holds), "")
    return "{} {}".format(path, found) if found else folder_obstacle(os.path.dirname(path))


def folder_obstacle(folder):
    """Say what keeps files from being made and removed in a folder, or in the nearest one above it; "" for nothing."""
    folder = existing(os.path.realpath(folder))
    if not os.path.isdir(folder):
        return "{} is no folder".format(folder)
    if lock_of(folder):
        return "{} is {}".format(folder, lock_of(folder))
    try:
        if os.statvfs(folder).f_flag & os.ST_RDONLY:
            return "{} is on a file system that is mounted read-only".format(folder)
    except OSError as error:
        return "{}: {}".format(folder, error.strerror)
    return ""


def mount_points():
    """Give where something is mounted (proc(5), mountinfo: the fifth field, odd signs as octal numbers)."""
    try:
        with open(MOUNTS, "rb") as file:
            rows = [line.split(b" ") for line in file]
    except OSError:
        return frozenset()
    points = (row[4].decode(errors="surrogateescape") for row in rows if len(row) > 4)
    return frozenset(re.sub(r"\\([0-7]{3})", lambda sign: chr(int(sign.group(1), 8)), point) for point in points)
