"""Folders of `.conf` files, where one hides those of its name in later folders: sysctl.d(5), modprobe.d(5)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def folders(kind: str) -> tuple[str, ...]:
    """Give those of a kind such as "sysctl.d", the first one wins."""
    return tuple(f"{place}/{kind}" for place in ("/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"))


def chosen(paths: Iterable[str], within: Sequence[str]) -> dict[str, str]:
    """Give the paths of the files that are read, by their names; in the order of the folders, not of the names."""
    found: dict[str, str] = {}
    known = sorted(paths)
    for folder in within:
        for path in known:
            parent, _, name = path.rpartition("/")
            if parent == folder and name.endswith(".conf"):
                found.setdefault(name, path)
    return found
