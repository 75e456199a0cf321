"""A Python program that runs on a host, started over Ansible's connection; its two ends are here."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from migrator.errors import HostUnreachableError
from migrator.hosts.ssh_errors import explain

_CHUNK = 65536
_LONGEST = 32 * 2**20
"""Bytes of one line: a witness reads at most 16 MiB of any file."""
_ENDING = 5.0
"""Seconds in which the last words of a program that has ended must be here."""


class RemoteProcess:
    """A running program. Times are those of `time.monotonic`; `TimeoutError` is raised when one has come."""

    def __init__(self, host: str, ends: Sequence[int], channel: socket.socket) -> None:
        self._host = host
        self._input, self._output = ends
        self._channel = channel
        self._read = bytearray()
        self._end: dict[str, Any] = {}
        inheritable = blocking = False
        for end in ends:
            os.set_inheritable(end, inheritable)
        os.set_blocking(self._input, blocking)

    def write(self, data: bytes, until: float = float("inf")) -> None:
        """Write to its input. Raises `HostUnreachableError` when the program is gone."""
        left = memoryview(data)
        while left:
            _wait([], [self._input], until)
            try:
                left = left[os.write(self._input, left) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise HostUnreachableError(self.ending()) from error

    def line(self, until: float) -> bytes:
        """Read one line of its output. Raises `HostUnreachableError` when the program ends before."""
        while b"\n" not in self._read:
            _wait([self._output], [], until)
            chunk = os.read(self._output, _CHUNK)
            if not chunk:
                raise HostUnreachableError(self.ending())
            self._read += chunk
            if len(self._read) > _LONGEST:
                raise HostUnreachableError(
                    f"{self._host}: it says more than {_LONGEST} bytes at once: nothing of ours does"
                )
        line, _, rest = bytes(self._read).partition(b"\n")
        self._read = bytearray(rest)
        return line

    def chunks(self) -> Iterator[bytes]:
        """Give its output as it comes, until its end."""
        if self._read:
            yield bytes(self._read)
        while chunk := os.read(self._output, _CHUNK):
            yield chunk

    def end_input(self) -> None:
        """Let the program see the end of its input."""
        os.close(self._input)

    def end_output(self) -> None:
        """Read no more of its output."""
        os.close(self._output)

    def close(self) -> None:
        """Let go of it; it ends by that."""
        self.end_input()
        self.end_output()
        self.forget()

    def end(self) -> None:
        """Likewise, and wait some seconds until it has."""
        self.end_input()
        self.end_output()
        self._told()

    def forget(self) -> None:
        """Hear no more of its end."""
        self._channel.close()

    @property
    def status(self) -> int | None:
        """What it ended with; None when Ansible did not tell, because it was gone first or the program goes on."""
        return self._told().get("status")

    def ending(self) -> str:
        """Say why it ended."""
        said = str(self._told().get("said") or "")
        # 255 is what ssh itself ends with.
        what = f"the connection to {self._host} was lost"
        if self.status not in {None, 255}:
            what = f"{self._host}: the program that migrator runs there ended with status {self.status}"
        return f"{what}: {explain(said)}" if said else what

    def _told(self) -> dict[str, Any]:
        if not self._end:
            self._end = _message(self._channel)
            self._channel.close()
        return self._end


def start(host: str, door: Path, source: bytes, words: Sequence[str], until: float) -> RemoteProcess:
    """Start a program through the line whose other side listens at `door`. Raises `HostUnreachableError`."""
    seconds = max(0.0, until - time.monotonic())
    channel = socket.socket(socket.AF_UNIX)
    try:
        channel.settimeout(seconds + _ENDING)
        channel.connect(str(door))
        header = {"size": len(source), "words": list(words), "seconds": seconds}
        channel.sendall(json.dumps(header).encode() + b"\n")
        said, ends, _, _ = socket.recv_fds(channel, _CHUNK, 2)
    except OSError as error:
        channel.close()
        raise HostUnreachableError(
            f"{host}: the line is closed: Ansible ended, or does not answer ({error})"
        ) from error
    answer = _parsed(said)
    if len(ends) != 2:
        channel.close()
        why = explain(str(answer["problem"])) if answer.get("problem") else "Ansible ended meanwhile"
        raise HostUnreachableError(f"{host}: no program can be started there: {why}")
    program = RemoteProcess(host, ends, channel)
    try:
        program.write(source, until)
    except BaseException:
        program.close()
        raise
    return program


def _wait(readable: Sequence[int], writable: Sequence[int], until: float) -> None:
    poll = select.poll()
    for number in readable:
        poll.register(number, select.POLLIN)
    for number in writable:
        poll.register(number, select.POLLOUT)
    left = until - time.monotonic()
    if not poll.poll(None if left == float("inf") else max(0, left * 1000)):
        raise TimeoutError


def _message(channel: socket.socket) -> dict[str, Any]:
    said = b""
    with contextlib.suppress(OSError):  # closed by us, or nothing came in time
        channel.settimeout(_ENDING)
        while b"\n" not in said and (chunk := channel.recv(_CHUNK)):
            said += chunk
    return _parsed(said) or {"status": None}


def _parsed(said: bytes) -> dict[str, Any]:
    try:
        found = json.loads(said)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
