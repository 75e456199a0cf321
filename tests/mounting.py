"""Real mounts for the tests of what lies in them, and a node with a stopped Docker that they are made on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.test_cleanup import Machine, docker_removal, stopped_docker


@dataclass
class Mounting:
    """Makes real mounts, and takes them away again."""

    made: list[str] = field(default_factory=list)

    def __call__(self, source: str | Path, place: Path, *words: str) -> Path:
        """Mount; without words a bind mount."""
        if Path(source).is_dir() or words:
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.exists():
                place.touch()
        done = subprocess.run(
            ["mount", *(words or ["--bind"]), str(source), str(place)], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
        self.made.append(str(place))
        return place

    def tmpfs(self, place: Path) -> Path:
        """Mount a file system in memory."""
        return self("tmpfs", place, "-t", "tmpfs")


@contextmanager
def mounting() -> Iterator[Mounting]:
    """Give what mounts, where that is possible."""
    if os.geteuid() != 0 or sys.platform != "linux":
        pytest.skip("only root can mount")
    made = Mounting()
    yield made
    for place in reversed(made.made):
        subprocess.run(["umount", "-l", place], capture_output=True, check=False)


def with_run_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Give a node with a stopped Docker that has a run folder."""
    made = stopped_docker(folder, monkeypatch)
    (run_folder(made) / "libnetwork").mkdir(parents=True)
    monkeypatch.setattr(docker_removal, "LEFT", (str(run_folder(made)), str(folder / "dockershim")))
    return made


def run_folder(machine: Machine) -> Path:
    """Give what stands for /run/docker."""
    return machine.root.parent / "run" / "docker"


def removed(machine: Machine) -> bool:
    """Tell whether anything was removed."""
    return any(said.startswith(("dpkg --remove", "systemctl disable", "ip link", "apt-mark")) for said in machine.said)
