"""A program to an image archive, the same bytes for the same program: no clock, no owner, one order.

The archive is an OCI image layout (image-spec v1.0, image-layout.md) with the `manifest.json` of a docker-archive
beside it (moby, image/spec/spec.md v1.2), whose paths name the same blobs. containerd and the OCI transport read the
first; `docker load` before 25 and the docker-archive transport read the second.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import Any

PROGRAM = "probe"
FOLDERS = {"dev": 0o755, "etc": 0o755, "proc": 0o755, "sys": 0o755, "tmp": 0o1777}
"""What a runtime mounts on, so that it need not be able to write to the image, and a place for our own mounts."""
CONFIG: dict[str, Any] = {"Cmd": ["wait"], "Entrypoint": ["/probe"], "Env": ["PATH=/"], "WorkingDir": "/"}
CREATED = "1970-01-01T00:00:00Z"

_OCI = "application/vnd.oci.image"


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _add(tar: tarfile.TarFile, name: str, mode: int, data: bytes | None) -> None:
    entry = tarfile.TarInfo(name)
    entry.mode = mode
    if data is None:
        entry.type = tarfile.DIRTYPE
        tar.addfile(entry)
        return
    entry.size = len(data)
    tar.addfile(entry, io.BytesIO(data))


def _layer(program: bytes) -> bytes:
    to = io.BytesIO()
    with tarfile.open(fileobj=to, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for folder, mode in FOLDERS.items():
            _add(tar, folder, mode, None)
        _add(tar, PROGRAM, 0o755, program)
    return to.getvalue()


def _place(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def pack(program: bytes, architecture: str, reference: str) -> bytes:
    """Give the archive of an image that holds `program` as its entry point."""
    blobs: dict[str, bytes] = {}

    def blob(data: bytes, media_type: str) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        blobs[_place(digest)] = data
        return {"digest": digest, "mediaType": media_type, "size": len(data)}

    layer = blob(_layer(program), f"{_OCI}.layer.v1.tar")
    config = blob(
        _json(
            {
                "architecture": architecture,
                "config": CONFIG,
                "created": CREATED,
                "history": [{"created": CREATED, "created_by": "migrator"}],
                "os": "linux",
                "rootfs": {"diff_ids": [layer["digest"]], "type": "layers"},
            },
        ),
        f"{_OCI}.config.v1+json",
    )
    media_type = f"{_OCI}.manifest.v1+json"
    manifest = blob(
        _json({"config": config, "layers": [layer], "mediaType": media_type, "schemaVersion": 2}),
        media_type,
    )
    described = {
        **manifest,
        "annotations": {
            "io.containerd.image.name": reference,
            "org.opencontainers.image.ref.name": reference.rpartition(":")[2],
        },
        "platform": {"architecture": architecture, "os": "linux"},
    }
    index = {"manifests": [described], "mediaType": f"{_OCI}.index.v1+json", "schemaVersion": 2}
    docker = {"Config": _place(config["digest"]), "Layers": [_place(layer["digest"])], "RepoTags": [reference]}
    files = {
        **blobs,
        "index.json": _json(index),
        "manifest.json": _json([docker]),
        "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
    }
    return _tar(files)


def _tar(files: dict[str, bytes]) -> bytes:
    to = io.BytesIO()
    with tarfile.open(fileobj=to, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for folder in ("blobs", "blobs/sha256"):
            _add(tar, folder, 0o755, None)
        for name, data in sorted(files.items()):
            _add(tar, name, 0o644, data)
    return to.getvalue()
