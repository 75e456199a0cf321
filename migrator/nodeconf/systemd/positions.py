"""Text that remembers where each of its characters stands in a file, through unquoting and joining of lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PositionedText:
    """A piece of text as a program understands it, character by character with its place in the file."""

    text: str
    starts: Sequence[int]
    """Where each character begins in the file's text."""
    ends: Sequence[int]
    """Where it ends there: an escape is longer than what it stands for."""

    @classmethod
    def of(cls, text: str, offset: int = 0) -> PositionedText:
        """Give text that stands in the file as it is, from `offset` on."""
        return cls(text, range(offset, offset + len(text)), range(offset + 1, offset + len(text) + 1))

    @classmethod
    def join(cls, parts: Sequence[PositionedText]) -> PositionedText:
        """Give the parts as one text."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            "".join(part.text for part in parts),
            [place for part in parts for place in part.starts],
            [place for part in parts for place in part.ends],
        )

    @classmethod
    def collect(cls, characters: Iterable[tuple[str, int, int]]) -> PositionedText:
        """Give the text made of characters, each with its start and end in the file."""
        letters, starts, ends = [], [], []
        for letter, start, end in characters:
            letters.append(letter)
            starts.append(start)
            ends.append(end)
        return cls("".join(letters), starts, ends)

    def cut(self, first: int, last: int | None = None) -> PositionedText:
        """Give the characters from `first` up to, not including, `last`."""
        return PositionedText(self.text[first:last], self.starts[first:last], self.ends[first:last])

    def strip(self, characters: str) -> PositionedText:
        """Give the text without these characters at its ends."""
        left = len(self.text) - len(self.text.lstrip(characters))
        return self.cut(left, left + len(self.text.strip(characters)))
