"""Questions to the witness on a host: a line of JSON each way, one question at a time."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from migrator.errors import HostProblemError, HostUnreachableError
from migrator.hosts.remote_process import RemoteProcess
from migrator.hosts.ssh_errors import shortened
from migrator.model.untrusted_text import excess

_log = logging.getLogger(__name__)


class AgentClient:
    """Asks the witness of one host, which is started with the first question, and anew after it was lost."""

    def __init__(self, host: str, start: Callable[[float], RemoteProcess]) -> None:
        """Take what starts the witness, in time."""
        self._host = host
        self._start = start
        self._program: RemoteProcess | None = None
        self._number = 0
        self._one_at_a_time = threading.Lock()

    def ask(self, question: str, words: Mapping[str, Any], seconds: float) -> Any:  # noqa: ANN401 - the witness's JSON
        """Give the answer. Raises `HostUnreachableError`."""
        began = time.monotonic()
        until = began + seconds
        with self._one_at_a_time:
            try:
                answer = self._exchange(question, words, until)
            except TimeoutError:
                # Half a question may have been written, and the answer may yet come: neither is worth anything.
                self.close()
                raise HostUnreachableError(
                    f'{self._host}: no answer to "{question}" within {seconds:g} s: is the host overloaded, '
                    "or the connection to it cut?"
                ) from None
            except BaseException:
                _log.debug("%s: %r was not answered", self._host, question, exc_info=True)
                # Interrupted too: the answer that may yet come must not be taken for that to the next question.
                self.close()
                raise
        _log.debug("%s: %r was answered in %.3f s", self._host, question, time.monotonic() - began)
        if "problem" in answer:
            raise HostProblemError(f"{self._host}: {shortened(str(answer['problem']))}")
        return answer.get("answer")

    def _exchange(self, question: str, words: Mapping[str, Any], until: float) -> Mapping[str, Any]:
        if self._program is None:
            self._program = self._start(until)
        self._number += 1
        asked = {"id": self._number, "question": question, "words": dict(words)}
        self._program.write(json.dumps(asked).encode() + b"\n", until)
        said = self._program.line(until)
        try:
            answer = json.loads(said)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict) or answer.get("id") != self._number:
            start = shortened(said[:200].decode("utf-8", "replace"))
            raise HostUnreachableError(
                f'{self._host}: what came back for "{question}" is not the witness\'s answer: {start}'
            )
        if why := excess(answer):
            raise HostUnreachableError(f'{self._host}: its answer to "{question}" is refused: {why}')
        return answer

    def close(self) -> None:
        """Let go of the witness."""
        if program := self._taken():
            program.close()

    def rest(self) -> None:
        """End the witness and wait for that: its locks go with it, and the next one may want them."""
        if program := self._taken():
            program.end()

    def _taken(self) -> RemoteProcess | None:
        program, self._program = self._program, None
        return program
