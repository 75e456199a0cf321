"""The host's network: its interfaces, and connections from it."""

import errno
import os
import socket
import time

from witness_base import names, part, question, read

LINE_BYTES = 200
_LISTEN_SECONDS = 2
"""How long to wait for the first line that the other end says."""


@question
def interface(index, at=""):
    """Give the name of the host's interface with this number; "" for none."""
    for name in names("/sys/class/net", at):
        if (read(f"/sys/class/net/{name}/ifindex", at) or "").strip() == str(index):
            return name
    return ""


@question
def connect(address, port, seconds=5):
    """Connect from the host by TCP; give what the other end says first, at most 200 bytes of one line."""
    try:
        connection = socket.create_connection((address, port), timeout=seconds)
    except OSError as error:
        return {"connected": False, "said": "", "error": _name(error)}
    with connection:
        return {"connected": True, "said": _first_line(connection), "error": ""}


def _first_line(connection):
    said, deadline = b"", time.time() + _LISTEN_SECONDS
    try:
        while len(said) < LINE_BYTES and b"\n" not in said:
            connection.settimeout(max(deadline - time.time(), 0.01))
            chunk = connection.recv(LINE_BYTES - len(said))
            if not chunk:
                break
            said += chunk
    except OSError:
        pass  # what was said until then counts
    return said.split(b"\n")[0].decode("utf-8", "replace").strip()


def _name(error):
    if isinstance(error, socket.timeout):
        return "ETIMEDOUT"
    return errno.errorcode.get(error.errno, "") or (os.strerror(error.errno) if error.errno else str(error))


part("witness_network", globals())
