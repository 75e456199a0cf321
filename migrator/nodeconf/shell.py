"""Small scripts of the POSIX shell, such as stand behind `sh -c` in a unit: read, and followed through (POSIX, 2.9)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

_SUBSTITUTED = re.compile(r"\$\(([^()]*)\)|`([^`]*)`")
_MARK = re.compile(r"\x01(\d+)\x01")
_ENDS = frozenset({"then", "elif", "else", "fi", "do", "done", "}", ")"})
_UNREAD = frozenset({"case", "select", "function"})
_WITH_VALUE = re.compile(r"[-+]\w*o")
_LAST_STATUS = frozenset({(), ("$?",), ("$$?",)})
"""What `exit` is told to pass on the status of the last command; systemd takes two dollar signs for one."""
_LOOKS_FOR = frozenset({"egrep", "fgrep", "grep", "read", "rg", "zgrep"})
"""What fails where it is given nothing to read."""
_PASSES_ON = frozenset({"awk", "cat", "cut", "head", "jq", "sed", "sort", "tail", "tee", "tr", "uniq"})
"""What has nothing to say where it is given nothing."""
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
class Each:
    """`for`, with the words that it goes through as a command; how often is not followed."""

    words: Command
    body: Node


@dataclass(frozen=True)
class Apart:
    """What a shell of its own runs: in parentheses."""

    node: Node


@dataclass(frozen=True)
class Pipe:
    """Commands with pipes between them, each of a shell of its own."""

    nodes: tuple[Node, ...]


Node = Command | Chain | Sequence | Not | Branch | Loop | Each | Apart | Pipe


class HangError(Exception):
    """A script does not end."""


class LeaveError(Exception):
    """A loop is left, or begins again."""

    def __init__(self, *, again: bool) -> None:
        super().__init__()
        self.again = again


class EndError(Exception):
    """A script ended itself."""

    def __init__(self, *, well: bool) -> None:
        super().__init__()
        self.well = well


def read(text: str) -> Sequence:
    """Read a script. Raises `ValueError` for what is not read here: `case`, functions, an open quote."""
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
        node: Node = nodes[0] if len(nodes) == 1 else Pipe(tuple(nodes))
        return Not(node) if negated else node

    def command(self) -> Node:
        word = self.next
        if word in {"{", "("}:
            self.at += 1
            found = self.sequence()
            self.take("}" if word == "{" else ")")
            return found if word == "{" else Apart(found)
        if word == "if":
            return self.branch()
        if word in {"while", "until"}:
            self.at += 1
            condition = self.sequence()
            self.take("do")
            body = self.sequence()
            self.take("done")
            return Loop(condition, body, until=word == "until")
        if word == "for":
            return self.each()
        if not word or word in _UNREAD or word in _ENDS:
            raise ValueError(f"{word!r} is not read here")
        return self.simple()

    def each(self) -> Each:
        words = self.simple()
        if words.words[2:3] != ("in",):
            raise ValueError("a loop over the arguments of a script is not read here")
        while self.next == ";":
            self.at += 1
        self.take("do")
        body = self.sequence()
        self.take("done")
        return Each(words, body)

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
    pipefail: bool = False
    """Whether a pipe fails with any of its commands (`set -o pipefail`)."""
    last: bool = True
    """How the last command ended."""

    def of(self, script: Node) -> bool:
        """Tell whether a script ends, and well."""
        try:
            return self._node(script, asked=False)
        except EndError as end:
            return end.well
        except LeaveError:  # outside of a loop it does nothing: what follows is not looked at
            return True
        except HangError:
            return False

    def _node(self, node: Node, *, asked: bool) -> bool:
        self.last = self._of(node, asked=asked)
        return self.last

    def _of(self, node: Node, *, asked: bool) -> bool:  # noqa: C901 - one case for each kind of node
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
            case Each():
                well = self._each(node, asked=asked)
            case Apart():
                well = self._checked(self._apart(node.node, asked=asked), asked=asked)
            case Pipe():
                well = self._checked(self._pipe(node, asked=asked), asked=asked)
            case Command():
                well = self._command(node, asked=asked)
        return well

    def _checked(self, well: bool, *, asked: bool) -> bool:  # noqa: FBT001 - a status
        if not well and self.strict and not asked:
            raise EndError(well=False)
        return well

    def _apart(self, node: Node, *, asked: bool) -> bool:
        options = self.strict, self.pipefail
        try:
            well = self._node(node, asked=asked)
        except EndError as end:
            well = end.well
        except LeaveError:
            well = True
        self.strict, self.pipefail = options
        return well

    def _pipe(self, node: Pipe, *, asked: bool) -> bool:
        """Follow a pipe: what failed has said nothing, so that who looks for something there fails too."""
        dry, every, before = False, True, self.last
        for part in node.nodes:
            self.last = before
            well = self._apart(part, asked=asked)
            if dry and isinstance(part, Command) and _looks(part.words):
                well = False
            dry = not well or (dry and isinstance(part, Command) and _program(part.words) in _PASSES_ON)
            every = every and well
        return every if self.pipefail else well

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
            try:
                well = self._node(node.body, asked=asked)
            except LeaveError as leave:
                if not leave.again:
                    return True
        raise HangError

    def _each(self, node: Each, *, asked: bool) -> bool:
        """Follow one round: nothing changes in the next."""
        if not self.status(node.words, True) or node.words.words[3:] == ():  # noqa: FBT003 - nobody asks how it ends
            return True
        try:
            return self._node(node.body, asked=asked)
        except LeaveError:
            return True

    def _command(self, node: Command, *, asked: bool) -> bool:
        if node.words[:1] == ("exit",):
            told = node.words[1:2]
            well = self.status(node, True) if node.inner else self.last if told in _LAST_STATUS else told == ("0",)  # noqa: FBT003
            raise EndError(well=well)
        if node.words[:1] in {("break",), ("continue",)}:
            raise LeaveError(again=node.words[0] == "continue")
        if node.words[:1] == ("set",):
            self.strict, self.pipefail = options(node.words[1:], strict=self.strict, pipefail=self.pipefail)
            return True
        return self._checked(self.status(node, asked), asked=asked)


def options(words: Iterable[str], *, strict: bool = False, pipefail: bool = False) -> tuple[bool, bool]:
    """Give whether a shell ends with the first failure, and a pipe fails with each of its commands, after options."""
    named = False
    on = True
    for word in words:
        if named:
            named = False
            strict = on if word == "errexit" else strict
            pipefail = on if word == "pipefail" else pipefail
        elif re.fullmatch(r"[-+]\w+", word):
            on = word[0] == "-"
            strict = on if "e" in word else strict
            named = takes_value(word)
        else:
            break
    return strict, pipefail


def takes_value(option: str) -> bool:
    """Tell whether an option of a shell has the next word for its value: `-o`, also behind other letters."""
    return _WITH_VALUE.fullmatch(option) is not None


def _program(words: tuple[str, ...]) -> str:
    return words[0].rpartition("/")[2] if words else ""


def _looks(words: tuple[str, ...]) -> bool:
    """Tell whether a command fails where it is given nothing to read."""
    name, rest = _program(words), words[1:]
    if name == "jq":
        return any(word == "--exit-status" or re.fullmatch(r"-\w*e\w*", word) for word in rest)
    return name in _LOOKS_FOR or (name == "awk" and any("exit" in word for word in rest))


def commands(node: Node) -> Iterator[Command]:
    """Give the commands of a script."""
    if isinstance(node, Command):
        yield node
    for inner in _inside(node):
        yield from commands(inner)


def _inside(node: Node) -> tuple[Node, ...]:
    found: tuple[Node | None, ...] = ()
    match node:
        case Sequence() | Pipe():
            found = node.nodes
        case Chain():
            found = (node.first, *(part for _, part in node.rest))
        case Not() | Apart():
            found = (node.node,)
        case Loop():
            found = (node.condition, node.body)
        case Each():
            found = (node.words, node.body)
        case Branch():
            found = (*(part for case in node.cases for part in case), node.otherwise)
        case Command():
            pass
    return tuple(part for part in found if part is not None)
