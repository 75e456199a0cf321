"""Find and remove what sessions left in a runtime, for example one that was killed."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.cri import OWNER_LABEL, Container, Runtime, Sandbox
from migrator.errors import CriError


def sweep(runtime: Runtime, *, keep: str = "") -> tuple[str, ...]:
    """Stop and remove every container and sandbox of ours, except those of session `keep`; a sentence for each.

    One that will not go does not keep the others: it is named in the `CriError` that is raised at the end.
    """
    done: list[str] = []
    problems: list[str] = []
    for entry in _left(runtime, keep):
        try:
            done.append(_removed(runtime, entry))
        except CriError as error:
            if error.fatal:
                raise
            problems.append(str(error))
    if problems:
        raise CriError(f"what an earlier probe left will not go: {'; '.join(problems)}")
    return tuple(done)


def _left(runtime: Runtime, keep: str) -> Iterator[Container | Sandbox]:
    """Give all of ours, containers first: those of a broken sandbox do not always go with it."""
    # A runtime can look for a label's value only, and we do not know whose is left: all are listed.
    everything: tuple[Container | Sandbox, ...] = (*runtime.containers({}), *runtime.sandboxes({}))
    for entry in everything:
        if entry.labels.get(OWNER_LABEL, keep) != keep:
            yield entry


def _removed(runtime: Runtime, entry: Container | Sandbox) -> str:
    session = entry.labels[OWNER_LABEL]
    if isinstance(entry, Sandbox):
        runtime.stop_sandbox(entry.id)
        runtime.remove_sandbox(entry.id)
        return f"removed sandbox {entry.name} of session {session}"
    if entry.state == "running":
        runtime.stop_container(entry.id, 0)
    runtime.remove_container(entry.id)
    return f"removed container {entry.name} of session {session}"
