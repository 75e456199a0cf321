"""A line to a host in memory: answers what the test prepared, and records what was asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class FakeLine:
    """Answers by question: with a value, with what a function of the words gives, or by raising an exception."""

    def __init__(self, answers: Mapping[str, Any] | None = None, sockets: Mapping[str, str] | None = None) -> None:
        """Take the answers; and local addresses by the path of the host's socket, where they are not the same."""
        self.answers = dict(answers or {})
        self.sockets = sockets or {}
        self.asked: list[tuple[str, Mapping[str, Any]]] = []
        self.troubles: dict[str, str] = {}
        """What `lost` says, by path."""
        self.relayed: list[str] = []
        """Paths of the host's sockets, in the order in which they were asked for."""
        self.opened = 0
        self.closed = 0
        self.rested = 0

    def ask(self, question: str, /, *, deadline: float = 120, **words: Any) -> Any:
        """Record the question and answer it. Raises `KeyError` for one that the test did not foresee."""
        del deadline
        self.asked.append((question, words))
        answer = self.answers[question]
        if isinstance(answer, BaseException):
            raise answer
        return answer(**words) if callable(answer) else answer

    def socket(self, path: str) -> str:
        """Record the path and give the local address."""
        self.relayed.append(path)
        return self.sockets.get(path, f"unix:{path}")

    def lost(self, path: str) -> str:
        """Give what the test prepared."""
        return self.troubles.get(path, "")

    def unreached(self, path: str) -> bool:  # noqa: ARG002 - as the real one
        """Say that whatever happened was the runtime's doing."""
        return False

    def rest(self) -> None:
        """Count it."""
        self.rested += 1

    @property
    def questions(self) -> list[str]:
        """Name the questions in the order in which they were asked."""
        return [question for question, _ in self.asked]
