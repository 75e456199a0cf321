"""This machine's own limits: what ends here for want of files, memory, processes or room says nothing about a host."""

from __future__ import annotations

import errno
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from migrator.errors import HostUnreachableError

_SCARCE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ENOSPC, errno.EDQUOT, errno.ENOBUFS})
_ADVICE = "have it work on fewer nodes at once (migrator_batch), or give it more"
_LONGEST = 60
"""Bytes of a temporary folder's name that leave room below the 104 to 108 that a Unix socket's path may have."""
_PLAIN = re.compile(r"[\w./+-]*")
"""What Ansible takes for itself where it is told of a file of hosts."""


def exhausted(error: BaseException) -> bool:
    """Tell whether an error means that this machine has no more of something."""
    if isinstance(error, OSError):
        return error.errno in _SCARCE
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "new thread" in str(error))


@contextmanager
def bounds(host: str) -> Iterator[None]:
    """Raise `HostUnreachableError` where this machine has no more of something: `host` could not be asked."""
    try:
        yield
    except (OSError, MemoryError, RuntimeError) as error:
        if not exhausted(error):
            raise
        raise HostUnreachableError(told(host, error)) from error


def told(host: str, error: BaseException) -> str:
    """Say what this machine lacks, and what to do."""
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"{host} could not be asked: this machine is at its limits ({reason}): {_ADVICE}"


def parent() -> str | None:
    """Give the folder for temporary ones: /tmp where the usual one has a name that is too long or odd, else None."""
    usual = tempfile.gettempdir()
    return None if len(usual.encode()) <= _LONGEST and _PLAIN.fullmatch(usual) else "/tmp"  # noqa: S108 - ours alone in it
