"""Container images of the lab, written as OCI layouts by hand: static busybox and Kubernetes' pause.

No registry on the internet is involved. The images are pushed into the lab's own registry, from
which the nodes pull as real nodes do.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path

from lab import kubernetes
from lab.apt import workshop
from lab.artefacts import artefact
from lab.settings import REGISTRY, SUITE, Settings

PAUSE = f"{REGISTRY}/pause:3.2"
BUSYBOX = f"{REGISTRY}/lab/busybox:1"
_APPLETS = (
    "sh", "ash", "sleep", "cat", "echo", "ls", "httpd", "wget", "hostname", "nc", "ps", "ip", "ping", "true",
    "false", "id", "mount", "touch", "date", "test", "head", "tail", "grep", "mkdir", "rm", "env", "kill",
)  # fmt: skip
_ENTRIES = {"pause": PAUSE, "busybox": BUSYBOX}


@dataclass(frozen=True)
class Layer:
    """An uncompressed layer: what each path holds, as bytes, or as a symlink's target."""

    files: dict[str, bytes]
    links: dict[str, str]


def layouts(settings: Settings) -> dict[str, Path]:
    """Give the OCI layout folder of each image, by the name it has in the registry."""
    programs = kubernetes.programs(settings)
    inputs = {"kubernetes": programs.name, "suite": SUITE, "applets": " ".join(_APPLETS), "recipe": "1"}
    folder = artefact(settings.cache, "images", inputs, lambda target: _build(settings, programs, target))
    return {name: folder / short for short, name in _ENTRIES.items()}


def _build(settings: Settings, programs: Path, folder: Path) -> None:
    pause = Layer(files={"pause": (programs / "pause").read_bytes()}, links={})
    write_layout(folder / "pause", pause, ["/pause"])
    with workshop(settings, "busybox") as (archive, work):
        archive.unpack(["busybox-static"], into=work)
        program = (work / "bin/busybox").read_bytes()
    busybox = Layer(
        files={"bin/busybox": program, "etc/passwd": b"root:x:0:0:root:/:/bin/sh\n"},
        links={f"bin/{applet}": "busybox" for applet in _APPLETS},
    )
    write_layout(folder / "busybox", busybox, ["/bin/sh"])


def write_layout(folder: Path, layer: Layer, entrypoint: list[str]) -> None:
    """Write a single-layer image as an OCI layout, the same bytes for the same input."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    tar = _tar(layer)
    layer_blob = _blob(blobs, tar, "application/vnd.oci.image.layer.v1.tar")
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": entrypoint, "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [layer_blob["digest"]]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": _blob(blobs, json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"),
        "layers": [layer_blob],
    }
    entry = _blob(blobs, json.dumps(manifest).encode(), "application/vnd.oci.image.manifest.v1+json")
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def _blob(blobs: Path, data: bytes, media_type: str) -> dict[str, str | int]:
    name = hashlib.sha256(data).hexdigest()
    (blobs / name).write_bytes(data)
    return {"mediaType": media_type, "digest": f"sha256:{name}", "size": len(data)}


def _tar(layer: Layer) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        folders = {str(parent) for path in (*layer.files, *layer.links) for parent in Path(path).parents} - {"."}
        for name in sorted(folders | {"tmp", "proc", "sys", "dev"}):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            tar.addfile(entry)
        for name, data in sorted(layer.files.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755 if name.startswith(("bin/", "pause")) else 0o644
            tar.addfile(entry, io.BytesIO(data))
        for name, target in sorted(layer.links.items()):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
    return buffer.getvalue()
