"""Secrets in what is logged are hidden: those of the inventory by their values, all others by what they look like.

What they look like is told by the same rules by which nodes hide theirs (roles/inspect, migrator_inspect_secret_text).
"""

from __future__ import annotations

import base64
import importlib
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from types import ModuleType
from typing import Any

from migrator import data_files

HIDDEN = "[hidden]"
_SHORTEST = 4
"""Characters: shorter words stand in any text."""
_OPEN_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*", re.DOTALL)
"""A key whose end was cut off."""
_QUOTED_FLAG = re.compile(r"""((?<![A-Za-z0-9\-])--?[A-Za-z][A-Za-z0-9\-]*+[ \t]++)("(?:[^"\\]|\\.)*+"|'[^']*+')""")
"""A word of a command line as messages quote it: the nodes' rules read command lines word by word."""
_TRACEBACK = re.compile(
    r"(Traceback \(most recent call last\):(?:[ \t\r]*+\n)++(?:[ \t][^\n]*+\n)*+)([A-Za-z_][\w.]*)(?::[^\n]*)?"
)
"""Nothing is given back in these two: a host may print any text, and one that ends in its middle."""
_RUN = re.compile(r"[A-Za-z0-9]+")
_PIECES = re.compile(r"[A-Za-z0-9]+|\\+|.", re.DOTALL)
"""A word, backslashes of which nobody knows how many are escapes, or a sign."""
_START = r"(?:(?<!\\)|(?<=\\)(?=[A-Za-z0-9]))"
"""Not among backslashes, of which there may be a million: they belong to what follows them as a whole."""
_LETTERS = {"\n": "n", "\r": "r", "\t": "t"}
_alone = threading.Lock()
_known: dict[str, str] = {}
"""For each secret the longest piece of it that no way of writing changes."""


def learn(variables: Mapping[str, Any]) -> None:
    """Take the values of variables whose names say that they are secrets, such as `ansible_password`."""
    for value in _values(variables, secret=False):
        for secret in (value, base64.b64encode(value.encode("utf-8", "surrogatepass")).decode()):
            if len(value) >= _SHORTEST and secret not in _known:
                piece = max(_RUN.findall(secret), key=len, default="")
                with _alone:
                    _known[secret] = piece


def masked(text: str) -> str:
    """Give a text with its secrets hidden."""
    text = _QUOTED_FLAG.sub(_flag, _without_known(text))
    return _OPEN_KEY.sub(HIDDEN, _rules("text").redact(text))


def without_words(text: str) -> str:
    """Give what a node's program printed without what its tracebacks say last: Python quotes what it could not read."""
    return _TRACEBACK.sub(r"\1\2", text)


def _flag(match: re.Match[str]) -> str:
    return f"{match[1]}{HIDDEN}" if _tells_secret(match[1].strip()) else match[0]


def _without_known(text: str) -> str:
    with _alone:
        secrets = [secret for secret, piece in _known.items() if piece in text]
    for secret in secrets:
        text = _looks(secret).sub(HIDDEN, text)
    return text


@lru_cache(maxsize=1024)
def _looks(secret: str) -> re.Pattern[str]:
    """Give what a secret looks like in all ways of writing it; late, as most are never printed."""
    return re.compile(_START + "".join(map(_written, _PIECES.findall(secret))), re.IGNORECASE)


def _written(piece: str) -> str:
    """Give a pattern for a sign as JSON, Python, shells and URLs write it, one within the other if need be.

    Backslashes are taken as they come, and never given back: a host may print any number of them.
    """
    if piece.isascii() and piece.isalnum():
        return piece
    sign = piece[0]
    in_urls = "".join(f"%(?:25)*{byte:02x}" for byte in sign.encode("utf-8", "surrogatepass"))
    if sign == "\\":
        return rf"(?:(?:{in_urls})++|\\++)"
    code = ord(sign)
    spellings = [re.escape(sign), f"x{code:02x}", f"u{code:04x}", f"U{code:08x}", *_LETTERS.get(sign, "")]
    return rf"(?:{in_urls}|\\*+(?:{'|'.join(spellings)}))"


def _values(value: object, *, secret: bool) -> Iterator[str]:
    if isinstance(value, Mapping):
        if "__ansible_vault" in value:
            return  # what Ansible lists is not what it hides
        for name, inner in value.items():
            yield from _values(inner, secret=secret or _tells_secret(str(name)))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _values(inner, secret=secret)
    elif secret and isinstance(value, str | int | float) and not isinstance(value, bool):
        text, rules = str(value), _rules("names")
        if not (rules.is_harmless(text) or rules.is_path(text)):
            yield text


@lru_cache(maxsize=4096)
def _tells_secret(name: str) -> bool:
    found: Callable[[str], bool] = _rules("names").is_surely_secret
    return found(name) and not name.lower().endswith("username")


@lru_cache
def _rules(part: str) -> ModuleType:
    """Give the part of the nodes' own rules; late, as only whoever logs needs them."""
    utilities = importlib.import_module("ansible.module_utils")
    folder = str(data_files.folder("roles") / "inspect" / "module_utils")
    if folder not in utilities.__path__:
        utilities.__path__.append(folder)
    return importlib.import_module(f"ansible.module_utils.migrator_inspect_secret_{part}")
