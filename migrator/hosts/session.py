"""A line to a host: a playbook that stays, and the programs that are started there through it."""

from __future__ import annotations

import contextlib
import contextvars
import logging
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from itertools import count
from pathlib import Path
from threading import Event, Lock
from typing import Any

from migrator import log_context
from migrator.errors import HostUnreachableError
from migrator.hosts import local_limits, signals
from migrator.hosts.agent_client import AgentClient
from migrator.hosts.remote_process import RemoteProcess, start
from migrator.hosts.socket_forward import SocketForward

_log = logging.getLogger(__name__)

_OPENING = 180
"""Seconds in which Ansible must have connected, beside what a connection may take: a host may hang after it."""

_CLOSING = 20
"""Seconds after which a playbook that does not end is killed."""

Run = Callable[[Path, Callable[[], bool]], str]
"""Runs the playbook of the line with this folder until it ends or is told to; gives what went wrong."""


class AnsibleSession:
    """A line that is open: see `migrator.hosts.Line`."""

    def __init__(self, host: str, folder: Path, programs: Path) -> None:
        """Take the folder that the playbook listens in, and that of the programs for the host."""
        self._host = host
        self._folder = folder
        self._relay = (programs / "relay.py").read_bytes()
        witness = witness_source(programs)
        self._asking = AgentClient(host, lambda until: start(host, folder / "programs", witness, (), until))
        self._relayed: dict[str, SocketForward] = {}
        self._numbers = count()
        self._making = Lock()

    def ask(self, question: str, /, *, deadline: float = 120, **words: Any) -> Any:  # noqa: ANN401 - the witness's JSON
        """Ask the witness on the host."""
        with local_limits.bounds(self._host):
            return self._asking.ask(question, words, deadline)

    def socket(self, path: str) -> str:
        """Give a local address whose connections end at `path` there."""
        with self._making, local_limits.bounds(self._host):
            if path not in self._relayed:
                address = self._folder / str(next(self._numbers))
                self._relayed[path] = SocketForward(self._host, path, address, self._start_relay)
            return self._relayed[path].address

    def lost(self, path: str) -> str:
        """Say why the last connection to `path` could not be made or was cut."""
        relayed = self._relayed.get(path)
        return relayed.lost if relayed else ""

    def unreached(self, path: str) -> bool:
        """Tell whether that was the way there, and not what listens there."""
        relayed = self._relayed.get(path)
        return relayed is not None and relayed.unreached

    def rest(self) -> None:
        """End every program."""
        for relayed in self._relayed.values():
            relayed.close()
        self._relayed.clear()
        self._asking.rest()

    def _start_relay(self, path: str, until: float) -> RemoteProcess:
        return start(self._host, self._folder / "programs", self._relay, (path,), until)


def witness_source(folder: Path) -> bytes:
    """Join the parts of the witness: `witness_*.py` in the order of their names, `witness.py` last."""
    parts = [*sorted(folder.glob("witness_*.py")), folder / "witness.py"]
    return b"\n".join(part.read_bytes() for part in parts)


def opening(connect_timeout: int) -> int:
    """Give the seconds in which a line must be open, where a connection may take so many: jump hosts wait in turn."""
    return _OPENING + connect_timeout


@contextlib.contextmanager
def opened(host: str, run: Run, programs: Path, *, seconds: int = _OPENING) -> Iterator[AnsibleSession]:
    """Open a line within so many `seconds`, and close it in all cases.

    Raises `HostUnreachableError` when the host cannot be reached.
    """
    with contextlib.ExitStack() as closing:
        with local_limits.bounds(host):
            # Ansible removes it where we were killed, perhaps at this moment.
            made = tempfile.TemporaryDirectory(
                prefix="migrator-", dir=local_limits.parent(), ignore_cleanup_errors=True
            )
            folder = Path(closing.enter_context(made))
            listener = closing.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(str(folder / "control"))
            listener.listen(1)
        stop = Event()
        with ThreadPoolExecutor(1, "line") as background:
            with local_limits.bounds(host):
                playing = background.submit(contextvars.copy_context().run, run, folder, stop.is_set)
            control = None
            line = None
            try:
                with local_limits.bounds(host):
                    control = _connected(host, listener, playing, seconds)
                    line = AnsibleSession(host, folder, programs)
                yield line
            finally:
                with signals.held():
                    _close(line, control, playing, stop)


def _connected(host: str, listener: socket.socket, playing: Future[str], seconds: int) -> socket.socket:
    """Wait until Ansible has reached the host; give the control connection."""
    until = time.monotonic() + seconds
    with contextlib.ExitStack() as undo:
        waiting = listener
        while time.monotonic() < until:
            if playing.done():
                break
            waiting.settimeout(0.2)
            try:
                if waiting is listener:
                    waiting, _ = listener.accept()
                    undo.enter_context(waiting)
                elif waiting.recv(16):
                    undo.pop_all()
                    return waiting
                else:  # Ansible closed it: the playbook ends, and tells why
                    break
            except TimeoutError:
                continue
        else:
            raise HostUnreachableError(
                f"{host}: Ansible did not reach it within {seconds} s: it accepts connections, and hangs"
            )
    raise HostUnreachableError(f"{host}: {_problem(playing) or 'Ansible ended before it reached the host'}")


def _problem(playing: Future[str]) -> str:
    """Wait for the playbook's end; say what went wrong, "" when nothing did or it does not end."""
    with contextlib.suppress(NotYet):
        return playing.result(_CLOSING)
    return ""


def _close(line: AnsibleSession | None, control: socket.socket | None, playing: Future[str], stop: Event) -> None:
    if line is not None:
        line.rest()
    if control is None:
        # Nobody is there yet who could be told to end.
        stop.set()
        return
    with log_context.swallowed(_log, "end the line: Ansible is gone", OSError), control:
        control.sendall(b"end\n")
    _problem(playing)
    stop.set()
