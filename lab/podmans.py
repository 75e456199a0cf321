"""Podmans of several Debian releases, unpacked and never installed: what containers/image reads of registries.conf."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lab import shell, unpacked
from lab.settings import Settings

SUITES = ("bullseye", "bookworm", "trixie")
"""Podman 3.0, 4.3 and 5.4."""
_INSIDE = 'mount --bind "$1" /etc/containers; shift; exec "$@"'
"""In a namespace of its own: the folder stands where every program looks, and nobody else sees it."""


@dataclass(frozen=True)
class Podman:
    """One release's podman."""

    folder: Path

    def command(self, *words: str | Path) -> list[str]:
        """Give the command line that starts it."""
        return unpacked.command(self.folder, "usr/bin/podman", *words)

    @cached_property
    def version(self) -> str:
        """As the program itself says."""
        return shell.run(self.command("--version")).split()[2]

    def registries(self, etc: Path, home: Path) -> dict[str, Any] | str:
        """Give what is in force with `etc` as /etc/containers and `home` as its home: each prefix, and "search".

        Where the files are refused it is what podman says.
        """
        with tempfile.TemporaryDirectory() as name:
            own = Path(name)
            (own / "containers.conf").write_text(f'[engine]\nhelper_binaries_dir = ["{self.folder}/usr/lib/podman"]\n')
            podman = self.command(
                "--root", own / "root", "--runroot", own / "run", "--tmpdir", own / "tmp", "--storage-driver", "vfs",
                "--cgroup-manager", "cgroupfs", "--events-backend", "none", "info", "--format", "json",
            )  # fmt: skip
            done = subprocess.run(
                ["unshare", "--mount", "sh", "-ec", _INSIDE, "sh", str(etc), *podman],
                capture_output=True, text=True, check=False, timeout=120, cwd="/", stdin=subprocess.DEVNULL,
                env={"PATH": f"{self.folder}/usr/bin:{self.folder}/usr/sbin:{os.environ['PATH']}", "HOME": str(home),
                     "CONTAINERS_CONF": str(own / "containers.conf")},
            )  # fmt: skip
        if done.returncode:
            return done.stderr.strip() or f"exit {done.returncode}"
        found: dict[str, Any] = json.loads(done.stdout)["registries"] or {}
        return found


def podman(settings: Settings, suite: str) -> Podman:
    """Give the podman of a Debian release."""
    return Podman(unpacked.unpacked(settings, "podman", suite, ["podman"], closure=True))
