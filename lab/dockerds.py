"""Dockerds of several Debian releases, unpacked and never installed: whether they take a configuration."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lab import shell, unpacked
from lab.settings import Settings

SUITES = ("bookworm", "trixie", "forky")
"""Docker 20.10, 26.1 and 28.5."""
_PACKAGES = [
    "docker.io", "libc6", "libcap2", "libdevmapper1.02.1", "libgcrypt20", "libgpg-error0", "liblz4-1", "liblzma5",
    "libpcre2-8-0", "libselinux1", "libsystemd0", "libudev1", "libzstd1",
]  # fmt: skip
_VALIDATES = (23, 0)
"""First release with `--validate`."""
_NOBODY = ("unshare", "--user")
"""Runs a program as somebody who is not root, and who may read what root may."""
_READ = "dockerd needs to be started with root"
"""What an older one says to who is not root, once it has read its configuration (cmd/dockerd/daemon.go, start)."""


@dataclass(frozen=True)
class Dockerd:
    """One release's dockerd."""

    folder: Path

    def command(self, *words: str) -> list[str]:
        """Give the command line that starts it."""
        return unpacked.command(self.folder, "usr/sbin/dockerd", *words)

    @cached_property
    def version(self) -> tuple[int, ...]:
        """Major, minor and patch level, as the program itself says."""
        text = shell.run(self.command("--version")).split()[2]
        return tuple(int(number) for number in text.partition("+")[0].strip(",").split("."))

    def complaint(self, config: Path, words: Sequence[str]) -> str:
        """Give what keeps it from starting with this file and these flags; "" for nothing. It does not start."""
        newer = self.version >= _VALIDATES
        asked = self.command(*(["--validate"] if newer else []), "--config-file", str(config), *words)
        done = subprocess.run(
            asked if newer else [*_NOBODY, *asked],
            capture_output=True, text=True, check=False, timeout=60, cwd="/", stdin=subprocess.DEVNULL,
            env={"PATH": f"{self.folder}/usr/bin:{self.folder}/usr/sbin:{os.environ['PATH']}"},
        )  # fmt: skip
        said = done.stderr.strip()
        return "" if (done.returncode == 0 if newer else _READ in said) else said or f"exit {done.returncode}"


def dockerd(settings: Settings, suite: str) -> Dockerd:
    """Give the dockerd of a Debian release."""
    return Dockerd(unpacked.unpacked(settings, "dockerd", suite, _PACKAGES))
