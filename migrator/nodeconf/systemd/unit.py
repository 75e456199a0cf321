"""The command line that systemd makes of a service's files, each word with the place where it stands.

Source: systemd.service(5) "COMMAND LINES", systemd.exec(5) "ENVIRONMENT", systemd.unit(5); where these are silent,
systemd's load-fragment.c and env-util.c. Not followed: `PassEnvironment=`, `UnsetEnvironment=` and variables that
systemd sets itself; `kubelet_flags.unexplained` shows where they would have mattered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

from migrator.nodeconf.systemd import syntax as systemd_syntax
from migrator.nodeconf.systemd.positions import PositionedText
from migrator.nodeconf.systemd.specifiers import Named, named, resolved
from migrator.nodeconf.systemd.syntax import Setting, Token

_PREFIXES = "@-+!:|"
_BRACED = re.compile(r"\$\$|\$\{([^}:]*)\}")
"""What is replaced inside a word; a shell's `${VAR:-default}` means nothing to systemd."""


@dataclass(frozen=True)
class Definition:
    """The assignment that a variable has its value from."""

    path: str
    name: str
    value: PositionedText
    start: int
    """Where what must be replaced to give it another value begins in the file."""
    end: int
    in_unit: bool
    """Whether it stands behind `Environment=`; else in a file of variables."""
    written: str = ""
    """Behind `Environment=`: the assignment with its quotes, on one line."""


@dataclass(frozen=True)
class Word:
    """One word of a command line. Two words are equal when text, file and variable are."""

    text: str
    path: str
    """The file that it stands in."""
    variable: str
    """The variable in whose value it stands; "" when it stands in ExecStart itself."""
    place: str = field(default="", compare=False)
    """The file in which it is edited: `path`, but for `${VAR}` the one with ExecStart, where the word cannot vanish."""
    start: int = field(default=0, compare=False)
    """Where it begins in the text of `place`, quotes included."""
    end: int = field(default=0, compare=False)
    first: int = field(default=0, compare=False)
    """Where it begins in the value of `definition`, quotes included."""
    last: int = field(default=0, compare=False)
    definition: Definition | None = field(default=None, compare=False)
    """The assignment in which it is edited; None when that is ExecStart."""


@dataclass(frozen=True)
class _Variable:
    """A variable that is set. It refers to its definition and not the other way: no cycles for thousands of nodes."""

    definition: Definition

    @cached_property
    def words(self) -> tuple[Word, ...]:
        """What stands for it where it is a word of its own in ExecStart."""
        known, value = self.definition, self.definition.value
        return tuple(
            Word(
                token.value.text, known.path, known.name, place=known.path, definition=known,
                start=value.starts[token.first], end=value.ends[token.last - 1], first=token.first, last=token.last,
            )
            for token in systemd_syntax.split(value, escapes=False, relaxed=True)
        )  # fmt: skip


_Environment = Mapping[str, _Variable]


@dataclass(frozen=True)
class Service:
    """What systemd would start."""

    words: tuple[Word, ...] = ()
    """The command line with the program; () when no ExecStart is set."""
    path: str = ""
    """The file with the ExecStart that counts."""
    written: str = ""
    """Its value as it stands there, on one line."""
    end: int = 0
    """Where the value ends in the file."""
    variables: tuple[str, ...] = ()
    """Names of the variables that stand in ExecStart as words of their own, set or not."""
    definitions: Mapping[str, Definition] = field(default_factory=dict)
    """Of all variables that are set, by name."""


@dataclass(frozen=True)
class Unit:
    """The texts that make a service: the unit file, its drop-ins and its environment files, by path."""

    fragments: tuple[tuple[str, str], ...] = ()
    environment_files: tuple[tuple[str, str | None], ...] = ()
    """None for a file that does not exist."""

    @cached_property
    def service(self) -> Service:
        """What systemd would start now. Raises `ValueError` as `command` does."""
        return _read(self.fragments, self.environment_files)

    @cached_property
    def texts(self) -> dict[str, str]:
        """The text of every file that exists."""
        files = (*self.fragments, *self.environment_files)
        return {path: text for path, text in files if text is not None}

    def replaced(self, path: str, text: str) -> Unit:
        """Give the unit with another text of this file; a drop-in that is new is read where its name puts it."""
        if any(path == known for known, _ in self.environment_files):
            files = tuple((known, text if known == path else old) for known, old in self.environment_files)
            return Unit(self.fragments, files)
        if any(path == known for known, _ in self.fragments):
            fragments = tuple((known, text if known == path else old) for known, old in self.fragments)
            return Unit(fragments, self.environment_files)
        main, drop_ins = self.fragments[:1], [*self.fragments[1:], (path, text)]
        drop_ins.sort(key=lambda entry: entry[0].rpartition("/")[2])
        return Unit((*main, *drop_ins), self.environment_files)


def command(fragments: Sequence[tuple[str, str]], environment_files: Mapping[str, str | None]) -> tuple[Word, ...]:
    """Give the command line that systemd would start: the program and its arguments.

    `fragments` are path and text of the unit file and its drop-ins in systemd's order; `environment_files` the texts
    of the files that `EnvironmentFile=` names, None for one that does not exist.
    Raises `ValueError` where systemd would refuse the unit: a quote that is never closed, a second ExecStart, an
    environment file that is needed and missing.
    """
    return _read(tuple(fragments), tuple(environment_files.items())).words


@lru_cache(maxsize=256)
def _read(fragments: tuple[tuple[str, str], ...], environment_files: tuple[tuple[str, str | None], ...]) -> Service:
    if fragments and (header := systemd_syntax.open_header(fragments[0][1])):
        raise ValueError(f"{fragments[0][0]} has a section's header without its end, {header}: systemd refuses that")
    environment: dict[str, _Variable] = {}
    files: list[tuple[str, str]] = []
    starts: list[_Start] = []
    for path, text in fragments:
        for setting, variables, start in _relevant(path, text):
            empty = not setting.value.text
            if setting.key == "Environment":
                environment = {} if empty else environment
                environment.update(variables)
            elif setting.key == "EnvironmentFile":
                files = [] if empty else [*files, (path, setting.value.text)]
            else:
                starts = [] if empty else [*starts, start]
    name = fragments[0][0].rpartition("/")[2] if fragments else ""
    for path, value in files:
        environment.update(_from_files(path, named(value, name), dict(environment_files)))
    if not starts:
        return Service(definitions=_definitions(environment))
    if len(starts) > 1:
        raise ValueError(f"{starts[1].path} adds a second ExecStart= without an empty one before: systemd refuses that")
    return _service(starts[0], environment)


@lru_cache(maxsize=256)
def _relevant(path: str, text: str) -> tuple[tuple[Setting, _Environment, _Start], ...]:
    """Give the settings that make the command line, each with the variables that it sets, and as an ExecStart."""
    return tuple(
        (setting, _environment(path, setting) if setting.key == "Environment" else {}, _Start(path, setting.value))
        for setting in systemd_syntax.settings(text)
        if setting.section == "Service" and setting.key in {"Environment", "EnvironmentFile", "ExecStart"}
    )


def _environment(path: str, setting: Setting) -> _Environment:
    """Read one `Environment=` line; what follows a quote that is never closed is ignored, as systemd does."""
    found: dict[str, _Variable] = {}
    text = setting.value
    for token in _until_wrong(text):
        assignment = systemd_syntax.unspecified(token.value)
        name, equals, _ = assignment.text.partition("=")
        if equals and systemd_syntax.is_name(name) and resolved(token.value.text):
            definition = Definition(
                path=path, name=name, value=assignment.cut(len(name) + 1), in_unit=True,
                start=text.starts[token.first], end=text.ends[token.last - 1],
                written=text.text[token.first : token.last],
            )  # fmt: skip
            found[name] = _Variable(definition)
    return found


def _until_wrong(text: PositionedText) -> Iterator[Token]:
    """Give the words up to the first that systemd cannot read: one with an unknown escape, or an open quote."""
    with suppress(ValueError):
        yield from systemd_syntax.words(text, escapes=True, strict=True)


def _from_files(path: str, file: Named | None, texts: Mapping[str, str | None]) -> _Environment:
    """Read what one `EnvironmentFile=` names."""
    found: dict[str, _Variable] = {}
    if file is None:
        return found
    present = [(known, text) for known in file.choose(texts) if (text := texts[known]) is not None]
    if not present and not file.optional:
        raise ValueError(f"{path} needs the environment file {file.path}, which is not there: the service cannot start")
    for known, text in present:
        found |= _from_file(known, text)
    return found


@lru_cache(maxsize=256)
def _from_file(path: str, text: str) -> dict[str, _Variable]:
    try:
        entries = systemd_syntax.environment_file(text)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return {
        entry.name: _Variable(Definition(path, entry.name, entry.value, entry.start, entry.end, in_unit=False))
        for entry in entries
    }


@dataclass(frozen=True)
class _Start:
    """One `ExecStart=`; what it says is read when it is known to count."""

    path: str
    value: PositionedText

    @cached_property
    def tokens(self) -> list[Token]:
        """All words as they are written. Raises `ValueError` where systemd would refuse them."""
        try:
            tokens = systemd_syntax.split(self.value, escapes=True)
        except ValueError as error:
            raise ValueError(f"{self.path}, ExecStart=: {error}") from error
        if not all(resolved(token.value.text) for token in tokens):
            raise ValueError(f"{self.path}, ExecStart=: it has a specifier (%) that systemd does not know")
        if any(self.raw(token) == ";" for token in tokens):
            raise ValueError(f"{self.path}, ExecStart=: it starts several commands, which systemd refuses here")
        return tokens

    @cached_property
    def written(self) -> str:
        """The value on one line, as it is written."""
        return " ".join(map(self.raw, self.tokens))

    @cached_property
    def prefixes(self) -> str:
        """The signs before the program."""
        program = self.tokens[0].value.text
        return program[: len(program) - len(program.lstrip(_PREFIXES))]

    @cached_property
    def words(self) -> tuple[Word, ...]:
        """The program and its arguments, variables not replaced."""
        tokens = list(self.tokens)
        if "@" in self.prefixes:
            del tokens[1:2]  # the name that the process is given instead of its program's
        words = [self._word(token) for token in tokens]
        return (replace(words[0], text=tokens[0].value.text.lstrip(_PREFIXES)), *words[1:])

    def raw(self, token: Token) -> str:
        """Give a word as it is written."""
        return self.value.text[token.first : token.last]

    def _word(self, token: Token) -> Word:
        text = ";" if self.raw(token) == "\\;" else systemd_syntax.unspecified(token.value).text
        start, end = self.value.starts[token.first], self.value.ends[token.last - 1]
        return Word(text, self.path, "", place=self.path, start=start, end=end)


def _service(start: _Start, environment: _Environment) -> Service:
    program, *arguments = start.words
    words = [program]
    variables: list[str] = []
    for word in arguments:
        if "$" not in word.text or ":" in start.prefixes:
            words.append(word)
        elif word.text.startswith("$") and not word.text.startswith(("$$", "${")):
            variables.append(word.text[1:])
            variable = environment.get(word.text[1:])
            words += variable.words if variable else ()
        else:
            words.append(_with_variables(word, environment))
    return Service(
        words=tuple(words),
        path=start.path,
        written=start.written,
        end=start.value.ends[-1],
        variables=tuple(variables),
        definitions=_definitions(environment),
    )


def _definitions(environment: _Environment) -> dict[str, Definition]:
    return {name: variable.definition for name, variable in environment.items()}


def _with_variables(word: Word, environment: _Environment) -> Word:
    """Put in the value of each `${VAR}`, which is not split."""

    def meant(match: re.Match[str]) -> str:
        if match[1] is None:
            return "$"
        variable = environment.get(match[1])
        return variable.definition.value.text if variable else ""

    text = _BRACED.sub(meant, word.text)
    only = _BRACED.fullmatch(word.text)
    whole = environment.get(only[1] or "") if only else None
    origin = (whole.definition.path, whole.definition.name) if whole else (word.path, word.variable)
    return Word(text, *origin, place=word.place, start=word.start, end=word.end)
