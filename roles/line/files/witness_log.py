"""Logs of the node: of containers, and of its services."""

import os
import re

from witness_base import WitnessError, part, question, run

LOG_PLACES = re.compile(r"/var/log/pods/|/run/migrator-rehearsal-[a-z0-9-]+/")


@question
def log(path, bytes=65536, at=""):  # noqa: A002 - the word that is asked with
    """Give the end of a container's log; "" when there is none. Docker's are links into its own folder."""
    if not LOG_PLACES.match(os.path.normpath(path)):
        raise WitnessError(f"{path} is no log of a pod")
    try:
        # O_NONBLOCK: a pipe in its place would never open.
        with open(os.open(at + path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(size - bytes, 0))
            return file.read(bytes).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise WitnessError(f"{path}: {error.strerror}")


@question
def journal(unit, lines=20):
    """Give the last lines of a unit's journal; "" where nothing is kept of it."""
    if not re.match(r"^[A-Za-z0-9][A-Za-z0-9:_.@-]*$", unit):
        raise WitnessError(f"{unit!r} is no name of a unit")
    words = ["journalctl", "--unit", unit, "--lines", str(int(lines)), "--no-pager", "--quiet", "--output", "short-iso"]
    return run(words, seconds=30)[1]


part("witness_log", globals())
