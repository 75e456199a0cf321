"""What came from a node or a cluster, made harmless: such a value may try to write to the reader's terminal."""

from __future__ import annotations


def visible(text: str, *, tabs: bool = False) -> str:
    r"""Give one line in which everything that does not print stands as its escape, for example `\x1b` or `\u202e`.

    That covers control characters, line ends, signs that turn the direction of writing, invisible ones and lone
    surrogates. `tabs` leaves tabs as they are. A backslash stays one: the result is to be read, not to be undone.
    """
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() or (tabs and sign == "\t") else _escaped(sign) for sign in text)


def prose(text: str) -> str:
    """Give a sentence of a check or a step on one line: line ends become spaces, all else is as in `visible`."""
    return visible(" ".join(text.split()))


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")
