"""Join standard input and output to a Unix socket of this host, whose path is the first word.

Runs on the node: Python 3.6 or later, standard library only. First one line of JSON says how it went:
{"connected": true}, or {"problem": "absent" | "permission" | "refused" | "failed", "message": "..."}; what follows is
the stream. The end of the input is passed on; the end of the service's answers is the end.
"""

import errno
import json
import os
import select
import socket
import sys

INPUT, OUTPUT = 0, 1
CHUNK = 65536
PATIENCE = 20  # seconds until a service that listens has to accept
PROBLEMS = {
    errno.ENOENT: "absent",
    errno.ENOTDIR: "absent",
    errno.EACCES: "permission",
    errno.EPERM: "permission",
    errno.ECONNREFUSED: "refused",
}


def tell(**status):
    """Write the line that says how it went."""
    os.write(OUTPUT, json.dumps(status).encode() + b"\n")


def connect(path):
    """Give the connection; None, having told why, when there is none."""
    service = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    service.settimeout(PATIENCE)
    try:
        service.connect(path)
    except OSError as error:
        tell(problem=PROBLEMS.get(error.errno, "failed"), message=str(error.strerror or error))
        return None
    service.setblocking(False)
    return service


class Way:
    """One direction: reads no more while what it read waits to be written."""

    def __init__(self, source, sink, end):
        self.source, self.sink, self.end = source, sink, end
        self.waiting = b""
        self.over = False

    def watch(self, wanted):
        """Add what has to be waited for."""
        if self.waiting:
            wanted[self.sink] = wanted.get(self.sink, 0) | select.POLLOUT
        elif not self.over:
            wanted[self.source] = wanted.get(self.source, 0) | select.POLLIN

    def step(self, ready):
        """Read and write as much as goes without waiting; `ready` are the descriptors that something came of."""
        if not self.waiting and not self.over and self.source in ready:
            self._read()
        if self.waiting:
            self._write()

    def _read(self):
        try:
            self.waiting = os.read(self.source, CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:  # reset
            pass
        if not self.waiting:
            self.over = True
            self.end()

    def _write(self):
        try:
            self.waiting = self.waiting[os.write(self.sink, self.waiting) :]
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:  # nobody reads it
            self.waiting, self.over = b"", True


def relay(service):
    """Copy both ways until the service or the reader of our output is gone."""

    def half():
        try:
            service.shutdown(socket.SHUT_WR)
        except OSError:  # it is gone, which the other way will see
            pass

    there = Way(INPUT, service.fileno(), half)
    back = Way(service.fileno(), OUTPUT, lambda: None)
    os.set_blocking(OUTPUT, False)
    while not back.over or back.waiting:
        # The output is always watched: an error there means that nobody reads any more.
        wanted = {OUTPUT: 0}
        there.watch(wanted)
        back.watch(wanted)
        poll = select.poll()
        for number, events in wanted.items():
            poll.register(number, events)
        came = dict(poll.poll())
        if came.get(OUTPUT, 0) & (select.POLLERR | select.POLLHUP):
            return
        there.step(came)
        back.step(came)


def main():
    """Relay to the socket that the first word names."""
    service = connect(sys.argv[1])
    if service is None:
        sys.exit(1)
    tell(connected=True)
    relay(service)


if __name__ == "__main__":
    main()
