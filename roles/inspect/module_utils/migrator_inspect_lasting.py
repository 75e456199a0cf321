"""Which folders a reboot empties: they lie in memory themselves, or what is below their overlay or device does.

Runs on the node: Python 3.6 or later, standard library only.
"""

import os
import re

from ansible.module_utils.migrator_inode import existing
from ansible.module_utils.migrator_inspect_tree import LARGEST_HASHED

IN_MEMORY = ("tmpfs", "ramfs", "rootfs")
"""Filesystems without a disk; the last is an initramfs (Documentation/filesystems/ramfs-rootfs-initramfs.rst)."""
RAM = re.compile(r"z?ram\d+$")
"""Block devices without one (Documentation/admin-guide/blockdev, ramdisk and zram)."""
UNMOUNTED = "/run/systemd/overlay-sysroot/"
"""A tmpfs that can't be found any more: systemd.volatile=overlay unmounts it (systemd, volatile-root.c)."""
NEW_ROOTS = ("/sysroot", "/root")
"""What an initramfs calls the root that it mounts, dracut's and Debian's: options of then keep such a name."""
DEEPEST = 8
"""Filesystems and devices that may lie below one another."""
_WRITTEN_OUT = re.compile(r"\\([0-7]{3})")


def fleeting(tree, paths):
    """Say of each path that a reboot empties where it lies, and whether that is certain; others are left out."""
    mounts = Mounts(tree)
    found = {path: mounts.fleeting(path) for path in paths}
    return {path: {"where": where[0], "certain": where[1]} for path, where in found.items() if where}


class Mount:
    """A line of /proc/mounts."""

    def __init__(self, words):
        self.source, self.point, self.kind, options = [_plain(word) for word in words[:4]]
        # A comma in a name has a backslash before it (Documentation/filesystems/overlayfs.rst).
        split = [re.sub(r"\\(.)", r"\1", option) for option in re.findall(r"(?:\\.|[^,\\])+", options)]
        self.options = dict(option.partition("=")[::2] for option in split)
        self.title = "the {} at {}".format(self.kind, self.point)

    def holds(self, path):
        """Tell whether a path is its mount point or below it."""
        return path == self.point or path.startswith(self.point.rstrip("/") + "/")


class Mounts:
    """What is mounted on a host, in order."""

    def __init__(self, tree):
        self.tree = tree
        lines = tree.text("/proc/self/mounts", LARGEST_HASHED).splitlines()
        self.mounted = [Mount(line.split(" ")) for line in lines if line.count(" ") > 2]

    def fleeting(self, path):
        """Say where a path lies that a reboot empties, and whether that is certain; None for any other."""
        there = existing(self.tree.at(path))[len(self.tree.root) :]
        return self._place(self.tree.real(there or "/"), ())

    def _place(self, path, over):
        """Look what a path without links is on, as if the mounts that are `over` it were not there."""
        mount = None
        for entry in self.mounted:
            if entry not in over and entry.holds(path) and (not mount or len(entry.point) >= len(mount.point)):
                mount = entry  # the last one hides others
        if mount is None or len(over) >= DEEPEST:
            return None
        over += (mount,)
        if mount.kind in IN_MEMORY:
            return mount.title, True
        if mount.kind == "overlay":
            return self._overlay(mount, over)
        device = self._device(mount.source, over) if mount.source.startswith("/dev/") else None
        return device and ("{}, on {}".format(mount.title, device[0]), device[1])

    def _overlay(self, mount, over):
        """Look where the upper folder is. Nothing can be written to an overlay without one, which is told elsewhere."""
        upper = mount.options.get("upperdir")
        if not upper:
            return None
        words = "{}, whose upper folder {} is {{}}".format(mount.title, upper)
        if upper.startswith(UNMOUNTED):
            return words.format("on a tmpfs"), True
        names = [upper] + [upper[len(root) :] for root in NEW_ROOTS if upper.startswith(root + "/")]
        seen = next((name for name in names if self.tree.is_folder(name)), None)
        if seen is None:
            return words.format("not to be seen from here"), False
        place = self._place(self.tree.real(seen), over)
        return place and (words.format("on " + place[0]), place[1])

    def _device(self, source, over):
        """Look what a block device is made of."""
        name = os.path.basename(self.tree.real(source))
        if RAM.match(name):
            return name, True
        if len(over) >= DEEPEST:
            return None
        block = "/sys/class/block/" + name
        file = self.tree.text(block + "/loop/backing_file").rstrip("\n")
        if file:
            place = self._place(self.tree.real(file), over) if self.tree.exists(file) else None
            return place and ("{} in {}".format(name, place[0]), place[1])
        parts = (self._device("/dev/" + part, over + (None,)) for part in self.tree.names(block + "/slaves"))
        return next((part for part in parts if part), None)


def _plain(word):
    return _WRITTEN_OUT.sub(lambda sign: chr(int(sign.group(1), 8)), word)
