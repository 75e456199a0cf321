"""What is written must outlast a reboot: files and the journal in memory are gone with it, and so is the way back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePosixPath

from migrator.model.facts import Fleeting
from migrator.model.plan import Finding, Severity
from migrator.planning.checks.findings import found, listed
from migrator.planning.checks.images import root_of_data
from migrator.planning.checks.node_state import OURS
from migrator.planning.inputs import NodeInputs, Translation


def files(now: NodeInputs, draft: Translation) -> Iterator[Finding]:
    """A reboot must find the new files or the old ones, and the journal that tells which."""
    paths = (*OURS, *(file.path for file in draft.files))
    for where, lost in _gone(now, paths).items():
        yield found(
            "files-in-memory",
            f"{listed(lost)}: {_said(where)}",
            "mount a disk there, or put the runtime into the image that the node starts from"
            if where.certain
            else "see what it is on: from a disk nothing has to be done",
            None if where.certain else Severity.WARNS,
        )


def data(now: NodeInputs, draft: Translation) -> Iterator[Finding]:
    """Images that are carried over must still be there after a reboot, for no registry may have them."""
    for where, lost in _gone(now, (root_of_data(now, draft),)).items():
        yield found(
            "data-in-memory",
            f"images and containers would be kept in {listed(lost)}: {_said(where)}",
            "give the folder a disk",
            None if where.certain else Severity.WARNS,
        )


def _said(where: Fleeting) -> str:
    return f"{where.where}, {'which' if where.certain else 'and what is in memory'} a reboot empties"


def _gone(now: NodeInputs, paths: Collection[str]) -> Mapping[Fleeting, set[str]]:
    """Give the paths that a reboot takes away, by where they are."""
    lost = defaultdict(set)
    looked_at = {*now.facts.files, *now.facts.fleeting, *OURS, *(disk.path for disk in now.facts.host.disks)}
    for path in paths if now.facts.fleeting else ():
        nearest = next((at for at in (path, *map(str, PurePosixPath(path).parents)) if at in looked_at), "")
        if where := now.facts.fleeting.get(nearest):
            lost[where].add(path)
    return lost
