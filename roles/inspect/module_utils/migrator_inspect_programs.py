"""Programs that are asked something, all at the same time: starting one costs most of an inspection.

Runs on the node: Python 3.6 or later, standard library only.
"""

import os
import re
import subprocess
import threading
import time

from ansible.module_utils.migrator_node import FOLDERS

SECONDS = 60
"""How long a program may take."""
_VERSION = re.compile(r"(?<![\w.])v?(\d+\.\d+(?:\.\d+)?)")


class Answer:
    """What a program said: its exit code and what it wrote. 127 when it could not be started, 124 when it hung."""

    def __init__(self, code, out="", err=""):
        self.code = code
        self.out = out
        self.err = err

    @property
    def version(self):
        """The first version number in it; "" when there is none."""
        match = _VERSION.search(self.out) or _VERSION.search(self.err)
        return match.group(1) if match and self.code == 0 else ""


class Program:
    """A program that runs while we do something else. It may not ask anything, and is ended when it hangs."""

    def __init__(self, tree, argv, seconds=SECONDS):
        self._end = time.time() + seconds
        self._answer = None
        if not argv[0]:
            self._answer = Answer(127)
            return
        environment = dict(os.environ, LC_ALL="C", PATH=":".join(tree.at(folder) for folder in FOLDERS))
        if tree.root:
            environment["PATH"] += ":" + os.environ.get("PATH", "")
        try:
            self._process = subprocess.Popen(
                [tree.at(argv[0])] + argv[1:],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                cwd="/",
            )
        except (OSError, ValueError) as error:
            self._answer = Answer(127, err=str(error))

    def answer(self):
        """Wait for its end and give what it said. Never raises."""
        if self._answer is None:
            try:
                out, err = self._process.communicate(timeout=max(0.1, self._end - time.time()))
                code = self._process.returncode
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.communicate()
                code, out, err = 124, b"", b"it took too long"
            self._answer = Answer(code, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))
        return self._answer


def find(tree, name):
    """Give the path of a program; "" when it is not installed."""
    return next(iter(find_all(tree, [name])), "")


def find_all(tree, names, folders=()):
    """Give the paths of all programs of these names, one for each real file."""
    seen, found = set(), []
    for folder in FOLDERS + tuple(folders):
        for name in names:
            path = folder + "/" + name
            if tree.is_program(path) and tree.real(path) not in seen:
                seen.add(tree.real(path))
                found.append(path)
    return found


class Together:
    """Functions that run at the same time, each in a thread that does not keep the process from ending."""

    def __init__(self, functions):
        self._outcomes = [None] * len(functions)
        self._threads = [
            threading.Thread(target=self._call, args=(number, function)) for number, function in enumerate(functions)
        ]
        for thread in self._threads:
            thread.daemon = True
            thread.start()

    def _call(self, number, function):
        try:
            self._outcomes[number] = (function(), None)
        except Exception as error:  # it is raised where the result is asked for
            self._outcomes[number] = (None, error)

    def results(self, seconds=None):
        """Wait, at most so long in all, and give each result; None for a function that is not done.

        Raises what the first function that failed has raised.
        """
        end = time.time() + seconds if seconds is not None else None
        for thread in self._threads:
            thread.join(max(0.0, end - time.time()) if end is not None else None)
        for outcome in self._outcomes:
            if outcome is not None and outcome[1] is not None:
                raise outcome[1]
        return [outcome[0] if outcome is not None else None for outcome in self._outcomes]
