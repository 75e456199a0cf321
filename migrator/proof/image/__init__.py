"""The probe's image: a static program and nothing else, in an archive for each architecture that comes with us.

`lab.probe_image` makes the archives from `src/`; `image.json` says which archives belong to this release.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from migrator.errors import CriError

HERE = Path(__file__).parent
MANIFEST = HERE / "image.json"
FILE = "probe-{}.tar"
"""An archive's name, by the image's architecture."""
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""The image's architecture by what `uname -m` says."""

_MANIFEST = json.loads(MANIFEST.read_text(encoding="utf-8"))

REFERENCE: str = _MANIFEST["reference"]
"""The image's name, the same for every architecture. Its tag is a hash of what it was built from, so a changed probe is
another image; no registry can have it, because `.invalid` is no domain (RFC 6761)."""


@dataclass(frozen=True)
class Archive:
    """An image archive: an OCI image layout and a docker-archive in one tar file."""

    reference: str
    data: bytes
    sha256: str
    """Of `data`, in hexadecimal."""
    architecture: str
    """"amd64" or "arm64"."""


def archive(machine: str, folder: Path = HERE) -> Archive:
    """Give the archive in `folder` for a node whose `uname -m` is `machine`.

    Raises `CriError` for a machine that there is no probe for, and for an archive that is missing or damaged.
    """
    architecture = ARCHITECTURES.get(machine)
    if architecture is None:
        known = " and ".join(ARCHITECTURES)
        raise CriError(f"there is no probe image for nodes of the architecture {machine!r}, only for {known}")
    path = folder / FILE.format(architecture)
    expected = _MANIFEST["archives"][architecture]["sha256"]
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CriError(f"the probe image {path} cannot be read ({error.strerror}): reinstall migrator") from None
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise CriError(f"the probe image {path} is damaged (sha256 {found}, not {expected}): reinstall migrator")
    return Archive(REFERENCE, data, found, architecture)
