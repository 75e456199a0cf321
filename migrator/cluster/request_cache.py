"""What was read a moment ago, for all who ask for the same: twenty threads at once ask an API server one time."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

_Key = TypeVar("_Key", bound=Hashable)
_Given = TypeVar("_Given")


class RequestCache(Generic[_Key, _Given]):
    """Reads by a key, and gives what it read to whoever asks for the same within some seconds, or meanwhile.

    An error is told to all who waited for the same answer, and not kept.
    """

    def __init__(self, read: Callable[[_Key], _Given], seconds: float, now: Callable[[], float]) -> None:
        """Take what reads, how long its answers are good for, and a clock."""
        self._read = read
        self._seconds = seconds
        self._now = now
        self._lock = threading.Lock()
        self._entries: dict[_Key, tuple[Future[_Given], float]] = {}
        """The answers, and since when each is asked for."""

    def __call__(self, key: _Key) -> _Given:
        """Give what is known, or read it. Raises what the reading raises."""
        with self._lock:
            now = self._now()
            self._entries = {known: entry for known, entry in self._entries.items() if self._good(*entry, now)}
            mine = key not in self._entries
            answer, _ = self._entries.setdefault(key, (Future(), now))
        if mine:
            try:
                answer.set_result(self._read(key))
            except BaseException as error:  # whatever it is, all who wait must be told of it
                answer.set_exception(error)
                raise
        if told := answer.exception():  # it waits for the answer
            raise _like(told)
        return answer.result()

    def _good(self, answer: Future[_Given], since: float, now: float) -> bool:
        return not answer.done() or (answer.exception() is None and now - since < self._seconds)


def _like(error: BaseException) -> BaseException:
    """Give an error of one's own, as each thread writes into what it raises where that came from."""
    try:
        own = copy.copy(error)
    except Exception:  # noqa: BLE001 - a class that cannot be copied: better the same error than another one
        return error
    own.__cause__, own.__traceback__ = error, None
    return own
