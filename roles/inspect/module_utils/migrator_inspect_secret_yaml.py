"""The strings of a YAML file in block style, flow style inside, like those of the other formats.

Runs on the node: Python 3.6 or later, standard library only.
"""

import re

from ansible.module_utils.migrator_inspect_secret_parts import (
    BLANKS,
    KEY,
    LINE,
    OPEN_STRINGS,
    STRINGS,
    VALUE,
    Nested,
    Part,
    meant,
)

_KEY = re.compile(r"""("(?:[^"\\\n]|\\.)*"[ \t]*|'(?:[^'\n]|'')*'[ \t]*|[^\s"'\[\]{}#,][^\n:#]*):(?=[ \t\r\n]|$)""")
_SCALAR = re.compile(r"[|>][+\-0-9]*[ \t]*(?:#[^\n]*)?\r?$")
_TAGS = re.compile(r"(?:[&!][^\s,\[\]{}]*[ \t]+)*")
_LONG = {"'": re.compile(r"'([^']*(?:''[^']*)*)'"), '"': re.compile(r'"([^"\\]*(?:\\[\s\S][^"\\]*)*)"')}


def yaml_parts(text):
    """Give the parts of a YAML document in block style, flow style inside; what is commented out counts too."""
    reader = _Block(text)
    while reader.position < len(text):
        reader.line()
    return reader.parts


class _Block:
    """Reads a block of YAML line by line; a key's depth is its column."""

    def __init__(self, text):
        self.position, self.parts = 0, []
        self._text, self._open = text, []
        self._closed = {"'": False, '"': False}

    def line(self):
        """Read a line, and those that belong to a value which begins in it."""
        text, end = self._text, LINE.match(self._text, self.position).end()
        start, begun = BLANKS.match(text, self.position).end(), self.position
        while text[start : start + 1] == "#":
            start = BLANKS.match(text, start + 1).end()
        deeper = start - begun - 1  # what a list's entry goes on with is deeper than its dash
        while text.startswith(("- ", "-\t"), start):
            deeper = start - begun
            start = BLANKS.match(text, start + 1).end()
        self.position = self._next(end)
        key = _KEY.match(text, start, end)
        column = start - begun
        if key:
            raw = key.group(1).rstrip()
            quote = raw[0] if raw[0] in STRINGS else ""
            name = meant(raw[1:-1], quote) if quote else raw
            self._parts_key(key, name, quote)
            self._open = [entry for entry in self._open if entry[0] < column] + [(column, name)]
            start = _TAGS.match(text, BLANKS.match(text, key.end(), end).end(), end).end()
        else:
            self._open = [entry for entry in self._open if entry[0] <= column]
        if start < end and text[start] != "#":
            self._value(start, end, column if key else deeper)

    def _parts_key(self, key, name, quote):
        first = key.start(1) + len(quote)
        last = key.start(1) + len(key.group(1).rstrip()) - len(quote)
        self.parts.append(Part(KEY, first, last, (), name, quote, ""))

    def _value(self, start, end, column):
        text, path = self._text, tuple(name for _, name in self._open)
        sign = text[start]
        if sign in "[{":
            self.position = max(self.position, self._next(self._flow(start, path)))
        elif _SCALAR.match(text, start, end):
            self._block(path, column)
        elif sign in STRINGS:
            self._quoted(start, end, path, sign)
        elif not text.startswith(("---", "..."), start):
            first, last = start, start + len(text[start:end].partition(" #")[0].rstrip())
            last = self._continued(last, column)
            self.parts.append(Part(VALUE, first, last, path, text[first:last], "", ""))

    def _flow(self, start, path):
        return Nested(self._text, len(self._text), self.parts, bare="").value(start, path)

    def _quoted(self, start, end, path, sign):
        match = None if self._closed[sign] else _LONG[sign].match(self._text, start)
        if not match:
            self._closed[sign] = True  # nothing below closes one, so nobody looks again
            match = STRINGS[sign].match(self._text, start, end) or OPEN_STRINGS[sign].match(self._text, start, end)
        first, last = match.span(1)
        self.parts.append(Part(VALUE, first, last, path, meant(self._text[first:last], sign), sign, ""))
        self.position = max(self.position, self._next(match.end()))

    def _block(self, path, column):
        first = BLANKS.match(self._text, self.position).end()
        last = self._continued(first, column, keys=True)
        if last > first:
            self.parts.append(Part(VALUE, first, last, path, self._text[first:last], "", ""))

    def _continued(self, last, column, keys=False):
        """Give where a value ends that goes on in the lines below which are indented deeper than its key."""
        while self.position < len(self._text):
            end = LINE.match(self._text, self.position).end()
            start = BLANKS.match(self._text, self.position).end()
            if start < end:
                if start - self.position <= column or self._text[start] == "#":
                    break
                if not keys and (self._text[start] == "-" or _KEY.match(self._text, start, end)):
                    break
                last = start + len(self._text[start:end].rstrip())
            self.position = self._next(end)
        return last

    def _next(self, position):
        end = self._text.find("\n", position)
        return len(self._text) if end < 0 else end + 1
