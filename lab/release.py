"""A folder with the programs of one version of Kubernetes, asked for that version."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lab import shell
from lab.errors import LabError

CONTROL = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
"""What a control plane needs."""
ON_NODES = ("kubelet", "kubeadm", "kubectl", "kube-proxy")
"""What a node needs."""
_WORDS = {"kubeadm": ["version", "-o", "json"], "kubectl": ["version", "--client", "-o", "json"]}
"""How those are asked that have no `--version`."""
_MACHINE = slice(18, 20)
"""Where an ELF file names its architecture."""


@dataclass(frozen=True)
class Release:
    """One version of Kubernetes."""

    folder: Path
    version: tuple[int, int, int]

    @property
    def minor(self) -> tuple[int, int]:
        """Major and minor: what everything that differs goes by."""
        return self.version[:2]

    @property
    def name(self) -> str:
        """As Kubernetes writes it, for example "v1.20.2"."""
        return "v{}.{}.{}".format(*self.version)

    @property
    def number(self) -> str:
        """The same without the "v"."""
        return self.name[1:]


@cache
def asked(folder: Path, needed: tuple[str, ...]) -> Release:
    """Give the release in a folder, by what its programs say.

    Raises `LabError` that says what the folder lacks, or which of its programs is of another version or architecture.
    """
    if missing := [name for name in needed if not os.access(folder / name, os.X_OK)]:
        raise LabError(f"{folder} lacks the programs {', '.join(missing)}; it must have {', '.join(needed)}")
    for name in needed:
        _check_architecture(folder / name)
    versions = {name: _version(folder / name) for name in needed}
    minors = {version[:2] for version in versions.values()}
    if len(minors) > 1:
        found = ", ".join("{} {}.{}.{}".format(name, *version) for name, version in versions.items())
        raise LabError(f"{folder} has programs of several versions of Kubernetes: {found}")
    return Release(folder, versions[needed[0]])


def _check_architecture(program: Path) -> None:
    with program.open("rb") as file, Path("/proc/self/exe").open("rb") as ours:
        head, own = file.read(20), ours.read(20)
    if head[:4] != b"\x7fELF" or head[_MACHINE] != own[_MACHINE]:
        raise LabError(f"{program} is no program for this machine's architecture")


def _version(program: Path) -> tuple[int, int, int]:
    said = shell.run([program, *_WORDS.get(program.name, ["--version"])], timeout=30)
    if program.name in _WORDS:
        said = json.loads(said)["clientVersion"]["gitVersion"]
    match = re.search(r"v(\d+)\.(\d+)\.(\d+)", said)
    if match is None:
        raise LabError(f"{program} does not say its version, but {said.strip()!r}")
    return int(match[1]), int(match[2]), int(match[3])
