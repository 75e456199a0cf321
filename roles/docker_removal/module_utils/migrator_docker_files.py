"""Files that would go: what they weigh, what keeps them from going, and their removal.

Runs on the node: Python 3.6 or later, standard library only.
"""

import errno
import fcntl
import os
import select
import stat
import struct

from ansible.module_utils.migrator_docker_data import mounted, namespaces, real
from ansible.module_utils.migrator_node import run

MOST = 50
"""Obstacles of one kind that are named."""
_GET_FLAGS = (2 << 30) | (struct.calcsize("l") << 16) | (ord("f") << 8) | 1
"""FS_IOC_GETFLAGS (linux/fs.h)."""
_FIXED = ((0x10, "immutable"), (0x20, "append-only"))


def measured(path, mounts=frozenset()):
    """Give the bytes that removing a path returns, and what keeps it or parts of it from being removed.

    That is what `chattr +i` protects, what is read-only, and volumes of the file system, which are none of its folders.
    What is mounted there, at one of the places `mounts`, is not looked into.
    """
    total, stuck, seen, deaf = 0, [], set(), set()
    try:
        top = os.lstat(path)
    except OSError:
        return 0, []
    stuck += ["{} ({})".format(place, why) for place, why in around(path)]
    for place, entry in below(path, top, mounts, stuck):
        why = "" if entry.st_dev in deaf else fixed(place, entry, deaf)
        if why:
            stuck.append("{} ({})".format(place, why))
        linked = entry.st_nlink > 1 and not stat.S_ISDIR(entry.st_mode)
        if not linked or (entry.st_dev, entry.st_ino) not in seen:
            total += entry.st_blocks * 512
        if linked:
            seen.add((entry.st_dev, entry.st_ino))
    return total, stuck[:MOST]


def around(path):
    """Give what keeps entries of a path's folder from being removed."""
    folder = os.path.dirname(path)
    try:
        if os.statvfs(folder).f_flag & os.ST_RDONLY:
            yield folder, "read-only"
        why = fixed(folder, os.lstat(folder), set())
    except OSError:
        return
    if why:
        yield folder, why


def below(path, top, mounts, stuck):
    """Give a path and all below it with their states.

    Neither mounts nor other volumes are looked into; the latter are put into `stuck`.
    """
    yield path, top
    if not stat.S_ISDIR(top.st_mode):
        return
    for folder, names, files in os.walk(path, onerror=lambda _: None):
        for name in list(names) + files:
            place = os.path.join(folder, name)
            try:
                entry = os.lstat(place)
            except OSError:
                continue
            if place in mounts:
                names[:] = [other for other in names if other != name]
            elif entry.st_dev != top.st_dev and name in names:
                names.remove(name)
                stuck.append("{} (a file system of its own)".format(place))
            else:
                yield place, entry


def fixed(path, entry, deaf):
    """Say which attribute keeps a file or a folder from being removed; "" for none, and where there are none.

    Devices whose file systems have no attributes are added to `deaf`.
    """
    if not (stat.S_ISREG(entry.st_mode) or stat.S_ISDIR(entry.st_mode)):
        return ""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        (flags,) = struct.unpack("i", fcntl.ioctl(descriptor, _GET_FLAGS, b"\0" * 8)[:4])
    except OSError as error:
        if error.errno in (errno.ENOTTY, errno.EOPNOTSUPP, errno.ENOSYS):
            deaf.add(entry.st_dev)
        return ""
    finally:
        os.close(descriptor)
    return next((why for flag, why in _FIXED if flags & flag), "")


class Mounts:
    """The places at which something is mounted; looked up anew whenever the kernel says that they are others."""

    def __init__(self):
        self._file = open("/proc/self/mountinfo", "rb")
        self._changes = select.poll()
        self._changes.register(self._file, select.POLLPRI)
        self._places = frozenset(mount.place for mount in mounted())

    def __contains__(self, place):
        if self._changes.poll(0):
            self._places = frozenset(mount.place for mount in mounted())
        return place in self._places

    def close(self):
        """Let the kernel's list go."""
        self._file.close()


def delete(path, problems):
    """Remove a path with all below it; what belongs to another file system stays, and is told."""
    for place in namespaces(path):
        code, _, err = run(["umount", "-l", place], check=False)
        if code != 0:
            problems.append("{} stays mounted: {}".format(place, err.strip()))
    mounts = Mounts()
    try:
        folders = emptied(real(path), mounts, problems)
    finally:
        mounts.close()
    for folder in reversed(folders):
        try:
            os.rmdir(folder)
        except FileNotFoundError:
            continue
        except OSError as error:
            full = error.errno in (errno.ENOTEMPTY, errno.EEXIST)
            if not (full and any(problem.startswith(folder + "/") for problem in problems)):
                problems.append("{}: {}".format(folder, error.strerror))


def emptied(path, mounts, problems):
    """Remove all that is no folder at or below a path; give the folders, each before those in it."""
    folders, waiting = [], [path]
    device = None
    while waiting:
        place = waiting.pop()
        try:
            entry = os.lstat(place)
            device = entry.st_dev if device is None else device
            folder = stat.S_ISDIR(entry.st_mode)
            if entry.st_dev != device or place in mounts or (folder and os.path.ismount(place)):
                problems.append("{} stays: it belongs to another file system".format(place))
            elif folder:
                folders.append(place)
                waiting += [os.path.join(place, name) for name in os.listdir(place)]
            else:
                os.unlink(place)
        except FileNotFoundError:
            continue  # it went by itself
        except OSError as error:
            problems.append("{}: {}".format(place, error.strerror))
    return folders
