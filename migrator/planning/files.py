"""The files that a migration writes, each with its exact bytes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from migrator.model.facts import FileFact, NodeFacts
from migrator.model.plan import FileChange
from migrator.nodeconf import host_files, kubelet
from migrator.nodeconf.settings import RuntimeSettings, Written
from migrator.runtimes.destination import Destination
from migrator.runtimes.registry import RUNTIMES

_HIDDEN = re.compile(r"(?<![0-9a-z])sha256:[0-9a-f]{16}(?![0-9a-f])")
"""What the inspection puts in the place of a secret; an image's digest has 64 digits."""


def wanted(facts: NodeFacts, settings: RuntimeSettings, to: Destination) -> tuple[Written, ...]:
    """Give every file as it has to be, in the order of writing: the runtime's, the kubelet's, the host's.

    Raises `ValueError` when a file on the node cannot be read for what it is.
    """
    runtime = RUNTIMES[to.runtime]
    rewritten = kubelet.rewrite(facts, settings, runtime.endpoint, runtime.unit)
    return (
        *runtime.write(facts, settings, to),
        *(Written(path=path, content=text) for path, text in rewritten.items()),
        host_files.crictl(runtime.endpoint, facts.file(host_files.CRICTL).content),
        host_files.modules(),
        host_files.sysctl(settings),
    )


def changes(facts: NodeFacts, written: Iterable[Written]) -> tuple[FileChange, ...]:
    """Give those that are not on the node yet; an existing file keeps its mode and owner.

    Raises `ValueError` when a file that must be replaced or copied was not read whole.
    """
    return tuple(change for entry in written if (change := _change(facts, entry)))


def _change(facts: NodeFacts, entry: Written) -> FileChange | None:
    return _made(facts.file(entry.path), entry, _source(facts, entry.copies) if entry.copies else None)


@lru_cache(maxsize=4096)
def _made(before: FileFact, entry: Written, source: FileFact | None) -> FileChange | None:
    if before.problem:
        raise ValueError(f"{entry.path}: {before.problem}")
    if before.hidden:
        raise ValueError(f"{entry.path} holds credentials, which a plan must not carry; move them elsewhere first")
    if _HIDDEN.search(entry.content):
        raise ValueError(
            f"{entry.path} would be written with a value that was hidden as a secret; say it elsewhere first"
        )
    change = FileChange(path=entry.path, content=entry.content, copies=source, mode=entry.mode, before=before)
    if not before.exists:
        return change
    same = before.sha256 == change.sha256 if source else before.content == entry.content
    kept = {"mode": before.mode, "owner": before.owner, "group": before.group}
    return None if same else change.model_copy(update=kept)


def _source(facts: NodeFacts, path: str) -> FileFact:
    found = next((entry for entry in facts.certificates if entry.path == path), None)
    if found is None:
        raise ValueError(f"{path} is named by a configuration and was not found")
    return FileFact(path=path, exists=True, mode=found.mode, sha256=found.sha256)
