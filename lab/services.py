"""What a data centre has beside its nodes: image registries, a proxy to one of them, and a package repository."""

from __future__ import annotations

import shutil
from pathlib import Path

from lab import network, registries, shell
from lab.apt import archive_of
from lab.artefacts import artefact
from lab.settings import GATEWAY, Settings

PROGRAMS = f"http://{GATEWAY}:8080/programs"
"""Where nodes fetch programs that no package brings: CRI-O's, cri-dockerd."""
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


def _programs(settings: Settings) -> list[Path]:
    crio = [Path(settings.crio, name) for name in ("crio", "pinns")] if settings.crio else []
    return crio + ([Path(settings.cri_dockerd)] if settings.cri_dockerd else [])


def start(settings: Settings) -> None:
    """Start all of them; return when the registries are filled."""
    served = settings.state / "served"
    shutil.rmtree(served, ignore_errors=True)
    (served / "programs").mkdir(parents=True)
    for suite, repository in repositories(settings).items():
        (served / suite).symlink_to(repository)
    for program in _programs(settings):
        (served / "programs" / program.name).symlink_to(program.absolute())
    network.start(
        settings,
        ["python3", "-m", "http.server", "--bind", GATEWAY, "--directory", served, "8080"],
        log=settings.state / "logs" / "packages.log",
    )
    registries.start(settings)
