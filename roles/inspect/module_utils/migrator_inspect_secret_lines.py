"""Environment files and systemd's units, line by line.

Runs on the node: Python 3.6 or later, standard library only.
"""

import re

from ansible.module_utils.migrator_inspect_secret_commands import (
    assignments,
    command,
    unquoted,
    variable,
)
from ansible.module_utils.migrator_inspect_secret_names import digest, hide, is_harmless, keeps
from ansible.module_utils.migrator_inspect_secret_text import redact

_ASSIGNMENT = re.compile(r"([ \t]*)((?:export[ \t]+)?)([A-Za-z_][A-Za-z0-9_.\-]*)([ \t]*=[ \t]*)")
_REST = r"[^\\\n]*(?:\\[\s\S][^\\\n]*)*\\?"
_VALUE = re.compile(r"""(?P<quoted>(?:"[^"\\]*(?:\\[\s\S][^"\\]*)*"|'[^']*')*)""" + _REST)
_COMMENT = re.compile(r"[ \t]*[#;][#; \t]*")
_BLANK = re.compile(r"\s*")
_LOGICAL = re.compile(_REST)
_SETTING = re.compile(r"([A-Za-z][A-Za-z0-9\-]*)([ \t]*=[ \t]*)")
_SHOWN = re.compile(r"(?:Pass|Unset)Environment|EnvironmentFile|LoadCredential(?:Encrypted)?|ImportCredential")


def redact_environment(text, flags=None):
    """Give an environment file with only those values that a plan reads or that are known to be harmless."""
    parts, position = [], 0
    while position < len(text):
        end = _BLANK.match(text, position).end()
        parts.append(text[position:end])
        comment = _COMMENT.match(text, end)
        start = comment.end() if comment else end
        parts.append(text[end:start])
        match = _ASSIGNMENT.match(text, start)
        if match:
            value = _value(text, match.end(), commented=bool(comment))
            shown = _shown(match.group(3), value, flags)
            parts += [match.group(0), shown]
            position = match.end() + len(value)
        else:
            line = text[start : _end_of_line(text, start)]
            parts.append(redact(line) if comment else hide(line))
            position = start + len(line)
    return "".join(parts)


def redact_unit(text, flags=None):
    """Give a unit or a drop-in with its secrets replaced by hashes."""
    parts, position = [], 0
    while position < len(text):
        end = _BLANK.match(text, position).end()
        comment = _COMMENT.match(text, end)
        start = comment.end() if comment else end
        parts.append(text[position:start])
        line = _LOGICAL.match(text, start).group(0)
        parts.append(_setting(line, bool(comment), flags))
        position = start + len(line)
        if not line and position < len(text) and text[position] != "\n":
            parts.append(text[position])
            position += 1
    return "".join(parts)


def _setting(line, commented, flags):
    match = _SETTING.match(line)
    if not match:
        return redact(line) if commented or line.startswith("[") else hide(line)  # nobody knows what it is
    name, value = match.group(1), line[match.end() :]
    return match.group(0) + _of_setting(name, value, flags)


def _of_setting(name, value, flags):
    if name.lower() == "environment":
        return assignments(value, flags)
    if name.lower().startswith("exec"):
        return command(value)
    if name.startswith("SetCredential"):
        identity, colon, secret = value.partition(":")
        return identity + colon + hide(secret)
    if name.startswith("X-") or not (_SHOWN.fullmatch(name) or keeps(name, value)):
        return hide(value)
    return redact(value)


def _value(text, position, commented):
    """Give a value as it is written: quotes count where it begins, and may hold line breaks."""
    if commented:
        return text[position : _end_of_line(text, position)]
    found = _VALUE.match(text, position)
    if not found.group("quoted") and text[position : position + 1] in ("'", '"'):
        return text[position:]  # it is never closed, so all that follows belongs to it
    return found.group(0)


def _shown(name, written, flags):
    """Give a value as it is to be written; what may be shown keeps its quotes."""
    inner = written.rstrip()
    space, meant = written[len(inner) :], unquoted(inner)
    new = variable(name, meant, flags)
    if new == meant or is_harmless(meant):
        return written
    quote = inner[:1] if inner[:1] in ("'", '"') and inner[-1:] == inner[:1] and len(inner) > 1 else ""
    if new == digest(meant):
        quote = ""
    elif quote == '"':
        new = new.replace("\\", "\\\\").replace('"', '\\"')
    return quote + new + quote + space


def _end_of_line(text, position):
    end = text.find("\n", position)
    return len(text) if end < 0 else end
