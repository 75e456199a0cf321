"""Reading a host's files without harm: bounded, never blocking, and never failing as a whole.

Every function takes a `Tree`, so that a test can give it a folder instead of a host.
Runs on the node: Python 3.6 or later, standard library only.
"""

import glob
import grp
import hashlib
import itertools
import os
import pwd
import re
import socket
import stat
import traceback

from ansible.module_utils.migrator_inspect_secrets import kind_of, redact, redact_file
from ansible.module_utils.migrator_node import NodeError

LARGEST_FILE = 1024 * 1024
"""Bytes of a file that are read."""
LARGEST_HASHED = 64 * LARGEST_FILE
"""Bytes of a file that are hashed when it is too large to be read, and of what the kernel lists."""
MOST_FILES = 200
"""Files of one pattern."""
MOST_STARS = 6
"""Stars of one name in a pattern."""
MOST_ROWS = 5000
"""Rows of any list."""
NULL_DEVICE = os.makedev(1, 3)
"""Number of /dev/null, which is an empty file to whoever reads it."""


class UnreadableError(Exception):
    """A file that is there and cannot be read; the message says why."""


class Tree:
    """The filesystem of a host, below `root`."""

    def __init__(self, root="/"):
        self.root = root.rstrip("/")

    def at(self, path):
        """Give the path under which this process finds `path`."""
        return self.root + path

    def read(self, path, limit=LARGEST_FILE):
        """Give a regular file's bytes, none for /dev/null; None when there is no such file.

        Raise UnreadableError for anything else.
        """
        with self._open(path) as file:
            try:
                data = file.read(limit + 1) if file else None
            except OSError as error:
                raise UnreadableError(error.strerror or str(error))
        if data is not None and len(data) > limit:
            raise UnreadableError("it is larger than {} bytes".format(limit))
        return data

    def text(self, path, limit=LARGEST_FILE):
        """Give a file's text; "" when there is none that can be read."""
        try:
            return (self.read(path, limit) or b"").decode("utf-8", "replace")
        except UnreadableError:
            return ""

    def sha256(self, path):
        """Give the hash of a file's bytes in hex; "" when it cannot be read or has more than LARGEST_HASHED."""
        total, left = hashlib.sha256(), LARGEST_HASHED
        try:
            with self._open(path) as file:
                if not file:
                    return ""
                for chunk in iter(lambda: file.read(LARGEST_FILE), b""):
                    total.update(chunk)
                    left -= len(chunk)
                    if left < 0:
                        return ""
        except (UnreadableError, OSError):
            return ""
        return total.hexdigest()

    def names(self, folder):
        """Give the names in a folder, sorted; none when it cannot be read."""
        try:
            return sorted(os.listdir(self.at(folder)))[:MOST_ROWS]
        except (OSError, ValueError):
            return []

    def glob(self, pattern, limit=MOST_FILES):
        """Give the paths that a pattern fits, sorted, at most `limit`.

        Raise UnreadableError for one that Python before 3.9 may try for hours (bpo-40480).
        """
        pattern = re.sub(r"\*+", "*", pattern)
        if any(part.count("*") > MOST_STARS for part in pattern.split("/")):
            raise UnreadableError("a pattern of files has more than {} stars in a name".format(MOST_STARS))
        try:
            found = itertools.islice(glob.iglob(glob.escape(self.root) + pattern), MOST_ROWS)
            return sorted(path[len(self.root) :] for path in found)[:limit]
        except (OSError, ValueError, re.error):
            return []

    def status(self, path):
        """Give a file's status, links followed; None when there is none."""
        try:
            return os.stat(self.at(path))
        except (OSError, ValueError):
            return None

    def exists(self, path):
        """Tell whether there is something at `path`, links followed."""
        return self.status(path) is not None

    def is_folder(self, path):
        """Tell whether a folder is at `path`."""
        status = self.status(path)
        return status is not None and stat.S_ISDIR(status.st_mode)

    def is_socket(self, path):
        """Tell whether a socket is at `path`."""
        status = self.status(path)
        return status is not None and stat.S_ISSOCK(status.st_mode)

    def answers(self, path):
        """Tell whether something takes connections at the socket `path`; closes it again without a word."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one:
            one.settimeout(2)
            try:
                one.connect(self.at(path))
            except OSError:
                return False
            return True

    def is_program(self, path):
        """Tell whether an executable file is at `path`."""
        status = self.status(path)
        return status is not None and stat.S_ISREG(status.st_mode) and bool(status.st_mode & 0o111)

    def real(self, path):
        """Give the path without links."""
        try:
            found = os.path.realpath(self.at(path))
        except (OSError, ValueError):
            return path
        return (found[len(self.root) :] if found.startswith(self.root + "/") else found) or "/"

    def link(self, path):
        """Give where a link points to; "" when it is none."""
        try:
            return os.readlink(self.at(path))
        except (OSError, ValueError):
            return ""

    def _open(self, path):
        """Open a regular file, or /dev/null, which masks files of systemd's.

        A pipe or another device in its place would block or never end.
        """
        try:
            descriptor = os.open(self.at(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return _Nothing()
        except ValueError as error:
            raise UnreadableError("its name cannot be a file's: {}".format(error))
        except OSError as error:
            raise UnreadableError(error.strerror or str(error))
        status = os.fstat(descriptor)
        kind = status.st_mode
        if not stat.S_ISREG(kind) and not (stat.S_ISCHR(kind) and status.st_rdev == NULL_DEVICE):
            os.close(descriptor)
            raise UnreadableError("it is a directory" if stat.S_ISDIR(kind) else "it is not a regular file")
        return os.fdopen(descriptor, "rb")


class _Nothing:
    """Stand in for a file that is not there."""

    def __enter__(self):
        return None

    def __exit__(self, *_):
        return False


def file_fact(tree, path, kinds=(), flags=None):
    """Describe one file with its content, secrets in it replaced by hashes. Never raises.

    `kinds` are what it is read as, by default what its path says; `flags` are those of `secrets.referred`.
    """
    fact = {"path": path}
    try:
        data = tree.read(path)
    except UnreadableError as error:
        fact.update(exists=True, problem=str(error), sha256=tree.sha256(path))
        fact.update(_ownership(tree, path))
        return fact
    if data is None:
        if tree.link(path):
            fact["problem"] = "it is a symbolic link to nothing"
        return fact
    fact.update(exists=True, sha256=hashlib.sha256(data).hexdigest())
    fact.update(_ownership(tree, path))
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        fact["problem"] = "it is not UTF-8 text"
        return fact
    fact["content"] = redact_file(text, kinds or [kind for kind in [kind_of(path)] if kind], flags)
    fact["hidden"] = fact["content"] != text
    return fact


def reason(error):
    """Say what went wrong, without the text that it went wrong in: the messages of most errors quote that."""
    kind = type(error).__name__
    if isinstance(error, OSError):
        return "{}: {}".format(kind, redact(error.strerror or "it took too long" if str(error) else ""))
    if isinstance(error, (NodeError, UnreadableError)):
        return "{}: {}".format(kind, redact(str(error)))
    place = traceback.extract_tb(error.__traceback__)[-1:]
    return " ".join([kind] + ["in {}, line {}".format(os.path.basename(step[0]), step[1]) for step in place])


def plain(value):
    """Give a document without strings that are no Unicode text: a name may consist of any bytes."""
    if isinstance(value, dict):
        return {plain(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    return value


def _ownership(tree, path):
    status = tree.status(path)
    if status is None:
        return {}
    return {
        "mode": "{:04o}".format(status.st_mode & 0o7777),
        "owner": _name(pwd.getpwuid, status.st_uid),
        "group": _name(grp.getgrgid, status.st_gid),
    }


def _name(lookup, number):
    try:
        return lookup(number)[0]
    except KeyError:
        return str(number)
