"""Containerds of several Debian releases, unpacked and never installed, to read what `migrator` writes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab import shell, unpacked, waiting
from lab.settings import Settings

SUITES = ("bullseye", "bookworm", "trixie", "forky")
"""containerd 1.4, 1.6, 1.7 and 2.1."""
_PACKAGES = ["containerd", "libc6", "libseccomp2"]
_SECONDS = 30.0


@dataclass(frozen=True)
class Containerd:
    """One release's containerd and `ctr`."""

    folder: Path

    def command(self, program: str, *words: str | Path) -> list[str]:
        """Give the command line that starts one of its programs."""
        return unpacked.command(self.folder, f"usr/bin/{program}", *words)

    @property
    def version(self) -> tuple[int, ...]:
        """Major, minor and patch level, as the program itself says."""
        text = shell.run(self.command("containerd", "--version")).split()[2]
        return tuple(int(number) for number in text.partition("~")[0].partition("+")[0].split("."))

    def dump(self, config: Path) -> tuple[str, str]:
        """Give what it makes of a configuration, and what it complains of."""
        words = self.command("containerd", "--config", config, "config", "dump")
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        return done.stdout, done.stderr if done.returncode == 0 else f"exit {done.returncode}: {done.stderr}"

    @contextmanager
    def running(self, config: Path, socket: Path) -> Iterator[Path]:
        """Run it with this configuration, whose folders must be private; give its log.

        In a mount namespace of its own, where what it makes in /run and /opt goes nowhere.
        """
        log = config.with_suffix(".log")
        script = 'mount -t tmpfs none /run && mount -t tmpfs none /opt && exec "$@"'
        words = self.command("containerd", "--config", config)
        with log.open("w") as sink:
            process = subprocess.Popen(
                ["unshare", "--mount", "sh", "-ec", script, "sh", *words],
                stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            answers = self.command("ctr", "--address", socket, "version")
            waiting.until(
                lambda: process.poll() is not None or waiting.succeeds(answers),
                f"{self.folder.name} answers (its log: {log})", seconds=_SECONDS, every=0.1,
            )  # fmt: skip
            yield log
        finally:
            process.terminate()
            process.wait(_SECONDS)


def containerd(settings: Settings, suite: str) -> Containerd:
    """Give the containerd of a Debian release."""
    return Containerd(unpacked.unpacked(settings, "containerd", suite, _PACKAGES))
