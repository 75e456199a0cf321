"""How systemd reads text: lines of unit files, words and their quotes, files of environment variables.

The rules are those of systemd.syntax(7), systemd.exec(5) and, where these are silent, of its source: conf-parser.c,
extract-word.c and env-file.c (read at v254). Every piece keeps its place in the file, so that it can be edited there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from migrator.nodeconf.systemd.positions import PositionedText

WHITESPACE = " \t\n\r"
_NEWLINE = "\n\r"
_LINE = re.compile(r"[^\n\r]*")
_END_OF_LINE = re.compile(r"(?:\r\n|\n\r|\n|\r)\0?|\0")
"""Of a unit file (fileio.c, read_line_full)."""
_BYTE_ORDER_MARK = "\ufeff"
_COMMENT = {False: re.compile(r"(?:\\(?![\n\r])[\s\S]|[^\\\n\r])*\\?"), True: re.compile(r"(?:\\[\s\S]|[^\\\n\r])*\\?")}
"""What belongs to a comment in a file of variables; True: as before v254, where a backslash continues it."""
_PLAIN_WORD = re.compile(r"[^ \t\n\r]+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLAIN_VALUE = re.compile(r"([^ \t\n\r\"'\\][^\n\r\\]*)?(?=[\n\r]|\Z)|\"([^\"\\]*)\"[ \t]*(?=[\n\r]|\Z)")
_ESCAPES = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "s": " ",
    "\\": "\\", '"': '"', "'": "'",
}  # fmt: skip
_NUMERIC = re.compile(r"x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})")

_HEXADECIMAL, _OCTAL = 1, 4
"""Groups of `_NUMERIC` that are bytes; the others are characters."""


@dataclass(frozen=True, slots=True)
class Setting:
    """`Key=value` of a unit file, its continued lines joined."""

    section: str
    key: str
    value: PositionedText


@dataclass(frozen=True, slots=True)
class Token:
    """One word of a text, without its quotes."""

    value: PositionedText
    first: int
    """Where it begins in the text that was split, an opening quote included."""
    last: int
    """Where it ends there, a closing quote included."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """`NAME=value` of a file of environment variables."""

    name: str
    value: PositionedText
    start: int
    """Where its value begins in the file, quotes included: behind the equals sign."""
    end: int
    """Where it ends: the end of the line."""


@lru_cache(maxsize=256)
def settings(text: str) -> tuple[Setting, ...]:
    """Read a unit file or drop-in. A comment between continued lines is no part of the value.

    What follows a header that is never closed is not read, as in a drop-in; a unit file with one does not load.
    """
    found: list[Setting] = []
    pending: list[PositionedText] = []
    section, marked = "", False
    for line, end in _lines(text):
        if line.text.lstrip(WHITESPACE).startswith(("#", ";")):
            continue
        part = line
        if not marked and line.text.startswith(_BYTE_ORDER_MARK):
            marked, part = True, line.cut(1)
        if (len(part.text) - len(part.text.rstrip("\\"))) % 2:
            # The backslash and the end of the line together are one space; what stands before the next word stays.
            pending += [part.cut(0, -1), PositionedText(" ", part.starts[-1:], [end])]
            continue
        logical = PositionedText.join([*pending, part]).strip(WHITESPACE)
        pending = []
        if is_open_header(logical.text):
            return tuple(found)
        section = _take(logical, section, found)
    if pending:
        _take(PositionedText.join(pending).strip(WHITESPACE), section, found)
    return tuple(found)


def _lines(text: str) -> Iterator[tuple[PositionedText, int]]:
    """Give the lines without their ends, each with the place where the next one begins."""
    at = 0
    for match in _END_OF_LINE.finditer(text):
        yield PositionedText.of(text[at : match.start()], at), match.end()
        at = match.end()
    yield PositionedText.of(text[at:], at), len(text)


def _take(line: PositionedText, section: str, found: list[Setting]) -> str:
    """Add the setting that the line is, if it is one, and give the section that follows."""
    if line.text.startswith("["):
        return line.text[1:-1]
    key, equals, _ = line.text.partition("=")
    if equals:
        found.append(Setting(section, key.rstrip(WHITESPACE), line.cut(len(key) + 1).strip(WHITESPACE)))
    return section


def is_open_header(line: str) -> bool:
    """Tell whether a line begins a section's header and does not end it."""
    return line.startswith("[") and not line.endswith("]")


def open_header(text: str) -> str:
    """Give the header that systemd refuses a unit file for; "" for none."""
    lines = (line.text.strip(WHITESPACE) for line, _ in _lines(text.removeprefix(_BYTE_ORDER_MARK)))
    return next((line for line in lines if is_open_header(line)), "")


def split(text: PositionedText, *, escapes: bool, relaxed: bool = False) -> list[Token]:
    r"""Split into words at white space, respecting quotes.

    `escapes`: C's escapes are understood, as in unit files; else a backslash only makes the next character an
    ordinary one, as in a variable's value. `relaxed`: a quote that is never closed ends with the text.
    Raises `ValueError` for a quote that is never closed.
    """
    return [*words(text, escapes=escapes, relaxed=relaxed)]


def words(text: PositionedText, *, escapes: bool, relaxed: bool = False, strict: bool = False) -> Iterator[Token]:
    """Give the words of `split` one by one; `strict`: an unknown escape is a `ValueError` too, else it is kept."""
    if not any(special in text.text for special in "\\\"'"):
        for plain in _PLAIN_WORD.finditer(text.text):
            yield Token(text.cut(plain.start(), plain.end()), plain.start(), plain.end())
        return
    at = 0
    while match := _PLAIN_WORD.search(text.text, at):
        token = _token(text, match.start(), escapes=escapes, relaxed=relaxed, strict=strict)
        yield token
        at = token.last


def _token(text: PositionedText, first: int, *, escapes: bool, relaxed: bool, strict: bool) -> Token:
    characters: list[tuple[str, int, int]] = []
    quote, at = "", first
    while at < len(text.text):
        letter, length = text.text[at], 1
        if letter == "\\":
            meant, length = _escape(text.text, at, escapes=escapes, strict=strict)
            characters += [(one, text.starts[at], text.ends[at + length - 1]) for one in meant]
        elif letter == quote:
            quote = ""
        elif not quote and letter in "\"'":
            quote = letter
        elif not quote and letter in WHITESPACE:
            break
        else:
            characters.append((letter, text.starts[at], text.ends[at]))
        at += length
    if quote and not relaxed:
        raise ValueError(f"a {quote} is never closed: {text.text[first:]}")
    return Token(PositionedText.collect(characters), first, at)


def _escape(text: str, at: int, *, escapes: bool, strict: bool) -> tuple[str, int]:
    """Give what the backslash at `at` stands for, and how many characters it takes."""
    following = text[at + 1 : at + 2]
    if not escapes:
        return following, 1 + len(following)
    if following in _ESCAPES:
        return _ESCAPES[following], 2
    if match := _NUMERIC.match(text, at + 1):
        form = match.lastindex or 0
        number = int(match[form], 8 if form == _OCTAL else 16)
        if form in {_HEXADECIMAL, _OCTAL} and number > 0x7F:
            raise ValueError(f"\\{match[0]} is one byte of a character; write the character itself")
        if 0 < number <= 0x10FFFF:
            return chr(number), 1 + len(match[0])
    if strict:
        raise ValueError(f"systemd knows no escape {text[at : at + 2]}")
    return text[at : at + 2], 1 + len(following)


def unspecified(text: PositionedText) -> PositionedText:
    """Give the text with `%%` as `%`; other specifiers stay as they are written, for only systemd knows them."""
    if "%%" not in text.text:
        return text
    pairs = [match.start() for match in re.finditer("%%", text.text)]
    gone = {start + 1 for start in pairs}
    joined = set(pairs)
    return PositionedText.collect(
        (letter, text.starts[at], text.ends[at + 1 if at in joined else at])
        for at, letter in enumerate(text.text)
        if at not in gone
    )


def is_name(text: str) -> bool:
    """Tell whether systemd takes this as the name of an environment variable."""
    return _NAME.fullmatch(text) is not None


@lru_cache(maxsize=256)
def environment_file(text: str) -> tuple[Assignment, ...]:
    """Read a file of environment variables, in its order; what systemd would ignore is left out.

    Raises `ValueError` where releases of systemd disagree: before v254 a comment goes on in the line below a backslash.
    """
    found = _assignments(text, continues=False)
    if _continues_comment(text) and found != _assignments(text, continues=True):
        raise ValueError("a comment ends with a backslash, and releases of systemd disagree on the line below")
    return found


def _continues_comment(text: str) -> bool:
    """Tell whether a line with a sign of a comment ends with a backslash, and is not the last."""
    *lines, _ = re.split(r"[\n\r]", text)
    return any(line.endswith("\\") and ("#" in line or ";" in line) for line in lines)


def _assignments(text: str, *, continues: bool) -> tuple[Assignment, ...]:
    found: list[Assignment] = []
    comment, at = _COMMENT[continues], 0
    while at < len(text):
        if text[at] in WHITESPACE:
            at += 1
            continue
        if text[at] in "#;":
            at = _end(comment, text, at)
            continue
        end = _end(_LINE, text, at)
        equals = text.find("=", at + 1, end)  # an equals sign in front is part of the name, which is none then
        if equals < 0:
            at = end
            continue
        name = text[at:equals].rstrip(WHITESPACE)
        value, at = _value(text, equals + 1)
        if is_name(name):
            found.append(Assignment(name, value, equals + 1, at))
    return tuple(found)


def _end(expression: re.Pattern[str], text: str, at: int) -> int:
    """Give the place up to which an expression fits from `at` on."""
    match = expression.match(text, at)
    return match.end() if match else at


def _value(text: str, start: int) -> tuple[PositionedText, int]:
    """Read the value that begins at `start`, and give where it ends."""
    at = start
    while at < len(text) and text[at] in " \t":
        at += 1
    if match := _PLAIN_VALUE.match(text, at):
        group = 2 if match[2] is not None else 1
        plain = match[group] or ""
        plain = plain if group == 2 else plain.rstrip(WHITESPACE)
        return PositionedText.of(plain, match.start(group) if plain else at), match.end()
    return _quoted_value(text, at)


def _quoted_value(text: str, at: int) -> tuple[PositionedText, int]:
    """Read a value with escapes or pieces in quotes. Quotes count only before anything stands outside of them."""
    characters: list[tuple[str, int, int]] = []
    bare, kept = False, 0
    while at < len(text) and text[at] not in _NEWLINE:
        letter = text[at]
        if letter == "\\":
            bare = True
            following = text[at + 1 : at + 2]
            if following not in _NEWLINE:
                characters.append((following, at, at + 2))
            at += 2
            kept = len(characters)
        elif not bare and letter in "\"'":
            at = _quoted(text, at, characters)
            kept = len(characters)
        else:
            bare = bare or letter not in WHITESPACE
            if bare:
                characters.append((letter, at, at + 1))
                kept = kept if letter in WHITESPACE else len(characters)
            at += 1
    return PositionedText.collect(characters[:kept]), min(at, len(text))


def _quoted(text: str, at: int, characters: list[tuple[str, int, int]]) -> int:
    """Read one piece in quotes and give where the text goes on. A backslash counts in double quotes only."""
    quote, at = text[at], at + 1
    while at < len(text) and text[at] != quote:
        following = text[at + 1 : at + 2]
        if quote == '"' and text[at] == "\\":
            meant = following if following in '"\\`$' else f"\\{following}"
            if following != "\n":
                characters += [(letter, at, at + 2) for letter in meant]
            at += 2
        else:
            characters.append((text[at], at, at + 1))
            at += 1
    return at + 1


def quote_word(word: str) -> str:
    """Give a word as it must stand in ExecStart to be taken as it is."""
    escaped = word.replace("%", "%%").replace("$", "$$")
    return _in_quotes(escaped) if not word or word == ";" or re.search(r"[\s\"'\\]", word) else escaped


def quote_in_variable(word: str) -> str:
    """Give a word as it must stand in the value of a variable that ExecStart splits into words."""
    if word and not re.search(r"[ \t\n\r\"'\\]", word):
        return word
    return '"' + re.sub(r'(["\\])', r"\\\1", word) + '"'


def quote_assignment(name: str, value: str) -> str:
    """Give an assignment as it must stand behind `Environment=`."""
    return _in_quotes(f"{name}={value}".replace("%", "%%"))


def quote_value(value: str) -> str:
    """Give a value as it must stand in a file of environment variables."""
    return '"' + re.sub(r'(["\\`$])', r"\\\1", value) + '"'


def _in_quotes(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
