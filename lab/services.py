"""What a data centre has beside its nodes: an image registry and a package repository."""

from __future__ import annotations

from pathlib import Path

from lab import images, keys, network, shell, waiting
from lab.apt import Archive
from lab.artefacts import artefact
from lab.settings import GATEWAY, REGISTRY, SUITE, Settings

PACKAGES = ["docker.io", "containerd", "runc", "crun", "containernetworking-plugins", "conmon"]


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
    """Start both services and fill the registry; return when they answer."""
    repository = package_repository(settings)
    layouts = images.layouts(settings)
    logs = settings.state / "logs"
    network.start(
        settings,
        ["python3", "-m", "http.server", "--bind", GATEWAY, "--directory", repository, "8080"],
        log=logs / "packages.log",
    )
    config = _registry_config(settings)
    network.start(settings, [settings.tools / "docker-registry", "serve", config], log=logs / "registry.log")
    waiting.until(
        lambda: _registry_answers(settings), f"the registry answers (its log: {logs / 'registry.log'})", seconds=60
    )
    for name, layout in layouts.items():
        _push(settings, layout, name.replace(REGISTRY, f"{GATEWAY}:5000"))


def _registry_config(settings: Settings) -> Path:
    certificate = keys.registry_certificate(settings)
    path = settings.state / "registry.yml"
    path.write_text(
        "version: 0.1\n"
        "log: {level: warn}\n"
        f"storage: {{filesystem: {{rootdirectory: {settings.state}/registry}}, delete: {{enabled: true}}}}\n"
        f"http: {{addr: '{GATEWAY}:5000', tls: {{certificate: {certificate}/registry.crt, "
        f"key: {certificate}/registry.key}}}}\n"
    )
    return path


def _registry_answers(settings: Settings) -> bool:
    """Ask over TLS from inside the namespace; a child does it, because a process has one network only."""
    certificate = keys.registry_certificate(settings) / "ca.crt"
    script = (
        "import ssl, sys, urllib.request as r;"
        "r.urlopen(sys.argv[1], context=ssl.create_default_context(cafile=sys.argv[2]), timeout=5)"
    )
    return waiting.succeeds(
        network.inside(settings, ["python3", "-c", script, f"https://{GATEWAY}:5000/v2/", certificate])
    )


def _push(settings: Settings, layout: Path, name: str) -> None:
    certificates = keys.registry_certificate(settings)
    shell.run(
        network.inside(
            settings,
            [
                "skopeo",
                "copy",
                "-q",
                "--insecure-policy",
                "--dest-cert-dir",
                certificates / "trust",
                f"oci:{layout}",
                f"docker://{name}",
            ],
        )
    )
