"""Units and their environment files beside real systemds: the words that a service's program is started with."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any

from pydantic import ValidationError

from lab import managers
from lab.managers import Manager
from lab.settings import Settings
from migrator.model.facts import SCHEMA, FileFact, NodeFacts
from migrator.nodeconf.kubelet import flags as kubelet_flags
from tests.fuzz.case import Compare, Disagreement, Reader, Tally
from tests.fuzz.nodeside import trees, units

_MAIN = "/usr/lib/systemd/system"
_NAMES = ("A", "B", "C")
_WORDS = (
    "x", "--a=1", "--b", "1 2", "é", "$A", "${A}", "x${B}y", "$$A", "$${A}", "${A:-1}", "$", "%%", "%n", "%p", "%N", "%H", "%Z", "%5",
    "a%.b", "\\", "\\\\", "\\n", "\\s", "\\x41", "\\u00e9", "\\101", "\\q", "\\.", "\\x0", "\\$", "'", '"', "''", '""', "'a b'", '"a b"',
    'c="d e"', ";", "\\;", "#", "=", "B=2", "B=%Z", '"B=2 3"', "-C=1", "1A=2", "C=", "\t", "  ", "\\\n", "\\\n   ", "\\\n# no \\\n", "\x01",
    "*", "@", "!", "|",
)  # fmt: skip
_VALUES = (
    "x", "--a=1 --b", " 1 2 ", "'a b'", '"a b"', "'a' 'b'", "'a'b", "a'b'", "\\", "\\\\", "\\n", "\\\n", '"x\\\ny"', '"\\$\\q"', "'\\q'", "é", "#",
    ";", "$B", "${B}", "=", "%", "%%", "%H", "\t", "\x02", "\x0b", '"\x03"', "'\n'", '"',
)  # fmt: skip
_ENDS = ("\n",) * 12 + ("\r\n", "\n\r", "\r", "\n\n", "\\\n", "\0")
_COMMENTS = ("#", "# A=0", ";B=0", "# end \\", "#x \\\\", "  # A=9", "; \\\n  y")
_FILES = ("-{0}", "-{0}", "{0}", "-{1}//{2}", "-{1}/./{2}", "-{1}/{2}/", '"{0}"', "-'{0}'", "relative", "-{1}", "-{1}/*", "-{1}/?.env", "-{1}/[a-b].*",
          "-{1}/[!b].env", "-{1}/[z-a]*", "-{1}/**[^z-a].e**", "-{1}/[a.env", "-{1}/*e*e*e*e*e*e*e*e*e*e*e*e*x", "-{1}/%p", "-{1}/%N", "-%%{0}", "-{1}/%Z", "-{1}/../{3}/{2}", "", "-", "-{1}/%p.env", "-{1}/.h", "-{1}/{2}\\", "-/dev/null")  # fmt: skip
_SECTIONS = ("[Service]",) * 10 + ("[Unit]", "[Install]", "[service]", " [Service] ", "[Service", "[X-Y]")
_UNTOLD = re.compile(
    "releases of systemd disagree|one byte of a character|not UTF-8|starts several commands|do not fit"
)
"""Refusals that are meant, where a systemd starts the service."""
_UNFIT = "its facts do not fit their schema"
_SPECIFIER = re.compile("%[A-Za-z]")


def _value(chance: Random, pieces: Sequence[str], most: int) -> str:
    return "".join(chance.choice(pieces) + chance.choice(("", "", " ")) for _ in range(chance.randint(0, most)))


def _settings(chance: Random, folder: str, *, start: bool) -> str:
    """Make some lines of a unit file."""
    lines = []
    for _ in range(chance.randint(0, 4)):
        kind = chance.random()
        if kind < 0.1:
            lines.append(chance.choice(_COMMENTS))
        elif kind < 0.65:
            assigned = "".join(
                chance.choice(('"{}={}"', "'{}={}'", "{}={}", "{}={}")).format(chance.choice(_NAMES), _value(chance, _WORDS, 3)) + " "
                for _ in range(chance.randint(0, 2))
            )  # fmt: skip
            lines.append(f"Environment={assigned}{chance.choice((' ', ''))}")
        elif kind < 0.9:
            lines.append("EnvironmentFile=" + _file(chance, folder))
        else:
            lines.append(
                chance.choice(
                    (
                        "Environment",
                        "rubbish",
                        " Environment = A=7",
                        "environment=A=8",
                        "Environment=",
                        "EnvironmentFile=",
                    )
                )
            )
    if start:
        words = "".join(f" {_value(chance, _WORDS, 2)}" for _ in range(chance.randint(0, 2)))
        prefix = chance.choice(("",) * 8 + ("-", ":", "+"))
        lines.insert(chance.randint(0, len(lines)), f"ExecStart={prefix}{managers.PROGRAM} $A $B {words}${{C}}")
    section = chance.choice(_SECTIONS)
    text = "".join(line + chance.choice(_ENDS) for line in (section, *lines))
    return chance.choice(("",) * 15 + ("\ufeff",)) + text


def _file(chance: Random, folder: str) -> str:
    name = chance.choice(("a.env", "b.env", "none"))
    return chance.choice(_FILES).format(f"{folder}/{name}", folder, name, folder.rpartition("/")[2])


def _variables(chance: Random) -> str:
    lines = []
    for _ in range(chance.randint(0, 4)):
        if chance.random() < 0.25:
            lines.append(chance.choice(_COMMENTS))
        else:
            name = chance.choice((*_NAMES, *_NAMES, " A", "A ", "export A", "1A", "", "A-B"))
            lines.append(f"{name}={_value(chance, _VALUES, 3)}")
    return "".join(line + chance.choice(_ENDS[:-1]) for line in lines)


def files(chance: Random, name: str) -> dict[str, bytes | None]:
    """Make the files of one service."""
    folder = f"/etc/{name.removesuffix('.service')}"
    made: dict[str, bytes | None] = {f"{_MAIN}/{name}": _settings(chance, folder, start=True).encode()}
    for number in range(chance.choice((0, 0, 1, 1, 2))):
        place = chance.choice(managers.UNITS)
        content = _settings(chance, folder, start=chance.random() < 0.15)
        content = ("[Service]\nExecStart=\n" if "ExecStart=" in content else "") + content
        made[f"{place}/{name}.d/{number}0.conf"] = None if chance.random() < 0.1 else content.encode()
        if chance.random() < 0.1:
            made[f"/etc/systemd/system/{name}.d/{number}0.conf"] = None
    for file in ("a.env", "b.env", ".h", name.removesuffix(".service")):
        if chance.random() < 0.7:
            content = _variables(chance).encode()
            made[f"{folder}/{file}"] = content + (b"\xff\n" if chance.random() < 0.02 else b"")
    return made


def _node(manager: Manager, told: Mapping[str, Any], name: str) -> NodeFacts:
    """Read the service's files as a node's inspection does."""
    tree = trees.Tree(str(manager.root))
    unit = units.unit_fact(tree, told, name)
    kinds = (*unit.get("fragments", ()), *unit.get("environment_files", ()))
    found = {path: FileFact.model_validate(_plain(tree, path)) for path in kinds}
    facts = NodeFacts(schema_version=SCHEMA, root=True)
    return NodeFacts.model_validate(
        {
            **facts.model_dump(),
            "kubelet": {**facts.kubelet.model_dump(), "unit": unit},
            "files": {k: v.model_dump() for k, v in found.items()},
        }
    )


def _plain(tree: Any, path: str) -> dict[str, Any]:
    """Describe a file, with what might be a secret left in it."""
    fact: dict[str, Any] = trees.file_fact(tree, path)
    if fact.get("exists") and not fact.get("problem"):
        fact.update(content=(tree.read(path) or b"").decode(), hidden=False)
    return fact


def ours(facts: NodeFacts) -> list[str] | str:
    """Give the words that we say the program gets; why there are none where the service does not start."""
    try:
        words = kubelet_flags.unit(facts).service.words
    except ValueError as error:
        return str(error)
    return [word.text for word in words[1:]] if words else "no ExecStart"


def _same(said: list[str], got: list[str]) -> bool:
    """Compare, where ours may have specifiers that only systemd knows."""

    def fits(one: str, other: str) -> bool:
        return re.fullmatch(".*".join(map(re.escape, _SPECIFIER.split(one))), other, re.DOTALL) is not None

    return len(said) == len(got) and all(map(fits, said, got))


def _compared(manager: Manager, seeds: Sequence[int]) -> Tally:
    made = {f"case-{seed}.service": files(Random(seed), f"case-{seed}.service") for seed in seeds}  # noqa: S311 - no secret
    for entries in made.values():
        manager.place(entries)
    got = manager.start([*made])
    properties = ",".join(units._PROPERTIES)  # noqa: SLF001 - what the inspection asks
    told = units.parse(manager.ask("show", f"--property={properties}", *made))
    refused, found = 0, []
    for seed, (name, entries) in zip(seeds, made.items(), strict=True):
        try:
            said = ours(_node(manager, told, name))
        except ValidationError:  # a path with a control character, which the door to the hosts refuses
            said = _UNFIT
        except trees.UnreadableError:  # a pattern that takes too long to try
            refused += 1
            continue
        theirs = got[name]
        if isinstance(said, list) and theirs is not None and _same(said, theirs):
            continue
        if isinstance(said, str) and theirs is None:
            continue
        if isinstance(said, str) and _UNTOLD.search(said):
            refused += 1
            continue
        given = "\n".join(f"{path}: {content!r}" for path, content in entries.items())
        found.append(Disagreement(seed, given, repr(theirs), repr(said)))
    manager.forget()
    return Tally(len(seeds), refused, tuple(found))


@contextmanager
def _start(settings: Settings, suite: str) -> Iterator[tuple[str, Compare]]:
    with managers.systemd(settings, suite).running() as manager:
        yield f"systemd {manager.version}", lambda seeds: _compared(manager, seeds)


READER = Reader("units", lambda _: managers.SUITES, _start)
