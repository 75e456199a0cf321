"""What is written for: the new runtime and the kubelet above it, by version."""

from __future__ import annotations

from migrator.model.base import Value
from migrator.versions import Version


class Destination(Value):
    """The new runtime on one node."""

    runtime: str
    """"containerd" or "crio"."""
    version: Version
    """Its major and minor version."""
    kubelet: Version
    """The kubelet's."""
