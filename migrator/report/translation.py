"""One translated configuration, for a terminal."""

from __future__ import annotations

from migrator.planning.translate_file import FileTranslation
from migrator.report import text
from migrator.report.escape import visible


def plain(value: FileTranslation) -> str:
    """Give the fates as a table, then every file whole."""
    blocks = [text.fates(value.fates) or "No setting: Docker's defaults."]
    for file in value.files:
        head = f"── {visible(file.path)}" + (f" (copied from {visible(file.copies)})" if file.copies else "")
        blocks.append("\n".join([head, *(visible(line, tabs=True) for line in file.content.splitlines())]))
    return "\n\n".join(blocks)
