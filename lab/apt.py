"""Debian's archive through a private apt: own lists and cache, the machine's own mirror.

The mirror's address comes from the machine's apt configuration and is never written down here;
the suite is fixed, so that a lab on any Debian release builds the same guests.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab import shell
from lab.errors import LabError
from lab.settings import SUITE, Settings

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


@dataclass(frozen=True)
class Mirror:
    """Where this machine finds Debian, and Debian's security updates."""

    archive: str
    security: str


def mirror() -> Mirror:
    """Read the mirrors of this machine from its apt configuration (`apt-get indextargets`).

    Raises `LabError` when apt knows no Debian archive.
    """
    lines = shell.run(["apt-get", "indextargets", "--format", "$(LABEL)|$(SITE)|$(REPO_URI)", "Created-By: Packages"])
    found: dict[str, str] = {}
    for line in lines.splitlines():
        label, _, uri = line.split("|", 2)
        found.setdefault(label, uri.rstrip("/"))
    if "Debian" not in found:
        raise LabError("apt knows no Debian archive on this machine; run `apt-get update` and look at its sources")
    return Mirror(archive=found["Debian"], security=found.get("Debian-Security", ""))


def sources(suite: str, *, with_source: bool = False) -> list[str]:
    """Give apt source lines for `suite` (for example "bookworm"), with its security updates."""
    here = mirror()
    lines = [f"deb [signed-by={KEYRING}] {here.archive} {suite} main"]
    if here.security:
        lines.append(f"deb [signed-by={KEYRING}] {here.security} {suite}-security main")
    if with_source:
        lines.append(f"deb-src [signed-by={KEYRING}] {here.archive} {suite} main")
    return lines


def own_options() -> list[str]:
    """Give what this machine's apt is told of mirrors that are behind, as lines of an apt.conf: a mirror may be old."""
    key = "Acquire::Check-Valid-Until"
    value = shell.run(["apt-config", "dump", "--format", "%v", key]).strip()
    return [f'{key} "{value}"'] if value else []


class Archive:
    """One suite of Debian behind a private apt; every file it gives is checked against the signed index."""

    def __init__(self, suite: str, *, root: Path) -> None:
        self._root = root
        self._options = [
            "-o", f"Dir::Etc::sourcelist={root}/sources.list",
            "-o", "Dir::Etc::sourceparts=-",
            "-o", f"Dir::State={root}/state",
            "-o", f"Dir::State::status={root}/state/status",
            "-o", f"Dir::Cache={root}/cache",
            "-o", "APT::Get::AllowUnauthenticated=false",
            "-o", "APT::Sandbox::User=root",
        ]  # fmt: skip
        for folder in ("state/lists/partial", "cache/archives/partial"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        (root / "state/status").touch()
        (root / "sources.list").write_text("\n".join(sources(suite, with_source=True)) + "\n")

    def update(self) -> None:
        """Fetch the indexes."""
        shell.run(["apt-get", *self._options, "-q", "update"])

    def version(self, package: str) -> str:
        """Give the version that would be installed. Raises `LabError` when there is none."""
        policy = shell.run(["apt-cache", *self._options, "policy", package])
        match = re.search(r"Candidate: (\S+)", policy)
        if match is None or match[1] == "(none)":
            raise LabError(f"the Debian archive of this machine has no package {package}")
        return match[1]

    def source(self, package: str, *, into: Path) -> Path:
        """Download and unpack a source package; return the unpacked folder."""
        into.mkdir(parents=True, exist_ok=True)
        shell.run(["apt-get", *self._options, "-q", "source", package], cwd=into)
        return next(path for path in into.iterdir() if path.is_dir())

    def unpack(self, packages: list[str], *, into: Path, closure: bool = False) -> None:
        """Download binary packages, with all that they depend on or without, and unpack them below `into`.

        Nothing is installed.
        """
        into.mkdir(parents=True, exist_ok=True)
        fetch = self.closure if closure else self.download
        with tempfile.TemporaryDirectory(dir=self._root) as folder:
            for deb in fetch(packages, into=Path(folder)):
                shell.run(["dpkg-deb", "-x", deb, into])

    def download(self, packages: list[str], *, into: Path) -> list[Path]:
        """Download exactly these packages, without what they depend on, into an empty folder."""
        shell.run(["apt-get", *self._options, "-q", "download", *packages], cwd=into)
        return sorted(into.glob("*.deb"))

    def closure(self, packages: list[str], *, into: Path) -> list[Path]:
        """Download these packages and all that they depend on."""
        simulated = shell.run(["apt-get", *self._options, "-q", "--no-install-recommends", "-s", "install", *packages])
        wanted = sorted({line.split()[1] for line in simulated.splitlines() if line.startswith("Inst ")})
        return self.download(wanted, into=into)


def archive_of(settings: Settings, suite: str) -> Archive:
    """Give a suite, with the indexes that it had when it was used last."""
    return Archive(suite, root=settings.cache / ("apt" if suite == SUITE else f"apt-{suite}"))


@contextmanager
def workshop(settings: Settings, name: str, suite: str = SUITE) -> Iterator[tuple[Archive, Path]]:
    """Give a suite with fresh indexes, and an empty folder to build in.

    The folder is removed after a build that succeeds; one that fails leaves it, with its logs, to be looked at.
    """
    folder = settings.cache / "build" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    archive = archive_of(settings, suite)
    archive.update()
    yield archive, folder
    shutil.rmtree(folder)
