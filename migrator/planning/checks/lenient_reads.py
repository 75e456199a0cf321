"""Reading the facts with patience: what cannot be read is empty here, and a finding of `unreadable-file` elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from migrator.model.facts import NodeFacts, UnitFacts
from migrator.nodeconf.kubelet import flags as kubelet_flags
from migrator.nodeconf.kubelet.config import read as read_config
from migrator.nodeconf.parsing import NOT_JSON, toml_document
from migrator.planning.inputs import NodeInputs, Translation


@dataclass(frozen=True)
class NewRuntime:
    """The runtime that the node shall have, as far as it is there already."""

    title: str
    version: str
    """Empty when it is not installed."""
    unit: UnitFacts
    root: str
    """Its data folder when nothing says otherwise."""
    copies: int
    """How often it keeps the bytes of an image."""


def new_runtime(now: NodeInputs) -> NewRuntime:
    """Give the runtime that is asked for."""
    it, facts = now.runtime, now.facts
    return NewRuntime(it.title, it.installed(facts), it.service(facts), it.root, it.copies)


def has_kubelet(facts: NodeFacts) -> bool:
    """Tell whether anything is known of the kubelet: what it is told is not known to be nothing."""
    return bool(facts.kubelet.version and (facts.kubelet.arguments or facts.kubelet.unit.fragments))


def flags(facts: NodeFacts) -> Mapping[str, str]:
    """Give the flags of the running kubelet; the last of a name wins, as it does for the kubelet."""
    return _flags(facts.kubelet.arguments)


@lru_cache(maxsize=64)
def _flags(arguments: tuple[str, ...]) -> Mapping[str, str]:
    """Read a command line once for all checks of a node."""
    return kubelet_flags.effective(kubelet_flags.read(arguments))


def kubelet_config(facts: NodeFacts) -> Mapping[str, object]:
    """Give the kubelet's configuration file; {} when it is not one."""
    try:
        return read_config(facts.file(facts.kubelet.config).content, path=facts.kubelet.config)
    except ValueError:
        return {}


def docker_config(facts: NodeFacts) -> Mapping[str, object]:
    """Give Docker's configuration file; {} when it is not one."""
    text = facts.file(facts.docker.config).content if facts.docker else ""
    try:
        document = json.loads(text.removeprefix("\ufeff") or "{}")
    except NOT_JSON:
        return {}
    return document if isinstance(document, dict) else {}


@lru_cache(maxsize=256)
def toml(text: str) -> Mapping[str, object]:
    """Give a TOML document, to be read only; {} when it is not one. Many nodes have the same."""
    try:
        return toml_document(text)
    except ValueError:
        return {}


def table(document: Mapping[str, object], *names: str) -> Mapping[str, object]:
    """Give a table inside a TOML document; {} when there is none."""
    for name in names:
        inner = document.get(name)
        if not isinstance(inner, dict):
            return {}
        document = inner
    return document


def planned_text(now: NodeInputs, draft: Translation, path: str) -> str:
    """Give the content that `path` will have."""
    drafted = next((change.content for change in draft.files if change.path == path and change.copies is None), None)
    return now.facts.file(path).content if drafted is None else drafted
