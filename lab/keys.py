"""Keys of the lab, made once per cache: one for SSH, and authorities with the certificates that they issue."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab import shell
from lab.settings import GATEWAY, Settings

LAB = "lab"
"""The authority that every guest trusts, as a company's own would be."""
VAULT = "vault"
"""An authority that no guest trusts by itself."""

_DAYS = "3650"
_NEW_KEY = ("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-sha256")


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, both PEM files."""

    certificate: Path
    key: Path


def ssh_key(settings: Settings) -> str:
    """Give the public half of the key that opens every guest."""
    settings.ssh_key.parent.mkdir(parents=True, exist_ok=True)
    if not settings.ssh_key.exists():
        shell.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", settings.ssh_key])
    return settings.ssh_key.with_suffix(".pub").read_text().strip()


def authority(settings: Settings, name: str) -> Pair:
    """Give a certificate authority, `LAB` or `VAULT`."""
    pair = _pair(settings, name, "ca")
    if not pair.certificate.exists():
        unfinished = pair.certificate.with_suffix(".partial")
        shell.run(
            [*_NEW_KEY, "-x509", "-days", _DAYS, "-subj", f"/CN={name} authority", "-keyout", pair.key,
             "-out", unfinished]
        )  # fmt: skip
        unfinished.rename(pair.certificate)
    return pair


def certificate(settings: Settings, issuer: str, name: str) -> Pair:
    """Give a certificate for a host or a client called `name`, issued by an authority."""
    pair = _pair(settings, issuer, name)
    if not pair.certificate.exists():
        ca = authority(settings, issuer)
        request, extension = pair.key.with_suffix(".csr"), pair.key.with_suffix(".extension")
        unfinished = pair.certificate.with_suffix(".partial")
        extension.write_text(f"subjectAltName=DNS:{name},IP:{GATEWAY}\n")
        shell.run([*_NEW_KEY, "-subj", f"/CN={name}", "-keyout", pair.key, "-out", request])
        shell.run(
            ["openssl", "x509", "-req", "-sha256", "-days", _DAYS, "-in", request, "-CA", ca.certificate,
             "-CAkey", ca.key, "-CAcreateserial", "-extfile", extension, "-out", unfinished]
        )  # fmt: skip
        unfinished.rename(pair.certificate)
    return pair


def _pair(settings: Settings, issuer: str, name: str) -> Pair:
    folder = settings.cache / "keys" / issuer
    folder.mkdir(parents=True, exist_ok=True)
    # Not with_suffix(): a host's name has dots of its own.
    return Pair(certificate=folder / f"{name}.crt", key=folder / f"{name}.key")
