"""What migrator and Ansible said in detail: two files in a run's folder, or stderr; secrets are hidden in both.

Whatever goes wrong with a log ends nothing.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from migrator import log_context
from migrator.masking import masked
from migrator.model.untrusted_text import mistake
from migrator.store import private_files

ANSIBLE = "migrator.ansible"
"""The logger of what Ansible prints."""
_OURS = "migrator"
_LARGEST = 16 * 2**20
"""Bytes of a file; then it becomes `NAME.1`, in place of the one before, and a new one is begun."""
_LONGEST = 64 * 1024
"""Characters of one entry: what a host says may be endless."""
_LAST = 8 * 1024
"""Characters at the end of what was cut off that are not shown: half a secret, which nothing knows, may be there."""
_alone = threading.Lock()
_handlers: list[logging.Handler] = []


class _File(logging.Handler):
    """A file for its owner alone, of bounded size."""

    def __init__(self, path: Path) -> None:
        super().__init__(logging.DEBUG)
        self._path = path
        self._size = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Add an entry. A file that is gone or full loses it."""
        with suppress(Exception):  # nobody is there to be told
            text = entry(record) + "\n"
            size = len(text.encode("utf-8", "backslashreplace"))
            if self._size and self._size + size > _LARGEST:
                self._size = 0
                with suppress(FileNotFoundError):  # somebody has taken it away: it is begun anew
                    self._path.replace(self._path.with_name(self._path.name + ".1"))
            private_files.append(self._path, text)
            self._size += size


class _Terminal(logging.Handler):
    """Stderr, whatever that is at the moment."""

    def emit(self, record: logging.LogRecord) -> None:
        """Show an entry. A terminal that is gone loses it."""
        with suppress(Exception):
            sys.stderr.write(entry(record) + "\n")
            sys.stderr.flush()


def entry(record: logging.LogRecord) -> str:
    """Give the lines of an entry: time, level, logger, node and step, and what is said; further lines are indented.

    So no text of a host's begins a line, or writes to the terminal of whoever reads it.
    """
    text = record.getMessage()
    if record.exc_info and record.exc_info[1] is not None:
        text += "\n" + _told(record.exc_info[1])
    where = " ".join(filter(None, (log_context.node.get(), log_context.step.get()))) or "-"
    moment = datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds")
    head = f"{moment} {record.levelname} {record.name} [{where}] "
    # Cut twice, before secrets are hidden and afterwards: to look for them in a text without an end takes long.
    whole = head + masked(text[: _LONGEST + _LAST])
    most = min(_LONGEST, len(whole) - _LAST) if len(text) > _LONGEST + _LAST else _LONGEST
    shown = whole if len(whole) <= most else f"{whole[: max(most, len(head))]}\n… of {len(text)} characters"
    return "\n    ".join(map(_printable, shown.rstrip().split("\n")))


def _told(error: BaseException) -> str:
    """Give a traceback; what pydantic refused is not quoted."""
    text = "".join(traceback.format_exception(error))
    waiting, seen = [error], set[int]()
    while waiting:
        one = waiting.pop()
        if isinstance(one, ValidationError):
            text = text.replace(str(one), mistake(one))
        seen.add(id(one))
        waiting += [other for other in (one.__cause__, one.__context__) if other is not None and id(other) not in seen]
    return text


def _printable(line: str) -> str:
    return "".join(
        sign if sign.isprintable() or sign == "\t" else sign.encode("unicode_escape").decode("ascii") for sign in line
    )


@contextmanager
def kept(folder: Path) -> Iterator[None]:
    """Write `debug.log` and `ansible.log` in a folder that is there, for the `with` block."""
    ansible, rest = _File(folder / "ansible.log"), _File(folder / "debug.log")
    ansible.addFilter(logging.Filter(ANSIBLE))
    rest.addFilter(lambda record: record.name != ANSIBLE)
    _begin(ansible, rest)
    try:
        yield
    finally:
        _end(ansible, rest)


def show() -> None:
    """Write everything to stderr from now on."""
    _begin(_Terminal(logging.DEBUG))


def _begin(*handlers: logging.Handler) -> None:
    with _alone:
        _handlers.extend(handlers)
        for handler in handlers:
            logging.getLogger(_OURS).addHandler(handler)
        logging.getLogger(_OURS).setLevel(logging.DEBUG)
        logging.getLogger(_OURS).propagate = False  # nobody else hides what we do


def _end(*handlers: logging.Handler) -> None:
    with _alone:
        for handler in handlers:
            _handlers.remove(handler)
            logging.getLogger(_OURS).removeHandler(handler)
        if not _handlers:
            logging.getLogger(_OURS).setLevel(logging.NOTSET)
            logging.getLogger(_OURS).propagate = True
