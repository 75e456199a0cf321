"""What a data centre has beside its nodes: image registries, a proxy to one of them, and a package repository."""

from __future__ import annotations

import shutil
from pathlib import Path

from lab import network, registries, shell
from lab.apt import archive_of
from lab.artefacts import artefact
from lab.settings import GATEWAY, NEWEST, Settings

PROGRAMS = f"http://{GATEWAY}:8080/programs"
"""Where nodes fetch what no repository of theirs has: CRI-O's programs, cri-dockerd, containerd 2."""
CONTAINERD_2 = "containerd-2.deb"
PACKAGES = ["docker.io", "containerd", "runc", "crun", "containernetworking-plugins", "conmon", "skopeo"]


def package_repository(settings: Settings, suite: str) -> Path:
    """Give a folder with the packages that nodes of this suite may install, and its index."""
    inputs = {"suite": suite, "packages": " ".join(PACKAGES), "recipe": "1"}

    def build(folder: Path) -> None:
        archive = archive_of(settings, suite)
        archive.update()
        archive.closure(PACKAGES, into=folder)
        (folder / "Packages").write_text(shell.run(["apt-ftparchive", "packages", "."], cwd=folder))
        (folder / "Release").write_text(shell.run(["apt-ftparchive", "release", "."], cwd=folder))

    return artefact(settings.cache, "packages", inputs, build)


def repositories(settings: Settings) -> dict[str, Path]:
    """Give the package repository of each suite that nodes have."""
    return {suite: package_repository(settings, suite) for suite in sorted({node.suite for node in settings.nodes})}


def programs(settings: Settings) -> dict[str, Path]:
    """Give what nodes fetch beside packages, by the name that it has for them."""
    crio = {name: Path(settings.crio, name) for name in ("crio", "pinns") if settings.crio}
    dockerd = {"cri-dockerd": Path(settings.cri_dockerd)} if settings.cri_dockerd else {}
    newest = {CONTAINERD_2: _containerd_2(settings)} if "containerd-2" in {n.runtime for n in settings.nodes} else {}
    return crio | dockerd | newest


def _containerd_2(settings: Settings) -> Path:
    def build(folder: Path) -> None:
        archive = archive_of(settings, NEWEST)
        archive.update()
        archive.download(["containerd"], into=folder)

    (package,) = artefact(settings.cache, "containerd-2", {"suite": NEWEST, "recipe": "1"}, build).glob("*.deb")
    return package


def start(settings: Settings) -> None:
    """Start all of them; return when the registries are filled."""
    served = settings.state / "served"
    shutil.rmtree(served, ignore_errors=True)
    (served / "programs").mkdir(parents=True)
    for suite, repository in repositories(settings).items():
        (served / suite).symlink_to(repository)
    for name, program in programs(settings).items():
        (served / "programs" / name).symlink_to(program.absolute())
    network.start(
        settings,
        ["python3", "-m", "http.server", "--bind", GATEWAY, "--directory", served, "8080"],
        log=settings.state / "logs" / "packages.log",
    )
    registries.start(settings)
