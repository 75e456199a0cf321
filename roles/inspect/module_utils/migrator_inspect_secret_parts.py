"""The strings of a JSON or TOML file, each with the names that it stands under and its place in the text.

These readers are tolerant, for a file that its own program refuses may hold secrets too, and go through a text once.
Runs on the node: Python 3.6 or later, standard library only.
"""

import collections
import json
import re

VALUE, KEY, COMMENT = "value", "key", "comment"

Part = collections.namedtuple("Part", "kind first last path text quote before")  # noqa: PYI024 - Python 3.6
"""Where it stands, the names of the keys that lead to it, what it means, how it is quoted ("" for a bare one), and
the string before it in the same list."""

_DEEPEST = 64

BLANKS = re.compile(r"[ \t]*")
_SPACE = re.compile(r"\s*")
LINE = re.compile(r"[^\r\n]*")
STRINGS = {"'": re.compile(r"'([^'\n]*(?:''[^'\n]*)*)'"), '"': re.compile(r'"([^"\\\n]*(?:\\.[^"\\\n]*)*)"')}
OPEN_STRINGS = {"'": re.compile(r"'([^\n]*)"), '"': re.compile(r'"([^\n]*)')}
_LONG = {"'": "'''", '"': '"""'}
_KEY_NAME = r"""(?:[^\s:=,{}\[\]"'#.]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
_KEYS = re.compile(r"{0}(?:[ \t]*\.[ \t]*{0})*".format(_KEY_NAME))
_ONE_KEY = re.compile(_KEY_NAME)
_MARK = re.compile(r"[#/* \t]*")
_BARE = re.compile(r"(?:[^,\]}\r\n#]|(?<=\S)#)+")
_SEPARATOR = re.compile(r"\s*[:=]")
_ASSIGNED = re.compile(r"[ \t]*=")
_TABLE = re.compile(r"\[{1,2}(?P<name>[^\n]*?)\]{1,2}[ \t]*(?:#[^\n]*)?\r?$", re.MULTILINE)


def rewritten(text, parts, policy):
    """Give a text in which each part says what `policy` makes of it."""
    found, end = [], 0
    for part in parts:
        new = policy(part)
        if new != part.text and part.first >= end:
            found += [text[end : part.first], _written(part, new)]
            end = part.last
    return "".join(found) + text[end:]


def json_parts(text):
    """Give the parts of a JSON document."""
    parts, position = [], 0
    while position < len(text):
        position = Nested(text, len(text), parts).value(_SPACE.match(text, position).end(), ())
    return parts


def toml_parts(text):
    """Give the parts of a TOML document; what is commented out counts too."""
    parts, position = [], 0
    table, below, end = (), None, -1
    while position < len(text):
        end = end if position < end else LINE.match(text, position).end()
        start = position = _SPACE.match(text, position).end()
        if start > end:
            continue
        commented = text[start : start + 1] == "#"
        if commented:
            start += len(text[start:end]) - len(text[start:end].lstrip("# \t"))
        here = table if below is None or not commented else below
        header = _TABLE.match(text, start, end)
        if header:
            names = _below((), tuple(_names(text, header.start("name"), header.end("name"), parts)))
            table, below = (table, names) if commented else (names, None)
            position = end
            continue
        keys = _KEYS.match(text, start, end)
        assigned = _ASSIGNED.match(text, keys.end(), end) if keys else None
        if not assigned:
            parts.append(Part(COMMENT, start, end, (), text[start:end], "", ""))
            position = end
            continue
        path = _below(here, tuple(_names(text, keys.start(), keys.end(), parts)))
        first = BLANKS.match(text, assigned.end()).end()
        limit = end if commented else len(text)
        position = max(end if commented else 0, Nested(text, limit, parts).value(first, path), assigned.end())
    return parts


def _below(path, names):
    """Give a longer path; one that no program would read loses its middle, so that depth costs no time."""
    path += names
    return path if len(path) <= _DEEPEST else path[: _DEEPEST // 2] + path[-_DEEPEST // 2 :]


def _names(text, first, last, parts):
    """Give the names of a dotted key, and add each to the parts."""
    for match in _ONE_KEY.finditer(text, first, last):
        quote = match.group(0)[0] if match.group(0)[0] in STRINGS else ""
        inner = match.group(0)[1:-1] if quote else match.group(0)
        name = meant(inner, quote)
        parts.append(Part(KEY, match.start() + len(quote), match.end() - len(quote), (), name, quote, ""))
        yield name


def meant(raw, quote):
    """Give what a string means."""
    if quote.startswith('"') and "\\" in raw:
        try:
            return json.loads('"' + raw.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t") + '"')
        except ValueError:
            return raw
    return raw


def _written(part, text):
    if part.quote.startswith('"'):
        return json.dumps(text, ensure_ascii=False)[1:-1]
    if part.kind is VALUE and part.quote == "=":  # a bare value of TOML or JSON, which a hash cannot be
        return '"' + text + '"'
    return text


class Nested:
    """Reads one value with all that is in it: a string, a list, a table in braces."""

    def __init__(self, text, end, parts, bare="="):
        self._text, self._end, self._parts, self._bare = text, end, parts, bare
        self._stack = []

    def value(self, position, path):
        """Add the parts of the value at `position`; give where it ends."""
        self._path, self._name, self._before = path, (), ""
        while position < self._end:
            sign = self._text[position]
            if sign in "{[}]":
                self._bracket(sign)
                position += 1
            elif sign in ",:=":
                self._name = () if sign == "," else self._name
                position += 1
                continue
            elif sign == "#" or self._text.startswith(("//", "/*"), position):
                position = self._comment(position)
            elif sign in STRINGS:
                position = self._string(position, sign)
            elif sign.isspace() and (self._stack or sign not in "\r\n"):
                position = _SPACE.match(self._text, position, self._end).end()
                continue
            elif not sign.isspace():
                position = self._plain(position)
            if not self._stack:
                break
        return position

    def _bracket(self, sign):
        """Go into a list or a table, or out of it."""
        if sign in "{[":
            self._stack.append((sign, self._path, self._name, self._before))
            self._path, self._name, self._before = _below(self._path, self._name), (), ""
        elif self._stack:
            _, self._path, self._name, self._before = self._stack.pop()

    def _comment(self, position):
        end = LINE.match(self._text, position, self._end).end()
        first = _MARK.match(self._text, position, end).end()
        self._parts.append(Part(COMMENT, first, end, (), self._text[first:end], "", ""))
        return end

    def _string(self, position, quote):
        if self._text.startswith(_LONG[quote], position):
            end = self._text.find(_LONG[quote], position + 3, self._end)
            end = self._end if end < 0 else end
            self._add(position + 3, end, _LONG[quote])
            return min(end + 3, self._end)
        match = STRINGS[quote].match(self._text, position, self._end)
        if not match:
            match = OPEN_STRINGS[quote].match(self._text, position, self._end)
        if self._in_braces() and _SEPARATOR.match(self._text, match.end(), self._end):
            self._key(match.start(1), match.end(1), quote)
        else:
            self._add(match.start(1), match.end(1), quote)
        return max(match.end(), position + 1)

    def _plain(self, position):
        if self._in_braces() and not self._name:
            keys = _KEYS.match(self._text, position, self._end)
            if keys:
                self._name = tuple(_names(self._text, keys.start(), keys.end(), self._parts))
                return keys.end()
        match = _BARE.match(self._text, position, self._end)
        if not match:
            return position + 1
        self._add(position, position + len(match.group(0).rstrip()), self._bare)
        return match.end()

    def _in_braces(self):
        return bool(self._stack) and self._stack[-1][0] == "{"

    def _key(self, first, last, quote):
        text = meant(self._text[first:last], quote)
        self._parts.append(Part(KEY, first, last, (), text, quote, ""))
        self._name = (text,)

    def _add(self, first, last, quote):
        text = meant(self._text[first:last], quote)
        self._parts.append(Part(VALUE, first, last, self._path + self._name, text, quote, self._before))
        self._before = text
