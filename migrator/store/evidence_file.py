"""Evidence in files, as `verify --save` writes it and `verify --baseline` takes it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from migrator.errors import UsageError
from migrator.store import private_files

if TYPE_CHECKING:
    from migrator.model.evidence import Evidence


def read(path: Path, nodes: Sequence[str]) -> Evidence:
    """Read the baseline for the one node of `nodes`.

    Raises `UsageError` for a file that is damaged, of another version or of another node, and for several nodes.
    """
    from pydantic import ValidationError

    from migrator.model.evidence import SCHEMA, Evidence

    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"--baseline {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"--baseline {path} is not whole JSON ({error}); take it again with --save") from error
    found = document.get("schema_version") if isinstance(document, dict) else None
    if found is None:
        raise UsageError(f"--baseline {path} is not evidence; it takes a file that `verify --save` has written")
    if found != SCHEMA:
        raise UsageError(
            f"--baseline {path} is evidence of schema {found}, and this version reads {SCHEMA}; take it again"
        )
    try:
        evidence = Evidence.model_validate(document)
    except ValidationError as error:
        mistake = error.errors()[0]
        place = ".".join(str(part) for part in mistake["loc"])
        raise UsageError(f"--baseline {path} is not evidence: {place}: {mistake['msg']}") from error
    _belongs(evidence.circumstances.node, path, nodes)
    return evidence


def _belongs(node: str, path: Path, nodes: Sequence[str]) -> None:
    if len(nodes) > 1:
        raise UsageError(f"--baseline {path} is of {node}, and {len(nodes)} nodes are asked for; add --node {node}")
    if list(nodes) != [node]:
        raise UsageError(f"--baseline {path} is of {node}, and {', '.join(nodes)} is asked for")


def prepare(folder: Path) -> None:
    """Make the folder for evidence, readable by its owner only. Raises `UsageError` when nothing can be written."""
    try:
        private_files.close_folder(folder, endings=(".json",))
    except OSError as error:
        raise UsageError(f"--save {folder}: {error.strerror}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"--save {folder}: no files can be written there")


def write(folder: Path, evidence: Evidence) -> None:
    """Write `<node>.json`, readable by its owner only, in place of an older one. Raises `UsageError` when it cannot."""
    # Nothing in a node's name may lead out of the folder.
    path = folder / f"{quote(evidence.circumstances.node, safe='')}.json"
    try:
        # Not pydantic's own JSON, which refuses half a sign: a node may have one in any name.
        private_files.write(path, json.dumps(evidence.model_dump(mode="json"), indent=1))
    except OSError as error:
        raise UsageError(f"--save {path}: {error.strerror}") from error
