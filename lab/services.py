"""What a data centre has beside its nodes: image registries, a proxy to one of them, and a package repository."""

from __future__ import annotations

from pathlib import Path

from lab import network, registries, shell
from lab.apt import Archive
from lab.artefacts import artefact
from lab.settings import GATEWAY, SUITE, Settings

PACKAGES = ["docker.io", "containerd", "runc", "crun", "containernetworking-plugins", "conmon", "skopeo"]


def package_repository(settings: Settings) -> Path:
    """Give a folder with the packages that nodes may install, and its index."""
    archive = Archive(SUITE, root=settings.cache / "apt")
    inputs = {"suite": SUITE, "packages": " ".join(PACKAGES), "recipe": "1"}

    def build(folder: Path) -> None:
        archive.update()
        archive.closure(PACKAGES, into=folder)
        (folder / "Packages").write_text(shell.run(["apt-ftparchive", "packages", "."], cwd=folder))
        (folder / "Release").write_text(shell.run(["apt-ftparchive", "release", "."], cwd=folder))

    return artefact(settings.cache, "packages", inputs, build)


def start(settings: Settings) -> None:
    """Start all of them; return when the registries are filled."""
    repository = package_repository(settings)
    network.start(
        settings,
        ["python3", "-m", "http.server", "--bind", GATEWAY, "--directory", repository, "8080"],
        log=settings.state / "logs" / "packages.log",
    )
    registries.start(settings)
