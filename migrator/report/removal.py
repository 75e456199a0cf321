"""What goes with Docker, for people."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.model.docker_removal import Removal
from migrator.report.escape import visible


def text(removal: Removal) -> str:
    """List everything that goes, without a line end; "" for nothing."""
    return "\n".join(_lines(removal))


def _lines(removal: Removal) -> Iterator[str]:
    if removal.packages:
        yield "  Packages that are removed, with the files that belong to them"
        yield from (f"    {visible(name)} {visible(version)}" for name, version in sorted(removal.packages.items()))
    if removal.packages and removal.keeps:
        yield f"  Packages that are kept, and marked so: {', '.join(map(visible, sorted(removal.keeps)))}"
    if removal.data:
        yield f"  Data that is deleted, {removal.bytes / 1e9:.2f} GB"
        yield from (f"    {visible(entry.path)}  {entry.bytes / 1e6:,.1f} MB" for entry in removal.data)
    for title, entries in (
        ("Files that are deleted", removal.files),
        ("Network namespaces that are released", removal.namespaces),
        ("Interfaces that are deleted", removal.interfaces),
        ("Firewall rules that are removed", removal.rules),
    ):
        if entries:
            yield f"  {title}"
            yield from (f"    {visible(entry)}" for entry in entries)
