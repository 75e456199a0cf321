"""Secrets in text of no known format: comments, values of any kind, files that are damaged.

TOML, JSON, YAML, environment files, units and command lines all write a secret as a name, a separator and a value.
Runs on the node: Python 3.6 or later, standard library only.
"""

import re

from ansible.module_utils.migrator_inspect_secret_names import digest, is_harmless, is_path, is_surely_secret, is_weak
from ansible.module_utils.migrator_inspect_secret_urls import hide_in_proxies, hide_in_urls

_KEY = re.compile(r"""(?<![A-Za-z0-9_.\-])([A-Za-z0-9_.\-]+)(\\?["'])?[ \t]*([:=])""")
_FLAG = re.compile(
    r"""(?<![A-Za-z0-9_.\-])(--?[A-Za-z][A-Za-z0-9\-]*)(?:[ \t]+|["'][ \t]*,\s*["'])([^\s"',\-][^\s"',]*)"""
)
_ASKED = re.compile(r"sha256:[0-9a-f]{16}[&;#]")
"""The first value of a URL's query, in which all are hidden already."""
_PEM = re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----(?:(?!-----).)*-----END \1-----", re.DOTALL)

_QUOTED = tuple(
    re.compile(pattern)
    for pattern in (
        r'"""([\s\S]*?)"""',
        r"'''([\s\S]*?)'''",
        r'"([^"\\]*(?:\\[\s\S][^"\\]*)*)"',
        r"'([^']*(?:''[^']*)*)'",
        r'\\"((?:(?!\\").)*)\\"',
        r"\\'((?:(?!\\').)*)\\'",
    )
)
_BLANKS = re.compile(r"[ \t]*")
_SPACE = re.compile(r"\s*")
_TAGS = re.compile(r"""(?:[&!][^\s,\[\]{}"']*[ \t]+)+(?=[\[{"'])""")
_LITERAL = re.compile(r"""(?:true|false|null|-?\d[\d.eE+\-]*)(?=\s*(?:[}\]]|,?\s*(?:[\r\n]|$)|,\s*["']))""")
_LINES = re.compile(r"(?:[^\r\n]*\\\r?\n)*[^\r\n]*")
_ATTACHED = re.compile(r"""[^\s,;}\])#"'\\:]\S*""")
_LINE = re.compile(r"[^\r\n]*")
_FLOW = re.compile(r"[^,}\]\r\n]*(?:\r?\n[ \t]+[^,}\]:=#\r\n]*(?=[,}\]]))*")
_COMMENTS = re.compile(r"[^\n]*(?:\n[ \t]*[#;][^\n]*)*")
_STRINGS = re.compile(r""""(?:[^"\\]|\\[\s\S])*"|'[^']*'""")
_REST_OF_STRING = {"'": re.compile(r"(?:\\.|[^\\'\r\n])*"), '"': re.compile(r'(?:\\.|[^\\"\r\n])*')}
_LONGEST_LEAD = 4096
_LONGEST_LIST = 65536
_WORD = re.compile(r"""[^\s"']*""")
_ITEM = re.compile(r"""[^\s,\[\]"'][^,\]\r\n]*""")
_STARTS_LINE = re.compile(r"""[ \t#;]*(?:-[ \t]+)*(?:export[ \t]+)?["']?$""")
_MAPPING = re.compile(r"""(?:- +)*(?:"[^"\n]*"|'[^'\n]*'|[^\s"'#:][^:\n]*):(?:[ \t]|$)""")


def redact(text):
    """Give `text` with its secrets replaced by hashes; all else stays, byte for byte."""
    text = _PEM.sub(lambda match: digest(match.group(0)), text)
    text = hide_in_proxies(hide_in_urls(text))
    text = _replace(text, _assignments(text))
    return _FLAG.sub(_flag, text)


def _flag(match):
    name, value = match.group(1), match.group(2)
    if not is_surely_secret(name) or is_harmless(value) or (is_weak(name) and is_path(value)):
        return match.group(0)
    return match.group(0)[: match.start(2) - match.start(0)] + digest(match.group(2))


def _replace(text, spans):
    parts, end = [], 0
    for first, last in spans:
        if first < end or is_harmless(text[first:last]) or _ASKED.match(text, first):
            continue
        parts += [text[end:first], digest(text[first:last])]
        end = last
    return "".join(parts) + text[end:]


def _assignments(text):
    """Yield where the values of secret keys stand."""
    done = 0
    for match in _KEY.finditer(text):
        if match.start() < done:
            continue  # in a value that is hidden as a whole
        before, after = text[max(0, match.start() - 2) : match.start()], text[match.end() : match.end() + 1]
        if not is_surely_secret(match.group(1)) or before == "//":
            continue  # the second is the user of a URL
        if match.group(3) == ":" and before.endswith("/") and not match.group(2) and after.strip():
            continue  # an image: example.org/some-token:1.2
        for span in _value(text, match, done):
            done = max(done, span[1])
            if not (is_weak(match.group(1)) and is_path(text[span[0] : span[1]])):
                yield span


def _value(text, match, done):
    """Give the spans of the value that follows a key; `done` is where the value before it ends."""
    lead = text[max(done, match.start() - _LONGEST_LEAD) : match.start()]
    lead = lead[max(lead.rfind("\n"), lead.rfind("\r")) + 1 :]
    if lead.lstrip().startswith(("#", ";")):
        text = text[: _COMMENTS.match(text, match.start()).end()]  # what a comment says ends with the comment
    start = (_SPACE if match.group(2) else _BLANKS).match(text, match.end()).end()
    tags = _TAGS.match(text, start) if match.group(3) == ":" else None
    start = tags.end() if tags else start
    quoted = _quoted(text, start)
    if quoted:
        attached = _ATTACHED.match(text, quoted[1] + 1)
        return [(start, attached.end()) if attached else quoted]
    if text[start : start + 1] == "[":
        return _items(text, start)
    if text[start : start + 1] == "{":
        return []  # the keys in it are looked at one by one
    literal = _LITERAL.match(text, start)
    return [literal.span()] if literal else _bare(text, match, start, lead)


def _quoted(text, start):
    for pattern in _QUOTED:
        found = pattern.match(text, start)
        if found:
            return found.span(1)
    return None


def _items(text, start):
    """Give the spans of a list's items, nested or not; tables in it are looked at key by key."""
    end, text = start, text[: start + _LONGEST_LIST]
    spans = []
    depth = 0
    while end < len(text):
        sign = text[end]
        quoted = _quoted(text, end) if sign in "\"'\\" else None
        item = None if quoted or sign in "\"'\\{}" else _ITEM.match(text, end)
        if quoted:
            spans.append(quoted)
            end = quoted[1]
        elif sign == "{":
            return spans
        elif item and not item.group(0).startswith("#"):
            spans.append((end, end + len(item.group(0).rstrip())))
            end = item.end()
            continue
        depth += (sign == "[") - (sign == "]")
        end += 1
        if depth == 0:
            return spans
    return [_trimmed(text, *_LINE.match(text, start).span())]  # it is never closed, so it is no list


def _bare(text, match, start, lead):
    """Give the span of a value without quotes: how far it goes depends on where its key stands."""
    if lead[-1:] in _REST_OF_STRING and not match.group(1).startswith("-") and not match.group(2):
        return [_REST_OF_STRING[lead[-1:]].match(text, start).span()]
    if lead.rstrip("\"' \t").endswith(("{", ",")) or _in_braces(text, match.start()):
        return [_trimmed(text, *_FLOW.match(text, start).span())]
    if match.group(1).startswith("-") or not _STARTS_LINE.match(lead):
        return [_WORD.match(text, start).span()]
    if match.group(3) == ":":
        span = _trimmed(text, *_LINE.match(text, start).span())
        return _block(text, span, lead)
    return [_trimmed(text, *_LINES.match(text, start).span())]


def _in_braces(text, position):
    """Tell whether the key is one of a mapping in braces that began some lines above."""
    above = text[max(0, position - _LONGEST_LEAD) : position].rstrip("\"' \t\r\n")
    if not above.endswith(("{", ",")):
        return False
    bare = _STRINGS.sub("", above)
    return bare.count("{") > bare.count("}")


def _block(text, span, lead):
    """Give the spans of a value of YAML, which may go on in the lines below that are indented deeper than its key."""
    first = text[span[0] : span[1]]
    tagged = re.match(r"[&!]\S*$", first)
    started = bool(first) and not first.startswith("#") and not tagged
    below = _below(text, span[1], len(lead.rstrip("\"'")), started, "#" in lead)
    if started and not re.match(r"[|>][+\-0-9]*[ \t]*(#.*)?$", first):
        return [(span[0], below[-1][1] if below else span[1])]
    return ([span] if tagged else []) + [_unquoted(text, *inner) for inner in below]


def _below(text, position, column, started, commented):
    """Give the spans of the lines below a key that belong to its value: one, or one for each item of a list."""
    spans, dash, position = [], None, _next_line(text, position)
    while position < len(text):
        line = _LINE.match(text, position)
        body = line.group(0).lstrip(" #" if commented else " ")
        indent, item = len(line.group(0)) - len(body), body.startswith("- ") and not started
        position = _next_line(text, line.end())
        if not body.strip():
            continue
        if item and (indent == dash if spans else indent >= column):
            dash = indent
            begin = line.end() - len(body) + 2
            spans.append((begin, begin) if _MAPPING.match(body) else _trimmed(text, begin, line.end()))
        elif indent <= max(column, dash or 0) or not (started or spans or not _MAPPING.match(body)):
            break
        elif not spans:
            spans.append(_trimmed(text, line.end() - len(body), line.end()))
        elif spans[-1][0] < spans[-1][1]:  # else it is a table, whose keys are looked at one by one
            spans[-1] = _trimmed(text, spans[-1][0], line.end())
    return spans


def _unquoted(text, first, last):
    quoted = _quoted(text, first)
    return quoted if quoted and quoted[1] + 1 == last else (first, last)


def _next_line(text, position):
    end = text.find("\n", position)
    return len(text) if end < 0 else end + 1


def _trimmed(text, first, last):
    return first, first + len(text[first:last].rstrip())
