"""Keys of the lab, made once per cache: one for SSH, one authority for the registry's certificate."""

from __future__ import annotations

import shutil
from pathlib import Path

from lab import shell
from lab.settings import GATEWAY, REGISTRY, Settings

_DAYS = "3650"


def ssh_key(settings: Settings) -> str:
    """Give the public half of the key that opens every guest."""
    settings.ssh_key.parent.mkdir(parents=True, exist_ok=True)
    if not settings.ssh_key.exists():
        shell.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", settings.ssh_key])
    return settings.ssh_key.with_suffix(".pub").read_text().strip()


def registry_certificate(settings: Settings) -> Path:
    """Give the folder with `ca.crt`, `registry.crt` and `registry.key`."""
    folder = settings.cache / "keys" / "registry"
    if (folder / "trust" / "ca.crt").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    name = REGISTRY.partition(":")[0]
    extension = folder / "extension"
    extension.write_text(f"subjectAltName=DNS:{name},IP:{GATEWAY}\n")
    new_key = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-sha256"]
    shell.run(
        [*new_key, "-x509", "-days", _DAYS, "-subj", "/CN=lab registry authority",
         "-keyout", folder / "ca.key", "-out", folder / "ca.crt"]
    )  # fmt: skip
    shell.run([*new_key, "-subj", f"/CN={name}", "-keyout", folder / "registry.key", "-out", folder / "registry.csr"])
    shell.run(
        ["openssl", "x509", "-req", "-sha256", "-days", _DAYS, "-in", folder / "registry.csr", "-CA", folder / "ca.crt",
         "-CAkey", folder / "ca.key", "-CAcreateserial", "-extfile", extension, "-out", folder / "registry.crt"]
    )  # fmt: skip
    # The form in which image tools want an authority: a folder whose only `.crt` is the authority's.
    (folder / "trust").mkdir()
    (folder / "trust" / "ca.crt").write_bytes((folder / "ca.crt").read_bytes())
    return folder
