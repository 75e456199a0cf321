"""etcd, the image registry and the proxy, unpacked from Debian's packages.

Not installed: their packages start services on the host, which has no use for them.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from lab.apt import workshop
from lab.artefacts import artefact
from lab.settings import SUITE, Settings

_PACKAGES = {
    "etcd": "etcd-server",
    "etcdctl": "etcd-client",
    "docker-registry": "docker-registry",
    "tinyproxy": "tinyproxy-bin",
}
"""Which package brings which program."""


def tools(settings: Settings) -> Path:
    """Give the folder with `etcd`, `etcdctl`, `docker-registry` and `tinyproxy`."""
    inputs = {"suite": SUITE, "packages": " ".join(_PACKAGES.values()), "recipe": "1"}
    return artefact(settings.cache, "tools", inputs, lambda folder: _build(settings, folder))


def _build(settings: Settings, folder: Path) -> None:
    with workshop(settings, "tools") as (archive, work):
        archive.unpack(list(_PACKAGES.values()), into=work)
        for program in _PACKAGES:
            shutil.copy2(work / "usr/bin" / program, folder / program)
