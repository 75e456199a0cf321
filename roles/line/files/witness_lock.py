"""One session at a time on a node."""

import fcntl
import json
import os
import time

from witness_base import ENDINGS, WitnessError, part, question

PLACE = "/run/lock/migrator-probe"
_held = {}


@question
def lock(session, who, at=""):
    """Hold the node for this session until the witness ends; a problem names who has it."""
    if session in _held:
        return {}
    path = at + PLACE
    os.makedirs(os.path.dirname(path), exist_ok=True)
    try:
        file = _taken(path)
    except OSError as error:
        raise WitnessError(f"{PLACE}: {error.strerror}")
    os.ftruncate(file, 0)
    os.pwrite(file, json.dumps({"session": session, "who": who, "since": time.time()}).encode(), 0)
    _held[session] = (file, path)
    return {}


def _taken(path):
    """Open and lock the file that has this name now: the one who had it before us may just have removed it."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(os.pread(file, 4096, 0))
            os.close(file)
            raise WitnessError(holder)
        try:
            if os.path.samestat(os.fstat(file), os.stat(path)):
                return file
        except FileNotFoundError:
            pass
        os.close(file)


def _holder(content):
    try:
        told = json.loads(content.decode())
        since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(told["since"]))
        return f"{told['who']} has been probing this node since {since} (session {told['session']}); wait for its end"
    except (ValueError, KeyError, TypeError):
        return "somebody else is probing this node; wait for its end"


def unlock():
    """Let others have the node."""
    while _held:
        file, path = _held.popitem()[1]
        # Removed while it is still held, so that nobody else's is.
        os.unlink(path)
        os.close(file)


ENDINGS.append(unlock)
part("witness_lock", globals())
