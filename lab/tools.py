"""etcd, the image registry, the proxy and OpenSSH's server, unpacked from Debian's packages.

Not installed: their packages start services on the host, which has no use for them.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from lab.apt import workshop
from lab.artefacts import artefact
from lab.release import Release
from lab.settings import SUITE, Settings

_ETCD = {"etcd": "etcd-server", "etcdctl": "etcd-client"}
_OTHERS = {"docker-registry": "docker-registry", "tinyproxy": "tinyproxy-bin"}
"""Which package brings which program."""
_NEWER_ETCD, _NEWER_SUITE = (1, 22), "trixie"
"""Since when Kubernetes wants etcd 3.5, and the Debian that has it (kubeadm's table of versions)."""
_LOGINS = ["openssh-server", "sudo"]


def tools(settings: Settings, release: Release) -> Path:
    """Give the folder with `etcd`, `etcdctl`, `docker-registry` and `tinyproxy`, for a cluster of this Kubernetes."""
    etcd = _NEWER_SUITE if release.minor >= _NEWER_ETCD else SUITE
    packages = [*_ETCD.values(), *_OTHERS.values()]
    inputs = {"suite": SUITE, "etcd": etcd, "packages": " ".join(packages), "recipe": "2"}

    def build(folder: Path) -> None:
        _fetch(settings, etcd, _ETCD, folder)
        _fetch(settings, SUITE, _OTHERS, folder)

    return artefact(settings.cache, "tools", inputs, build)


def logins(settings: Settings) -> Path:
    """Give the folder with OpenSSH's server and sudo, and all that they depend on, as they lie in their packages."""

    def build(folder: Path) -> None:
        with workshop(settings, "logins") as (archive, _):
            archive.unpack(_LOGINS, into=folder, closure=True)

    return artefact(settings.cache, "logins", {"suite": SUITE, "packages": " ".join(_LOGINS), "recipe": "1"}, build)


def _fetch(settings: Settings, suite: str, programs: Mapping[str, str], folder: Path) -> None:
    with workshop(settings, "tools", suite) as (archive, work):
        archive.unpack(list(programs.values()), into=work)
        for program in programs:
            shutil.copy2(work / "usr/bin" / program, folder / program)
