"""Change words of a service's command line in the files where they stand, and nothing else in these files.

Words are named by their number in `Service.words`.

Every edit is tried in the file's text, from the tidiest way to the plainest, and taken only when systemd would then
start exactly the command line that was meant. A packaged file is never edited: what has to change in it is said
anew in a drop-in of ours.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from migrator.nodeconf.systemd import syntax as systemd_syntax
from migrator.nodeconf.systemd.unit import Definition, Unit, Word

DROP_IN = "/etc/systemd/system/kubelet.service.d/zz-migrator.conf"
_HEADER = "# Written by migrator: says anew what packaged files say, for the container runtime of this node.\n"
_NOT_OURS = ("/lib/", "/usr/lib/", "/usr/share/", "/run/")
"""Folders of packages and of generators: what is edited there is gone with the next update or boot."""

_Meant = Callable[[list[str]], bool]


def packaged(path: str) -> bool:
    """Tell whether this file belongs to a package or is made at boot, and thus is not for editing."""
    return path.startswith(_NOT_OURS)


def drop(unit: Unit, number: int) -> Unit:
    """Give the unit without the word of this number. Raises `ValueError` when no edit does that and only that."""
    return _rewrite(unit, number, ())


def replace(unit: Unit, number: int, text: str) -> Unit:
    """Give the unit with another word in the place of this one. Raises `ValueError` as `drop` does."""
    return _rewrite(unit, number, (text,))


def insert(unit: Unit, number: int, text: str) -> Unit:
    """Give the unit with a new word before the one of this number. Raises `ValueError` as `drop` does."""
    return _rewrite(unit, number, (text, None))


def append(unit: Unit, definition: Definition | None, text: str) -> Unit:
    """Give the unit with a new word at the end of a variable's value, or of ExecStart for None.

    Raises `ValueError` as `drop` does.
    """
    unit = _owned(unit, definition, definition.path if definition else unit.service.path)
    path = unit.service.definitions[definition.name].path if definition else unit.service.path
    before = [word.text for word in unit.service.words]

    def meant(words: list[str]) -> bool:
        # Wherever the variable stands: the new word, once, and all others in their order.
        place = next((at for at, word in enumerate(words) if word == text and words[:at] == before[:at]), -1)
        return place >= 0 and [*words[:place], *words[place + 1 :]] == before

    def candidates(raw: str) -> Iterator[str]:
        if definition is None:
            end = unit.service.end
            yield f"{raw[:end]} {systemd_syntax.quote_word(text)}{raw[end:]}"
            return
        now = unit.service.definitions[definition.name]
        new = systemd_syntax.quote_in_variable(text)
        if tokens := systemd_syntax.split(now.value, escapes=False, relaxed=True):
            end = now.value.ends[tokens[-1].last - 1]
            yield f"{raw[:end]} {new}{raw[end:]}"
        yield _with_value(raw, now, f"{now.value.text} {new}".lstrip(systemd_syntax.WHITESPACE))

    name = definition.name if definition else ""
    return _first(unit, path, name, candidates, meant, f"{text} cannot be added to it")


def _rewrite(unit: Unit, number: int, pieces: Sequence[str | None]) -> Unit:
    """Put `pieces` in the place of a word; None among them is the word itself."""
    old = unit.service.words[number]
    unit = _owned(unit, old.definition, old.place)
    old = unit.service.words[number]
    wanted = list(_expected(unit.service.words, old, pieces))

    def candidates(raw: str) -> Iterator[str]:
        quote = systemd_syntax.quote_in_variable if old.definition else systemd_syntax.quote_word
        own = raw[old.start : old.end]
        new = " ".join(own if piece is None else quote(piece) for piece in pieces)
        if old.definition and (own.count('"') % 2 or own.count("'") % 2):
            pass  # a quote that closes elsewhere: systemd would make something of what is left, but nobody else
        elif pieces:
            yield raw[: old.start] + new + raw[old.end :]
        else:
            yield from _without(raw, old.start, old.end)
        if old.definition:
            value = old.definition.value.text
            own = value[old.first : old.last]
            new = " ".join(own if piece is None else quote(piece) for piece in pieces)
            changed = f"{value[: old.first]}{new}{value[old.last :]}"
            yield _with_value(raw, old.definition, changed if pieces else changed.strip(systemd_syntax.WHITESPACE))

    name = old.definition.name if old.definition else ""
    problem = f"{old.text} cannot be changed there"
    return _first(unit, old.place, name, candidates, lambda words: words == wanted, problem)


def _expected(words: Sequence[Word], old: Word, pieces: Sequence[str | None]) -> Iterator[str]:
    """Give the words that are meant; a variable may stand in the command line more than once."""
    for word in words:
        if (word.place, word.start, word.end) == (old.place, old.start, old.end):
            yield from (word.text if piece is None else piece for piece in pieces)
        else:
            yield word.text


def _without(raw: str, start: int, end: int) -> Iterator[str]:
    """Give the text without a word, in ways that leave the less behind the earlier they come."""
    line_start = raw.rfind("\n", 0, start) + 1
    line_end = raw.find("\n", end) + 1 or len(raw)
    if not raw[line_start:start].strip() and raw[end:line_end].strip() in {"", "\\"}:
        yield raw[:line_start] + raw[line_end:]
    left = re.search(r"([ \t]*\\\n)?[ \t]*\Z", raw[:start])
    right = re.match(r"[ \t]*", raw[end:])
    if left and left[0]:
        yield raw[: left.start()] + raw[end:]
    if right and right[0]:
        yield raw[:start] + raw[end + right.end() :]
    yield raw[:start] + raw[end:]


def _with_value(raw: str, definition: Definition, value: str) -> str:
    quoted = (
        systemd_syntax.quote_assignment(definition.name, value)
        if definition.in_unit
        else systemd_syntax.quote_value(value)
    )
    return raw[: definition.start] + quoted + raw[definition.end :]


def _first(
    unit: Unit, path: str, name: str, candidates: Callable[[str], Iterator[str]], meant: _Meant, problem: str
) -> Unit:
    """Take the first candidate that systemd understands as it is meant, every variable but `name` as before."""
    others = _values(unit, name)
    for text in candidates(unit.texts[path]):
        changed = unit.replaced(path, text)
        try:
            words = [word.text for word in changed.service.words]
        except ValueError:
            continue
        if meant(words) and _values(changed, name) == others:
            return changed
    raise ValueError(f"{path}: {problem} without changing the rest of the command line; write that file more simply")


def _values(unit: Unit, but: str) -> dict[str, str]:
    return {name: found.value.text for name, found in unit.service.definitions.items() if name != but}


def _owned(unit: Unit, definition: Definition | None, path: str) -> Unit:
    """Say anew in our drop-in what stands in a packaged file, so that it can be edited there."""
    if not packaged(path):
        return unit
    if definition is None:
        line = f"ExecStart=\nExecStart={unit.service.written}\n"
    elif definition.in_unit:
        line = f"Environment={definition.written}\n"
    else:
        raise ValueError(f"{path} sets {definition.name} and is a packaged file; set it in a file under /etc instead")
    old = unit.texts.get(DROP_IN, _HEADER)
    old = old if old.endswith("\n") else f"{old}\n"
    again = unit.replaced(DROP_IN, f"{old}[Service]\n{line}")
    before, after = ([word.text for word in each.service.words] for each in (unit, again))
    now = again.service.definitions[definition.name].path if definition else again.service.path
    if before != after or now != DROP_IN:
        raise ValueError(f"{path} must not be edited, and a later file has the last word over {DROP_IN}")
    return again
