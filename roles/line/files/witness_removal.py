"""Ending processes and removing folders, mounts and cgroups, never one more than was meant."""

import ctypes
import os
import signal
import stat
import time

from witness_base import below, mounts, part, read
from witness_cgroup import hierarchies

_DETACH = 2
"""MNT_DETACH of sys/mount.h."""
_KILL_SECONDS = 15
_PAUSE_SECONDS = 0.1


def alive(pid):
    """Tell whether a process runs; one that only waits to be asked for its exit code does not."""
    status = read(f"/proc/{pid}/status") or ""
    return bool(status) and "\nState:\tZ" not in status


def started(pid):
    """Give when a process was started, in the kernel's ticks since boot; "" for none. With its number it is unique."""
    text = read(f"/proc/{pid}/stat") or ""
    fields = text.rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 else ""


def kill(find, seconds=_KILL_SECONDS):
    """Kill the processes that `find` gives until it gives none; give those that would not end."""
    deadline = time.time() + seconds
    while True:
        pids = [pid for pid in find() if alive(pid)]
        if not pids or time.time() > deadline:
            return pids
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(_PAUSE_SECONDS)


def unmount(folders):
    """Unmount everything in these folders, the last mounted first, also where it is in use; give what stayed."""
    for point in reversed(mounted_below(folders)):
        detach(point)
    return mounted_below(folders)


def mounted_below(folders):
    """List the mount points in these folders, in order."""
    return [mount.point for mount in mounts() if any(below(mount.point, folder) for folder in folders)]


def detach(point):
    """Unmount one mount point."""
    ctypes.CDLL(None).umount2(os.fsencode(point), _DETACH)


def remove_tree(path):
    """Remove a folder with all that is in it; give the paths that stayed.

    Nothing is removed while something is mounted in it, and no other filesystem nor link's target is entered.
    """
    held = mounted_below([path])
    if held:
        return held
    try:
        device = os.lstat(path).st_dev
    except FileNotFoundError:
        return []
    parent = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
    try:
        stayed = _remove(parent, os.path.basename(path), path, device)
    finally:
        os.close(parent)
    return stayed


def _remove(parent, name, path, device):
    try:
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if not stat.S_ISDIR(status.st_mode):
            os.unlink(name, dir_fd=parent)
            return []
        if status.st_dev != device:
            return [path]
        stayed = _empty(parent, name, path, device)
        if not stayed:
            os.rmdir(name, dir_fd=parent)
    except FileNotFoundError:
        return []
    except OSError as error:
        return [f"{path}: {error.strerror}"]
    return stayed


def _empty(parent, name, path, device):
    folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    try:
        return [entry for inner in os.listdir(folder) for entry in _remove(folder, inner, f"{path}/{inner}", device)]
    finally:
        os.close(folder)


def remove_empty(path):
    """Remove a folder where it is empty; say whether it is gone."""
    try:
        os.rmdir(path)
    except OSError:
        return not os.path.lexists(path)
    return True


def empty_cgroups():
    """List the cgroups that hold no process, nor does one in them: paths in their hierarchy, the inner ones first."""
    found, busy = [], set()
    for top in sorted(set(hierarchies().values())):
        for folder, _, _ in os.walk(top, topdown=False):
            path = folder[len(top) :]
            if path not in busy and not read(folder + "/cgroup.procs"):
                found.append(path)
            else:
                busy.update((path, os.path.dirname(path)))
    return sorted({path for path in found if path and path not in busy}, key=lambda path: (-path.count("/"), path))


def remove_cgroups(paths):
    """Remove cgroups, given with the inner ones first, in every hierarchy; give what stayed."""
    folders = [top + path for path in paths for top in sorted(set(hierarchies().values()))]
    return [folder for folder in folders if not remove_empty(folder)]


part("witness_removal", globals())
