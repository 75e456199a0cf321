"""Systemds of several Debian releases, unpacked and never installed: what they make of units and their files.

Each runs as a user's manager below a root of its own, with the system's folders of units, in namespaces of its own.
What it starts is a program that writes down its arguments, so that nothing of this machine is touched.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab import waiting
from lab.errors import LabError
from lab.settings import Settings
from lab.unpacked import unpacked

SUITES = ("bullseye", "bookworm", "trixie")
"""systemd 247, 252 and 257; newer ones do not start where cgroups are of version 1."""
UNITS = ("/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system")
"""The folders of units, the first one wins."""
_PACKAGES = ["systemd", "coreutils", "dash", "mount"]
_MERGED = ("bin", "sbin", "lib", "lib64")
"""Links into /usr that newer releases have from a package which is taken for installed."""
_PLACES = ("proc", "sys", "dev", "run", "etc", "usr/lib/systemd/system", "tmp")
_RUNTIME = "/tmp/runtime"
_TOLD = "/tmp/told"
PROGRAM = "/tmp/kubelet"
"""What writes down the words that it is started with."""
_LAST = "/run/systemd/system/{}.d/zzzz-told.conf"
_START = f"""\
for place in etc usr/lib/systemd/system run tmp; do mount -t tmpfs none $1/$place; done
mount -t proc none $1/proc
mount --rbind /sys $1/sys
mount --rbind /dev $1/dev
mkdir -p $1/run/systemd/system $1{_RUNTIME} $1{_TOLD}
printf '#!/bin/sh\\nprintf "%%s\\\\0" "$@" end\\n' > $1{PROGRAM}
chmod +x $1{PROGRAM}
for name in none basic shutdown; do
  printf '[Unit]\\nDefaultDependencies=no\\n' > $1/usr/lib/systemd/system/$name.target
done
for folder in bin lib; do
  if test -x $1/$folder/systemd/systemd; then program=/$folder/systemd/systemd; fi
done
chroot $1 env -i PATH=/usr/bin:/bin HOME=/ XDG_RUNTIME_DIR={_RUNTIME} SYSTEMD_UNIT_PATH={":".join(UNITS)} \
  SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1 $program --user --unit=none.target --log-target=null &
wait
"""
_SECONDS = 30.0


@dataclass(frozen=True)
class Systemd:
    """One release's systemd, unpacked."""

    suite: str
    folder: Path

    @contextmanager
    def running(self) -> Iterator[Manager]:
        """Start it with no unit at all; whatever it is given is gone afterwards."""
        for place in _PLACES:
            (self.folder / place).mkdir(parents=True, exist_ok=True)
        process = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", _START, "sh", self.folder],
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            manager = Manager(self.folder, process)
            waiting.until(manager.answers, f"systemd of {self.suite} answers", seconds=_SECONDS, every=0.05)
            yield manager
        finally:
            process.kill()
            process.wait(_SECONDS)


class Manager:
    """One that runs."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        """Take the process that keeps its namespaces."""
        self._folder = folder
        self._process = process

    @property
    def root(self) -> Path:
        """Where this machine sees its files."""
        return Path(f"/proc/{self._child()}/root{self._folder}")

    def answers(self) -> bool:
        """Tell whether it takes questions. Raises `LabError` when it has ended."""
        if self._process.poll() is not None:
            raise LabError(f"{self._folder.name} ended with {self._process.returncode}")
        return bool(self._child()) and bool(self.ask("show", "-p", "Version"))

    def ask(self, *words: str) -> str:
        """Give what `systemctl` says."""
        command = [
            "nsenter", "--target", self._child(), "--mount", "--pid", "chroot", str(self._folder),
            "env", "-i", "PATH=/usr/bin:/bin", f"XDG_RUNTIME_DIR={_RUNTIME}", "SYSTEMD_IGNORE_CHROOT=1",
            "systemctl", "--user", "--no-pager", *words,
        ]  # fmt: skip
        return subprocess.run(command, capture_output=True, text=True, errors="surrogateescape", check=False).stdout

    @property
    def version(self) -> str:
        """What it calls itself."""
        return self.ask("show", "-p", "Version", "--value").split()[0]

    def place(self, files: Mapping[str, bytes | None]) -> None:
        """Put files there; None stands for a link to /dev/null."""
        for path, content in files.items():
            real = self.root / path.lstrip("/")
            real.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                real.symlink_to("/dev/null")
            else:
                real.write_bytes(content)

    def start(self, names: Sequence[str]) -> dict[str, list[str] | None]:
        """Start services whose program is `PROGRAM`; give the words that each got, None for one that did not start."""
        for name in names:
            said = f"[Service]\nStandardOutput=file:{_TOLD}/{name}\n"
            self.place({_LAST.format(name): said.encode()})
        self.ask("daemon-reload")
        self.ask("start", *names)
        waiting.until(lambda: not self._busy(names), "all services have ended", seconds=_SECONDS, every=0.02)
        return {name: self._told(name) for name in names}

    def forget(self) -> None:
        """Take away every unit and what was placed in /etc."""
        for folder in ("etc", "run/systemd/system", "tmp/told"):
            shutil.rmtree(self.root / folder, ignore_errors=True)
        for path in (self.root / "usr/lib/systemd/system").iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.suffix != ".target":
                path.unlink()
        (self.root / "tmp/told").mkdir()
        self.ask("reset-failed")

    def _busy(self, names: Sequence[str]) -> bool:
        states = self.ask("show", "-p", "ActiveState", "--value", *names).split()
        return bool({"active", "activating", "deactivating", "reloading"} & {*states})

    def _told(self, name: str) -> list[str] | None:
        path = self.root / "tmp/told" / name
        if not path.exists():
            return None
        text = path.read_bytes().decode(errors="surrogateescape")
        return text.split("\0")[:-2] if text else None

    def _child(self) -> str:
        try:
            children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        except OSError:
            return ""
        return (children.split() or [""])[0]


def systemd(settings: Settings, suite: str) -> Systemd:
    """Give the systemd of a Debian release."""

    def link(folder: Path) -> None:
        for name in _MERGED:
            if not (folder / name).exists():
                (folder / name).symlink_to(f"usr/{name}")

    return Systemd(suite, unpacked(settings, "systemd", suite, _PACKAGES, recipe="2", closure=True, finish=link))
