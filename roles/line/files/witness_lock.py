"""One session at a time on a node."""

import fcntl
import json
import os
import stat
import time

from witness_base import ENDINGS, WitnessError, part, question

FOLDER = "/run/migrator"
PLACE = FOLDER + "/probe"
"""In a folder of root's own: where everybody may make files, anybody could hold a node's proof up."""
_held = {}


@question
def lock(session, who, at=""):
    """Hold the node for this session until the witness ends; give the `holder` instead where somebody has it."""
    if session in _held:
        return {}
    path = at + PLACE
    try:
        _own_folder(at + FOLDER)
        file, holder = _taken(path)
    except OSError as error:
        raise WitnessError(f"{PLACE}: {error.strerror}")
    if file is None:
        return {"holder": holder}
    os.ftruncate(file, 0)
    os.pwrite(file, json.dumps({"session": session, "who": who, "since": time.time()}).encode(), 0)
    _held[session] = (file, path)
    return {}


def _own_folder(path):
    """Make the folder for root alone; refuse one that somebody else has made or may write to."""
    os.makedirs(path, mode=0o700, exist_ok=True)
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise WitnessError(f"{FOLDER} is not a folder that only root may write to: remove it")


def _taken(path):
    """Open and lock the file that has this name now; give it, or None and who has it.

    The one who had it before us may just have removed it.
    """
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(os.pread(file, 4096, 0))
            os.close(file)
            return None, holder
        try:
            if os.path.samestat(os.fstat(file), os.stat(path)):
                return file, ""
        except FileNotFoundError:
            pass
        os.close(file)


def _holder(content):
    try:
        told = json.loads(content.decode())
        since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(told["since"]))
        return f"{told['who']} has been probing this node since {since} (session {told['session']})"
    except (ValueError, KeyError, TypeError):
        return "somebody else is probing this node"


def unlock():
    """Let others have the node."""
    while _held:
        file, path = _held.popitem()[1]
        # Removed while it is still held, so that nobody else's is.
        os.unlink(path)
        os.close(file)


ENDINGS.append(unlock)
part("witness_lock", globals())
