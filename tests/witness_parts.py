"""The witness as tests have it: its parts as modules, and the one text that a node gets."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from migrator import data_files

FOLDER = data_files.folder("roles") / "line" / "files"
PARTS = [*sorted(path for path in FOLDER.glob("witness_*.py")), FOLDER / "witness.py"]
"""In the order in which they are joined."""

if str(FOLDER) not in sys.path:
    sys.path.insert(0, str(FOLDER))


def joined() -> str:
    """Give the whole program."""
    return "\n".join(path.read_text() for path in PARTS)


class Witness:
    """The program, running; what it is asked goes through its pipes, as on a node."""

    def __init__(self, command: Sequence[str | Path], **more: Any) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **more)

    def send(self, line: str) -> Any:
        """Send a line as it is; give the answer to it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def ask(self, question: str, /, **words: Any) -> Any:
        """Ask; give the answer, or the problem as an AssertionError."""
        told = self.send(json.dumps({"id": 7, "question": question, "words": words}))
        assert "problem" not in told, told["problem"]
        return told["answer"]

    def problem(self, question: str, /, **words: Any) -> str:
        """Ask what it cannot answer; give why."""
        told = self.send(json.dumps({"id": 7, "question": question, "words": words}))
        return str(told["problem"])

    def end(self) -> int:
        """End its input and wait for it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait(20)


def put(root: Path, contents: dict[str, str]) -> str:
    """Write files below a folder that stands for "/"; give the folder as the witness takes it."""
    for name, content in contents.items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return str(root)
