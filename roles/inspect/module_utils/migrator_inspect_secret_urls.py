"""What a URL holds besides an address: whoever it is for, and what is asked.

Runs on the node: Python 3.6 or later, standard library only.
"""

import re

from ansible.module_utils.migrator_inspect_secret_names import digest, hide

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]{0,20}:(?:\\?/){2}")
_REST = re.compile(r"""[^\s"<>`]*""")
_REST_IN_QUOTES = re.compile(r"""[^\s"'<>`]*""")
_AUTHORITY = re.compile(r"[^/?#]*")
_ODD_PORT = re.compile(r":(?!\d*\\?$)")
_BRACKETS = re.compile(r"\[[^\]]*\]")
_PROXY = re.compile(r"""(?:https?|all|ftp)[_\-]?proxy\\?["']?[ \t]*[:=][ \t]*\\?["']?""", re.IGNORECASE)


def hide_in_urls(text):
    """Give a text with the user, the password and the query of every URL in it replaced by hashes."""
    parts, end = [], 0
    found = list(_SCHEME.finditer(text))
    for number, match in enumerate(found):
        until = found[number + 1].start() if number + 1 < len(found) else len(text)
        quoted = text[match.start() - 1 : match.start()] == "'"
        rest = (_REST_IN_QUOTES if quoted else _REST).match(text, match.end(), until)
        parts += [text[end : match.end()], _hidden(rest.group(0))]
        end = rest.end()
    return "".join(parts) + text[end:]


def hide_in_proxies(text):
    """Likewise for the values of proxy variables, which may be written without a scheme."""
    parts, end = [], 0
    for match in _PROXY.finditer(text):
        if match.start() < end:
            continue
        rest = _REST_IN_QUOTES.match(text, match.end())
        parts += [text[end : match.end()], hide_in_proxy(rest.group(0))]
        end = rest.end()
    return "".join(parts) + text[end:]


def hide_in_proxy(value):
    """Likewise for the address of a proxy."""
    return hide_in_urls(value) if _SCHEME.match(value) else _hidden(value)


def _hidden(rest):
    """Hide in what follows a scheme."""
    length = _AUTHORITY.match(rest).end()
    authority = rest[:length]
    at = authority.rfind("@")
    if at < 0 and _ODD_PORT.search(_BRACKETS.sub("", authority)):
        at = rest.rfind("@")  # a password with a slash in it, which programs read in different ways
        length = max(length, at + 1)
    user = digest(rest[:at]) if at > 0 else rest[: max(0, at)]
    return user + rest[max(0, at) : length] + _asked(rest[length:])


def _asked(rest):
    """Hide what a query or a fragment says; its names stay."""
    if "?" not in rest and "#" not in rest:
        return rest
    pieces = re.split(r"([?#&;])", rest)
    for number in range(2, len(pieces), 2):
        name, equals, value = pieces[number].partition("=")
        pieces[number] = name + equals + hide(value) if equals else hide(name)
    return "".join(pieces)
