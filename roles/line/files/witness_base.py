"""What every part of the witness uses: questions, problems, reading, programs, mounts.

The witness is one program in several files. On a node they are one text, joined in the order of their names with
witness.py last; `part` lets them import one another there by the same names as here, so each can only import those
before it. What a file defines must therefore have a name of its own among all of them.

Runs on the node: Python 3.6 or later, standard library only. `at` is a folder that stands for "/".
"""

import os
import re
import subprocess
import sys
import types
import typing

LONGEST = 262144
"""Bytes of one file that are read at most."""
RUNNING = "/run/systemd/system"
"""Exists where systemd is PID 1 (sd_booted(3))."""
QUESTIONS = {}
ENDINGS = []
"""What to do when the witness ends, whatever ended it."""


class Mount(typing.NamedTuple):
    """A line of mountinfo; `root` is what of the filesystem is mounted, `options` are the filesystem's."""

    point: str
    root: str
    kind: str
    source: str
    options: str


class WitnessError(Exception):
    """What was asked could not be done; the message says why."""


def part(name, namespace):
    """Let the parts that follow import this one by its name."""
    if name not in sys.modules:
        module = types.ModuleType(name)
        vars(module).update(namespace)
        sys.modules[name] = module


def question(function):
    """Let the control host ask this function by its name."""
    QUESTIONS[function.__name__] = function
    return function


def read(path, at="", most=LONGEST):
    """Give the text of a file, `most` bytes of it; None when it is missing or unreadable."""
    try:
        with open(at + path, "rb") as file:
            return file.read(most).decode("utf-8", "replace")
    except OSError:
        return None


def names(path, at=""):
    """List a folder, sorted; nothing when there is none."""
    try:
        return sorted(os.listdir(at + path))
    except OSError:
        return []


def link(path, at=""):
    """Give where a symbolic link leads; None when there is none."""
    try:
        return os.readlink(at + path)
    except OSError:
        return None


def numbers(at=""):
    """List the processes of the host."""
    return sorted(int(name) for name in names("/proc", at) if name.isdigit())


def mounts(at="", pid="self"):
    """List what is mounted where that process looks, in order (proc(5), mountinfo)."""
    found = []
    for line in (read(f"/proc/{pid}/mountinfo", at, most=1 << 24) or "").splitlines():
        first, _, second = line.partition(" - ")
        left, right = first.split(" "), second.split(" ")
        if len(left) >= 6 and len(right) >= 3:
            root, point, source = (_plain(word) for word in (left[3], left[4], right[1]))
            found.append(Mount(point, root, right[0], source, right[2]))
    return found


def _plain(word):
    """Undo the kernel's octal writing of blanks and backslashes."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), word)


def below(path, folder):
    """Tell whether a path is a folder or in it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def run(words, seconds=60, data=None):
    """Run a program with `data` as its input; give exit code, output and messages. 127: there is no such program."""
    stdin = subprocess.DEVNULL if data is None else subprocess.PIPE
    try:
        process = subprocess.Popen(words, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except OSError as error:
        return 127, "", f"{words[0]}: {error.strerror}"
    try:
        out, err = process.communicate(data, timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return 124, "", f"{words[0]} took more than {seconds} s"
    return process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")


def short(text, most=400):
    """Give the end of a program's message as one line."""
    line = "; ".join(part.strip() for part in text.splitlines() if part.strip())
    return line if len(line) <= most else "…" + line[-most:]


part("witness_base", globals())
