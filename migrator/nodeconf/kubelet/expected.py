"""The command line that the kubelet must have after its files were changed, as far as that can be known."""

from __future__ import annotations

import re
from collections.abc import Mapping

from migrator.model.facts import NodeFacts
from migrator.nodeconf.kubelet import flags as kubelet_flags
from migrator.nodeconf.systemd.edit import DROP_IN

_SPECIFIER = re.compile(r"%[A-Za-z]")


def arguments(facts: NodeFacts, changed: Mapping[str, str]) -> tuple[str, ...]:
    """Give what systemd will start the kubelet with, without its program, when files have these texts; () when unknown.

    It is known only where the files of now explain the process of now word for word: otherwise something else has a
    say, such as a specifier with a changed meaning, a wrapper, or a secret that facts do not show.
    """
    try:
        now = kubelet_flags.unit(facts)
        was = [word.text for word in now.service.words[1:]]
        after = now
        for path, text in changed.items():
            if path in now.texts or path == DROP_IN or path in dict(now.environment_files):
                after = after.replaced(path, text)
        will = [word.text for word in after.service.words[1:]]
    except ValueError:
        return ()
    if any(facts.file(path).hidden for path in now.texts):
        return ()
    meant = _meanings(was, facts.kubelet.arguments)
    if meant is None or any(_SPECIFIER.search(word) and word not in meant for word in will):
        return ()
    return tuple(meant.get(word, word) for word in will)


def _meanings(written: list[str], running: tuple[str, ...]) -> dict[str, str] | None:
    """Give what each word with a specifier became in the process; None when other words differ too."""
    if len(written) != len(running):
        return None
    pairs = dict(zip(written, running, strict=True))
    if any(word != runs and not _SPECIFIER.search(word) for word, runs in pairs.items()):
        return None
    return {word: runs for word, runs in pairs.items() if _SPECIFIER.search(word)}
