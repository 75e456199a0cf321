"""What the machine must have before a lab can be built, each with the package that brings it and why."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError


@dataclass(frozen=True)
class Need:
    """A program that the lab runs on the host."""

    program: str
    package: str
    why: str


NEEDS = (
    Need("qemu-img", "qemu-utils", "makes their disks"),
    Need("mmdebstrap", "mmdebstrap", "builds the guests' system"),
    Need("mkfs.ext4", "e2fsprogs", "writes it into a disk image"),
    Need("dpkg-deb", "dpkg", "packs and unpacks Debian packages"),
    Need("dpkg-source", "dpkg-dev", "unpacks Kubernetes' source package"),
    Need("apt-ftparchive", "apt-utils", "indexes the lab's package repository"),
    Need("gcc", "gcc", "compiles the pause program"),
    Need("make", "make", "builds Kubernetes"),
    Need("rsync", "rsync", "is used by Kubernetes' build"),
    Need("git", "git", "is used by Kubernetes' build"),
    Need("ip", "iproute2", "makes the lab's network namespace"),
    Need("sysctl", "procps", "turns on forwarding inside that namespace"),
    Need("ssh", "openssh-client", "reaches the guests"),
    Need("openssl", "openssl", "makes the registry's certificate"),
    Need("skopeo", "skopeo", "puts images into that registry"),
)
FILES = (
    Need("/usr/share/keyrings/debian-archive-keyring.gpg", "debian-archive-keyring", "checks Debian's signatures"),
    Need("/usr/include/stdio.h", "libc6-dev", "is needed to compile the pause program"),
    Need("/dev/net/tun", "", "connects the guests; load the kernel module `tun`"),
)
_FREE_GIB = 20


def packages() -> list[str]:
    """List every Debian package that brings something the lab needs."""
    return sorted({need.package for need in (*NEEDS, *FILES) if need.package})


def missing() -> list[Need]:
    """List what this machine lacks."""
    return [need for need in NEEDS if shutil.which(need.program) is None] + [
        need for need in FILES if not Path(need.program).exists()
    ]


def check(cache: Path) -> None:
    """Raise `LabError` with one line for each thing that this machine lacks."""
    problems = []
    if os.geteuid() != 0:
        problems.append("the lab makes network namespaces and file systems: run it as root")
    lacking = missing()
    problems += [
        f"{need.program} {need.why}" + (f" (Debian package {need.package})" if need.package else "") for need in lacking
    ]
    wanted = " ".join(sorted({need.package for need in lacking if need.package}))
    if wanted:
        problems.append(f"install them with: apt-get install {wanted}")
    existing = next(folder for folder in (cache, *cache.parents) if folder.exists())
    free = shutil.disk_usage(existing).free / 2**30
    if free < _FREE_GIB:
        problems.append(
            f"{existing} has {free:.0f} GiB free, {_FREE_GIB} are needed; MIGRATOR_LAB_CACHE can name another place"
        )
    if problems:
        raise LabError("this machine cannot run the lab yet:\n  " + "\n  ".join(problems))
