"""Rules by version, in one place, each with its source. A guess is marked as one."""

from __future__ import annotations

from dataclasses import dataclass

Version = tuple[int, int]
"""Major and minor."""


def parse(text: str) -> Version:
    """Read major and minor out of "1.20.2" or "v1.20.2-foo". (0, 0) when there are none."""
    parts = text.lstrip("v").split(".")
    try:
        return int(parts[0]), int(parts[1])
    except (ValueError, IndexError):
        return 0, 0


@dataclass(frozen=True)
class Flag:
    """A kubelet flag that a migration to a CRI runtime must not leave behind."""

    name: str
    removed_in: Version | None
    """First kubelet that does not know it, and dies of it. None: still there, only without function."""
    source: str


DOCKERSHIM_FLAGS = (
    Flag("--network-plugin", (1, 24), "kubernetes/kubernetes#106907"),
    Flag("--cni-conf-dir", (1, 24), "kubernetes/kubernetes#106907"),
    Flag("--cni-bin-dir", (1, 24), "kubernetes/kubernetes#106907"),
    Flag("--cni-cache-dir", (1, 24), "kubernetes/kubernetes#106907"),
    Flag("--network-plugin-mtu", (1, 24), "kubernetes/kubernetes#106907"),
    Flag("--docker-endpoint", (1, 24), "kubernetes/kubernetes#106907"),
    Flag("--image-pull-progress-deadline", (1, 24), "kubernetes/kubernetes#106907"),
    Flag("--experimental-dockershim-root-directory", (1, 24), "kubernetes/kubernetes#106907"),
    Flag("--non-masquerade-cidr", (1, 24), "kubernetes/kubernetes#107096"),
    # Without function since 1.20; in which release it went is not verified, so it always goes.
    Flag("--redirect-container-streaming", None, "KEP-1558"),
)
"""Flags that only dockershim read."""

RUNTIME_FLAGS = ("--container-runtime", "--container-runtime-endpoint")
"""Flags that choose the runtime; the migration writes them itself."""

RUNTIME_FLAG_REMOVED: Version = (1, 27)
"""First kubelet without `--container-runtime` (kubernetes/kubernetes#114017)."""

PAUSE_FLAG = "--pod-infra-container-image"
PAUSE_FLAG_REMOVED: Version = (1, 35)
"""First kubelet without it (kubernetes/kubernetes#133779). Before, with a CRI runtime, it keeps the image from GC."""

DEFAULT_PAUSE_IMAGE = "k8s.gcr.io/pause:3.2"
"""What kubelet 1.20.2 uses when no flag says otherwise (cmd/kubelet/app/options)."""

CRI_V1: Version = (1, 23)
"""First kubelet that speaks CRI v1; older ones need v1alpha2, which containerd 2.0 dropped."""
CRI_V1_ONLY: Version = (1, 26)
"""First kubelet without v1alpha2 (kubernetes/kubernetes#110618); containerd before 1.6 has only that."""
FIRST_KUBELET: Version = (1, 16)
DOCKERSHIM_GONE: Version = (1, 24)

SUPPORTED_CONTAINERD: tuple[Version, Version] = ((1, 4), (1, 7))
"""containerd versions whose configuration is written today: dialect 2 (docs/PLUGINS.md)."""
