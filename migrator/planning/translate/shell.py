"""Small scripts of the POSIX shell, such as stand behind `sh -c` in a unit: read, and followed through (POSIX, 2.9)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_SUBSTITUTED = re.compile(r"\$\(([^()]*)\)|`([^`]*)`")
_MARK = re.compile(r"\x01(\d+)\x01")
_ENDS = frozenset({"then", "elif", "else", "fi", "do", "done", "}", ")"})
_UNREAD = frozenset({"for", "case", "select", "function"})
_MOST_ROUNDS = 3
"""Rounds of a loop after which it counts as one that does not end: nothing changes meanwhile."""


@dataclass(frozen=True)
class Command:
    """A simple command."""

    words: tuple[str, ...]
    inner: tuple[str, ...] = ()
    """Scripts whose output it is given."""
    place: int = 0


@dataclass(frozen=True)
class Chain:
    """Commands with `&&` and `||` between them."""

    first: Node
    rest: tuple[tuple[str, Node], ...]


@dataclass(frozen=True)
class Sequence:
    """Commands one after the other."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Not:
    """A command after an exclamation mark."""

    node: Node


@dataclass(frozen=True)
class Branch:
    """`if`, with its conditions and bodies."""

    cases: tuple[tuple[Node, Node], ...]
    otherwise: Node | None


@dataclass(frozen=True)
class Loop:
    """`while` or `until`."""

    condition: Node
    body: Node
    until: bool


@dataclass(frozen=True)
class Apart:
    """What a shell of its own runs: in parentheses, or before a pipe, where nobody asks how it ended."""

    node: Node
    piped: bool


Node = Command | Chain | Sequence | Not | Branch | Loop | Apart


class HangError(Exception):
    """A script does not end."""


class EndError(Exception):
    """A script ended itself."""

    def __init__(self, *, well: bool) -> None:
        super().__init__()
        self.well = well


def read(text: str) -> Sequence:
    """Read a script. Raises `ValueError` for what is not read here: `for`, `case`, functions, an open quote."""
    inner: list[str] = []

    def taken(match: re.Match[str]) -> str:
        inner.append(match[1] if match[1] is not None else match[2])
        return f"\x01{len(inner) - 1}\x01"

    lexer = shlex.shlex(_SUBSTITUTED.sub(taken, text).replace("\n", " ; "), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    reader = _Reader([part for token in lexer for part in _operators(token)], inner)
    found = reader.sequence()
    if reader.next:
        raise ValueError(f"{reader.next!r} where no command can begin")
    return found


def _operators(token: str) -> Iterator[str]:
    """Part operators that stand together, such as `);`."""
    if token and set(token) <= set(";&|()"):
        yield from re.findall(r"&&|\|\||[;&|()]", token)
    else:
        yield token


@dataclass
class _Reader:
    tokens: list[str]
    inner: list[str]
    at: int = 0
    places: int = 0

    @property
    def next(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, wanted: str = "") -> str:
        token = self.next
        if not token or (wanted and token != wanted):
            raise ValueError(f"{wanted or 'a command'} is missing")
        self.at += 1
        return token

    def sequence(self) -> Sequence:
        nodes: list[Node] = []
        while True:
            while self.next in {";", "&"}:
                self.at += 1
            if not self.next or self.next in _ENDS:
                return Sequence(tuple(nodes))
            nodes.append(self.chain())

    def chain(self) -> Node:
        first, rest = self.pipeline(), []
        while self.next in {"&&", "||"}:
            joint = self.take()
            while self.next == ";":  # a line may end behind a joint
                self.at += 1
            rest.append((joint, self.pipeline()))
        return Chain(first, tuple(rest)) if rest else first

    def pipeline(self) -> Node:
        negated = False
        while self.next == "!":
            self.at += 1
            negated = not negated
        nodes = [self.command()]
        while self.next == "|":
            self.at += 1
            nodes.append(self.command())
        parts = (Apart(node, piped=number < len(nodes)) for number, node in enumerate(nodes, 1))
        node: Node = nodes[0] if len(nodes) == 1 else Sequence(tuple(parts))
        return Not(node) if negated else node

    def command(self) -> Node:
        word = self.next
        if word in {"{", "("}:
            self.at += 1
            found = self.sequence()
            self.take("}" if word == "{" else ")")
            return found if word == "{" else Apart(found, piped=False)
        if word == "if":
            return self.branch()
        if word in {"while", "until"}:
            self.at += 1
            condition = self.sequence()
            self.take("do")
            body = self.sequence()
            self.take("done")
            return Loop(condition, body, until=word == "until")
        if not word or word in _UNREAD or word in _ENDS:
            raise ValueError(f"{word!r} is not read here")
        return self.simple()

    def branch(self) -> Branch:
        cases: list[tuple[Node, Node]] = []
        self.take("if")
        while True:
            condition = self.sequence()
            self.take("then")
            cases.append((condition, self.sequence()))
            word = self.take()
            if word == "fi":
                return Branch(tuple(cases), None)
            if word == "else":
                otherwise = self.sequence()
                self.take("fi")
                return Branch(tuple(cases), otherwise)
            if word != "elif":
                raise ValueError("fi is missing")

    def simple(self) -> Command:
        words: list[str] = []
        while self.next and self.next not in {";", "&", "&&", "||", "|", ")", "("}:
            word = self.take()
            if set(word) & set("<>") and set(word) <= set("<>&"):
                self.at += 1  # where it goes to, or comes from
            else:
                words.append(word)
        if self.next == "(":
            raise ValueError("functions are not read here")
        self.places += 1
        inner = tuple(self.inner[int(number)] for word in words for number in _MARK.findall(word))
        return Command(tuple(words), inner, self.places)


@dataclass
class Run:
    """A script that is followed, where `status` says how each of its commands fares.

    `status` is told whether somebody asks for it: then its failure is no failure of the script.
    """

    status: Callable[[Command, bool], bool]
    strict: bool = False
    """Whether it ends with the first command that fails and is not asked for it (`set -e`)."""

    def of(self, script: Node) -> bool:
        """Tell whether a script ends, and well."""
        try:
            return self._node(script, asked=False)
        except EndError as end:
            return end.well
        except HangError:
            return False

    def _node(self, node: Node, *, asked: bool) -> bool:
        match node:
            case Sequence():
                well = True
                for inner in node.nodes:
                    well = self._node(inner, asked=asked)
            case Chain():
                well = self._chain(node, asked=asked)
            case Not():
                well = not self._node(node.node, asked=True)
            case Branch():
                well = self._branch(node, asked=asked)
            case Loop():
                well = self._loop(node, asked=asked)
            case Apart():
                well = self._apart(node, asked=asked)
            case Command():
                well = self._command(node, asked=asked)
        return well

    def _apart(self, node: Apart, *, asked: bool) -> bool:
        strict = self.strict
        try:
            well = self._node(node.node, asked=asked)
        except EndError as end:
            well = end.well
        self.strict = strict
        if not well and strict and not asked and not node.piped:
            raise EndError(well=False)
        return well

    def _chain(self, node: Chain, *, asked: bool) -> bool:
        parts = [("", node.first), *node.rest]
        well = True
        for number, (joint, part) in enumerate(parts):
            if not joint or well is (joint == "&&"):
                last = number == len(parts) - 1
                well = self._node(part, asked=asked or not last)
        return well

    def _branch(self, node: Branch, *, asked: bool) -> bool:
        for condition, body in node.cases:
            if self._node(condition, asked=True):
                return self._node(body, asked=asked)
        return self._node(node.otherwise, asked=asked) if node.otherwise else True

    def _loop(self, node: Loop, *, asked: bool) -> bool:
        well = True
        for _ in range(_MOST_ROUNDS):
            if self._node(node.condition, asked=True) is node.until:
                return well
            well = self._node(node.body, asked=asked)
        raise HangError

    def _command(self, node: Command, *, asked: bool) -> bool:
        if node.words[:1] == ("exit",):
            raise EndError(well=node.words[1:2] in {(), ("0",)})
        if node.words[:1] == ("set",):
            self.strict = self.strict or any(re.fullmatch(r"-\w*e\w*", word) for word in node.words[1:])
            return True
        well = self.status(node, asked)
        if not well and self.strict and not asked:
            raise EndError(well=False)
        return well


def commands(node: Node) -> Iterator[Command]:
    """Give the commands of a script."""
    if isinstance(node, Command):
        yield node
    elif isinstance(node, Sequence):
        for inner in node.nodes:
            yield from commands(inner)
    elif isinstance(node, Chain):
        for inner in (node.first, *(part for _, part in node.rest)):
            yield from commands(inner)
    elif isinstance(node, Not | Apart):
        yield from commands(node.node)
    elif isinstance(node, Loop):
        yield from commands(node.condition)
        yield from commands(node.body)
    else:
        for condition, body in node.cases:
            yield from commands(condition)
            yield from commands(body)
        if node.otherwise:
            yield from commands(node.otherwise)
