"""A local Unix socket whose connections end at a Unix socket of a host."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from migrator.errors import HostProblemError, HostUnreachableError
from migrator.hosts import local_limits
from migrator.hosts.remote_process import RemoteProcess

_STARTING = 60.0
"""Seconds in which a relay must run on the host and be connected to the socket there."""
_AGAIN = 0.2
"""Before a connection is taken for which this machine had no room."""

_PROBLEMS = {
    "absent": "{path} does not exist: is the runtime running, and is this its socket?",
    "permission": "{path} may not be opened by the user that Ansible becomes: use become with root",
    "refused": "nobody listens at {path}: the service that made it is gone",
    "failed": "{path} cannot be connected to: {message}",
}


class SocketForward:
    """Listens at `address` and carries each connection to `path` on the host."""

    def __init__(self, host: str, path: str, address: Path, start: Callable[[str, float], RemoteProcess]) -> None:
        """Take what starts a relay to a path, in time."""
        self.address = f"unix:{address}"
        self.lost = ""
        """Why the last connection could not be made or was cut; "" when neither happened."""
        self.unreached = False
        """Whether that was the way there, and not what listens there, nor nobody listening."""
        self._host = host
        self._path = path
        self._start = start
        self._open: set[socket.socket] = set()
        self._closed = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(address))
        self._listener.listen(16)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Cut every connection and take no more."""
        self._closed.set()
        for each in (self._listener, *self._open):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                each.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError as error:
                if not local_limits.exhausted(error):  # closed
                    return
                self._out_of_room(error)
                self._closed.wait(_AGAIN)
                continue
            try:
                threading.Thread(target=self._carry, args=(connection,), daemon=True).start()
            except RuntimeError as error:
                connection.close()
                self._out_of_room(error)

    def _out_of_room(self, error: Exception) -> None:
        self.lost, self.unreached = local_limits.told(self._host, error), True

    def _carry(self, connection: socket.socket) -> None:
        self._open.add(connection)
        with connection:
            try:
                with local_limits.bounds(self._host):
                    program = self._connected()
            except HostProblemError as error:
                self.lost, self.unreached = str(error), False
            except HostUnreachableError as error:
                self.lost, self.unreached = str(error), True
            except TimeoutError:
                self.unreached = True
                self.lost = f"{self._host}: no connection to {self._path} within {_STARTING:g} s"
            else:
                self.lost, self.unreached = "", False
                self._through(connection, program)
        self._open.discard(connection)

    def _through(self, connection: socket.socket, program: RemoteProcess) -> None:
        """Carry a connection to its end, and keep why it ended when this side did not end it."""
        left = threading.Event()
        up = threading.Thread(target=_up, args=(connection, program, left), daemon=True)
        try:
            up.start()
        except RuntimeError as error:
            program.close()
            self._out_of_room(error)
            return
        with contextlib.suppress(OSError):  # this side does not read any more
            for chunk in program.chunks():
                connection.sendall(chunk)
        cut = not left.is_set()
        program.end_output()
        if cut and program.status == 0:
            self.lost = f"{self._host}: what listens at {self._path} closed the connection"
        elif cut:
            self.lost, self.unreached = program.ending(), True
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        up.join()
        program.forget()

    def _connected(self) -> RemoteProcess:
        """Start a relay that is connected to the socket there. Raises `HostUnreachableError` or `TimeoutError`."""
        until = time.monotonic() + _STARTING
        program = self._start(self._path, until)
        try:
            status = json.loads(program.line(until))
        except ValueError:
            status = {"problem": "failed", "message": "the relay said something else than how it went"}
        except BaseException:
            program.close()
            raise
        if "problem" in status:
            program.close()
            why = _PROBLEMS.get(status["problem"], _PROBLEMS["failed"])
            raise HostProblemError(f"{self._host}: {why.format(path=self._path, message=status.get('message'))}")
        return program


def _up(connection: socket.socket, program: RemoteProcess, left: threading.Event) -> None:
    """Copy what this side sends, until it sends no more."""
    try:
        while chunk := connection.recv(65536):
            program.write(chunk)
    except (OSError, HostUnreachableError):  # either side is gone, which the other way tells
        pass
    else:
        left.set()
    program.end_input()
