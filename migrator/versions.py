"""Rules by version, in one place, each with its source. A guess is marked as one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

Version = tuple[int, int]
"""Major and minor."""
Release = tuple[int, int, int]
"""Major, minor and patch."""

_NUMBERS = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?")


def parse(text: str) -> Version:
    """Read major and minor out of "1.20.2" or "v1.20.2-foo". (0, 0) when there are none."""
    return release(text)[:2]


@lru_cache(maxsize=1024)
def release(text: str) -> Release:
    """Read major, minor and patch out of "1.6.20~ds1"; a missing patch is 0. (0, 0, 0) when there are none."""
    match = _NUMBERS.match(text.strip())
    return (int(match[1]), int(match[2]), int(match[3] or 0)) if match else (0, 0, 0)


@dataclass(frozen=True)
class Flag:
    """A kubelet flag that a migration or an upgrade must not leave behind."""

    name: str
    removed_in: Version
    """First kubelet that does not know it, and dies of it."""
    source: str
    guess: bool = False
    """Whether `removed_in` was not read in a source of that release."""


DOCKERSHIM_FLAGS = (
    Flag("--network-plugin", (1, 24), "kubernetes/kubernetes#106907"),
    Flag("--cni-conf-dir", (1, 24), "kubernetes/kubernetes#106907"),
    Flag("--cni-bin-dir", (1, 24), "kubernetes/kubernetes#106907"),
    Flag("--cni-cache-dir", (1, 24), "kubernetes/kubernetes#106907"),
    Flag("--network-plugin-mtu", (1, 24), "kubernetes/kubernetes#106907"),
    Flag("--docker-endpoint", (1, 24), "kubernetes/kubernetes#106907"),
    Flag("--image-pull-progress-deadline", (1, 24), "kubernetes/kubernetes#106907"),
    Flag("--experimental-dockershim-root-directory", (1, 24), "kubernetes/kubernetes#106907"),
    Flag("--experimental-dockershim", (1, 20), "unknown to kubelet 1.20.2; the first one may be older", guess=True),
    Flag("--non-masquerade-cidr", (1, 24), "kubernetes/kubernetes#107096"),
    Flag(
        "--redirect-container-streaming",
        (1, 23),
        "KEP-1558; unknown to kubelet 1.23.1, without function since 1.20",
        guess=True,
    ),
)
"""Flags that only dockershim read."""

CADVISOR_FLAGS = (
    *(
        Flag(name, (1, 24), "known to kubelets 1.20.2 and 1.23.1, unknown to 1.31.14 and 1.36.2")
        for name in (
            "--docker", "--docker-env-metadata-whitelist", "--docker-only", "--docker-root", "--docker-tls",
            "--docker-tls-ca", "--docker-tls-cert", "--docker-tls-key",
        )
    ),
    *(
        Flag(name, (1, 37), "known to kubelet 1.36.2; kubernetes/kubernetes#139870", guess=True)
        for name in ("--containerd", "--containerd-namespace")
    ),
)  # fmt: skip
"""What cAdvisor registered by mistake (kubernetes/kubernetes#57613). `--containerd` alone still has a use: it names
containerd's socket for statistics, where that is not the usual one."""

RUNTIME_FLAGS = ("--container-runtime", "--container-runtime-endpoint")
"""Flags that choose the runtime; the migration writes them itself."""

RUNTIME_FLAG_OPTIONAL: Version = (1, 24)
"""First kubelet that is for a CRI runtime without `--container-runtime=remote` (kubernetes/kubernetes#107094)."""
RUNTIME_FLAG_REMOVED: Version = (1, 27)
"""First kubelet without `--container-runtime` (kubernetes/kubernetes#114017)."""
ENDPOINT_IN_CONFIG: Version = (1, 27)
"""First kubelet with `containerRuntimeEndpoint` in its configuration (kubernetes/kubelet: v0.27.16, not v0.26.15)."""
ENDPOINT_FLAG_DROPPED: Version = (1, 34)
"""First kubeadm that writes the endpoint to the configuration, not to a flag (kubernetes/kubernetes#131981)."""

ANNOTATION_UNREAD: Version = (1, 36)
"""First kubeadm that reads a node's socket from its instance-config.yaml alone (kubernetes/kubernetes#135742). Before,
a feature gate may be off."""

PAUSE_FLAG = "--pod-infra-container-image"
PAUSE_FLAG_REMOVED: Version = (1, 35)
"""First kubelet without it (kubernetes/kubernetes#133779). Before, with a CRI runtime, it keeps the image from GC."""

OTHER_FLAGS = (
    Flag("--container-runtime", RUNTIME_FLAG_REMOVED, "kubernetes/kubernetes#114017"),
    Flag(PAUSE_FLAG, PAUSE_FLAG_REMOVED, "kubernetes/kubernetes#133779"),
    Flag("--dynamic-config-dir", (1, 24), "deprecated in 1.22 with its feature gate", guess=True),
    Flag("--seccomp-profile-root", (1, 23), "its help text in kubelet 1.20.2", guess=True),
    Flag("--experimental-check-node-capabilities-before-mount", (1, 24), "kubelet 1.23.1 knows it; "
         "kubernetes/kubernetes#104732", guess=True),
    Flag("--experimental-kernel-memcg-notification", (1, 25), "kubernetes/kubernetes#109388"),
)  # fmt: skip
"""Flags that have nothing to do with dockershim's code and that later kubelets do not know.

Not among them, whatever their help text announced: `--experimental-mounter-path` and
`--experimental-allocatable-ignore-eviction`, which kubelet 1.36.2 knows.
"""


@lru_cache(maxsize=64)
def doomed_flags(kubelet: Version) -> frozenset[str]:
    """Name the flags that must go when a kubelet of this version leaves Docker.

    With guesses where a flag has no function left: dropping it then is right in any release.
    """
    named = {flag.name for flag in (*DOCKERSHIM_FLAGS, *CADVISOR_FLAGS)}
    return frozenset(named | {flag.name for flag in unknown_flags(kubelet) if not flag.guess})


@lru_cache(maxsize=64)
def unknown_flags(kubelet: Version) -> tuple[Flag, ...]:
    """Give the flags that a kubelet of this version dies of, guesses too."""
    known = (*DOCKERSHIM_FLAGS, *CADVISOR_FLAGS, *OTHER_FLAGS)
    return tuple(flag for flag in known if flag.removed_in <= kubelet)


DEFAULT_CGROUP_DRIVER = "cgroupfs"
"""The kubelet's, from 1.16 to 1.37 (kubernetes/kubelet, config/v1beta1/types.go)."""

CRI_V1: Version = (1, 23)
"""First kubelet that speaks CRI v1; older ones need v1alpha2, which containerd 2.0 dropped."""
CRI_V1_ONLY: Version = (1, 26)
"""First kubelet without v1alpha2 (kubernetes/kubernetes#110618); containerd before 1.6 has only that."""
FIRST_KUBELET: Version = (1, 16)
DOCKERSHIM_GONE: Version = (1, 24)

SUPPORTED_CONTAINERD: tuple[Version, Version] = ((1, 4), (1, 7))
"""containerd versions whose configuration is written today: dialect 2 (docs/PLUGINS.md)."""


@dataclass(frozen=True)
class CriVersions:
    """The versions of CRI that one end speaks, from one release of it on."""

    since: Version
    versions: frozenset[str]
    source: str
    guess: bool = False


_ALPHA, _V1 = frozenset({"v1alpha2"}), frozenset({"v1"})

KUBELET_CRI = (
    CriVersions((1, 10), _ALPHA, "kubelet 1.20.2 imports v1alpha2"),
    CriVersions(CRI_V1, _ALPHA | _V1, "kubernetes.io, Container Runtimes"),
    CriVersions(CRI_V1_ONLY, _V1, "kubernetes/kubernetes#110618"),
)
CONTAINERD_CRI = (
    CriVersions((1, 1), _ALPHA, "containerd RELEASES.md"),
    # RELEASES.md claims v1 for 1.5 too; a maintainer denies it (containerd/containerd#7863). The safe reading counts.
    CriVersions((1, 5), _ALPHA, "containerd/containerd#7863", guess=True),
    CriVersions((1, 6), _ALPHA | _V1, "containerd RELEASES.md"),
    CriVersions((2, 0), _V1, "containerd docs/containerd-2.0.md"),
)
CRIO_CRI = (
    CriVersions((1, 10), _ALPHA, "cri-o server/, v1.18.0"),
    CriVersions((1, 21), _ALPHA | _V1, "cri-o cmd/crio/main.go, v1.21.0 (v1.20.0 registers v1alpha2 alone)"),
    CriVersions((1, 26), _V1, "cri-o v1.26.0 has no server/cri/v1alpha2"),
)


def cri_versions(program: Sequence[CriVersions], version: Version) -> frozenset[str]:
    """Give the CRI versions that a program speaks in this version; none when it is too old."""
    spoken = [row.versions for row in program if row.since <= version]
    return spoken[-1] if spoken else frozenset()


def speak(kubelet: Version, runtime: Sequence[CriVersions], version: Version) -> bool:
    """Tell whether this kubelet and this version of a runtime have a CRI version in common."""
    return bool(cri_versions(KUBELET_CRI, kubelet) & cri_versions(runtime, version))


def dropped_alpha(program: Sequence[CriVersions]) -> Version | None:
    """Give the first version that speaks v1 alone; None when none is known."""
    return next((row.since for row in program if row.versions == _V1), None)


@dataclass(frozen=True)
class Recommended:
    """The containerd releases that are recommended for one Kubernetes version: each or a later patch of it."""

    kubernetes: Version
    containerd: tuple[Release, ...]
    """Oldest first."""
    source: str
    guess: bool = False


_MATRIX = "containerd RELEASES.md, Kubernetes Support, at "
CONTAINERD_FOR = (
    Recommended((1, 24), ((1, 6, 4), (1, 7, 0)), f"{_MATRIX}v1.7.28"),
    Recommended((1, 25), ((1, 6, 4), (1, 7, 0)), f"{_MATRIX}v1.7.28"),
    Recommended((1, 26), ((1, 6, 15), (1, 7, 0)), f"{_MATRIX}v1.7.28"),
    Recommended((1, 27), ((1, 6, 15), (1, 7, 0)), f"{_MATRIX}73e9cfd1c"),
    Recommended((1, 28), ((1, 6, 15), (1, 7, 0)), f"{_MATRIX}73e9cfd1c"),
    Recommended((1, 29), ((1, 6, 27), (1, 7, 11)), f"{_MATRIX}v2.0.7"),
    Recommended((1, 30), ((1, 6, 28), (1, 7, 13), (2, 0, 0), (2, 1, 0)), f"{_MATRIX}007244d86"),
    Recommended((1, 31), ((1, 6, 34), (1, 7, 20), (2, 0, 0), (2, 1, 0)), f"{_MATRIX}007244d86"),
    Recommended((1, 32), ((1, 6, 36), (1, 7, 24), (2, 0, 1), (2, 1, 0)), f"{_MATRIX}v2.3.4"),
    Recommended((1, 33), ((1, 6, 36), (1, 7, 24), (2, 0, 4), (2, 1, 0)), f"{_MATRIX}v2.3.4"),
    Recommended((1, 34), ((1, 6, 39), (1, 7, 28), (2, 0, 6), (2, 1, 3)), f"{_MATRIX}v2.3.4"),
    Recommended((1, 35), ((1, 7, 28), (2, 1, 5), (2, 2, 0)), f"{_MATRIX}v2.3.4"),
    Recommended((1, 36), ((2, 2, 0), (2, 3, 0)), f"{_MATRIX}v2.3.4"),
    # No row was published by August 2026; 2.2 ended in November.
    Recommended((1, 37), ((2, 3, 0), (2, 4, 0)), "the row of 1.36, without the series that ended", guess=True),
)


def recommended(kubernetes: Version) -> Recommended | None:
    """Give the row for this Kubernetes version; None where containerd's maintainers never published one."""
    return next((row for row in CONTAINERD_FOR if row.kubernetes == kubernetes), None)


def is_recommended(kubernetes: Version, containerd: Release) -> bool:
    """Tell whether this containerd is recommended for this Kubernetes, or newer than all that are named for it.

    Where no row is known, whether they speak the same CRI decides.
    """
    row = recommended(kubernetes)
    if row is None:
        return speak(kubernetes, CONTAINERD_CRI, containerd[:2])
    named = {entry[:2]: entry for entry in row.containerd}
    if containerd[:2] in named:
        return containerd >= named[containerd[:2]]
    return containerd > row.containerd[-1]


@dataclass(frozen=True)
class Faulty:
    """Releases of containerd in which something fails."""

    since: Release
    mended: Release
    """The first release after them without it."""
    what: str
    source: str
    fatal: bool = True
    """Whether no node may be moved to one; what fails now and then is only told."""
    with_digest: bool = False
    """Whether it concerns nodes only whose sandbox image is named by a digest beside its tag."""


_RESERVED = (
    "a sandbox that fails late, such as one that a plugin of NRI refuses, is remembered, and containerd does not start "
    "again: failed to reserve sandbox name"
)
FAULTY_CONTAINERD = (
    Faulty((2, 3, 0), (2, 3, 2), "a container whose creation is slow is torn down at once", "containerd#13483, #13512"),
    Faulty((2, 3, 0), (2, 3, 4), "no pod starts with a sandbox image of tag and digest", "containerd#13529",
           with_digest=True),
    Faulty((2, 0, 0), (2, 2, 6), _RESERVED, "containerd#13609, #13859", fatal=False),
    Faulty((2, 3, 0), (2, 3, 3), _RESERVED, "containerd#13609, #13859", fatal=False),
)  # fmt: skip

MERGES_OLDER_MAIN: Release = (2, 3, 5)
"""First containerd that reads a main file of an older `version` than an imported one's right (containerd#13939)."""
REFUSES_OLDER_MAIN: Release = (2, 3, 0)
"""First that does not start with such a pair (cmd/containerd/server/config/config.go, v2.3.4). From 2.0 to here the
main file's settings of CRI are lost without a word (containerd#12891)."""


CONFIG_VERSIONS = (((1, 0, 0), 2), ((2, 0, 0), 3), ((2, 3, 0), 4))
"""The newest `version` of configuration that each containerd reads, from which release on (docs/PLUGINS.md)."""


def newest_config(containerd: Release) -> int:
    """Give the newest `version` of a configuration file that this containerd starts with."""
    return next((number for since, number in reversed(CONFIG_VERSIONS) if since <= containerd), 1)


def faults(containerd: Release, *, digest: bool = False) -> tuple[Faulty, ...]:
    """Give what fails in this containerd; `digest` is whether its sandbox image is named by one beside its tag."""
    known = (row for row in FAULTY_CONTAINERD if row.since <= containerd < row.mended)
    return tuple(row for row in known if digest or not row.with_digest)


def sound(containerd: Release) -> Release:
    """Give the first release from this one on, in its line of patches, to which any node may be moved."""
    fatal = [row.mended for row in faults(containerd, digest=True) if row.fatal]
    return max([containerd, *fatal])


@dataclass(frozen=True)
class EndOfLife:
    """When a release series of containerd gets no more fixes."""

    series: Version
    day: date
    """The last day of the month where the source names only that."""
    source: str = "containerd RELEASES.md after v2.3.4 (2026)"


CONTAINERD_END = (
    EndOfLife((1, 3), date(2021, 3, 4)),
    EndOfLife((1, 4), date(2022, 3, 3)),
    EndOfLife((1, 5), date(2023, 2, 28)),
    EndOfLife((1, 6), date(2025, 8, 23)),
    EndOfLife((1, 7), date(2026, 9, 30)),
    EndOfLife((2, 0), date(2027, 3, 31)),
    EndOfLife((2, 1), date(2026, 7, 3)),
    EndOfLife((2, 2), date(2026, 11, 6)),
    EndOfLife((2, 3), date(2028, 4, 30)),
    EndOfLife((2, 4), date(2027, 4, 30), "containerd#14169: no LTS, about seven months after September 2026"),
)


def end_of_life(containerd: Version) -> date | None:
    """Give the day after which this containerd gets no more fixes; None when it is not known."""
    return next((row.day for row in CONTAINERD_END if row.series == containerd), None)


@dataclass(frozen=True)
class CgroupRule:
    """What a program does on a host with one version of cgroups, from one release of it on."""

    cgroup: str
    """"v1" or "v2"; "hybrid" counts as v1, for that is what the kubelet then uses."""
    since: Version
    state: str
    """"refused", "supported", "deprecated", or "off": refused unless the configuration has `failCgroupV1: false`."""
    source: str
    guess: bool = False


KUBELET_CGROUPS = (
    CgroupRule("v1", (1, 0), "supported", "kubernetes.io, cgroups"),
    CgroupRule("v1", (1, 31), "deprecated", "KEP-4569; kubernetes/kubelet v0.31, failCgroupV1"),
    CgroupRule("v1", (1, 35), "off", "kubernetes/kubernetes#134298; kubernetes/kubelet v0.35, failCgroupV1"),
    CgroupRule("v2", (1, 0), "refused", "kubernetes-sigs/kind#2082"),
    CgroupRule("v2", (1, 19), "supported", "kubernetes-sigs/kind#2082"),
)
CONTAINERD_CGROUPS = (
    CgroupRule("v1", (1, 0), "supported", "containerd RELEASES.md"),
    CgroupRule("v1", (2, 2), "deprecated", "containerd RELEASES.md, Deprecated features"),
    CgroupRule("v2", (1, 0), "refused", "kubernetes.io, cgroups"),
    CgroupRule("v2", (1, 4), "supported", "kubernetes.io, cgroups"),
)
CRIO_CGROUPS = (
    CgroupRule("v1", (1, 0), "supported", "no release that drops it is known", guess=True),
    CgroupRule("v2", (1, 0), "refused", "kubernetes.io, cgroups"),
    CgroupRule("v2", (1, 20), "supported", "kubernetes.io, cgroups"),
)


def cgroup_state(program: Sequence[CgroupRule], version: Version, cgroup: str) -> str:
    """Tell what a program does on cgroups "v1", "v2" or "hybrid": see `CgroupRule.state`."""
    kind = "v2" if cgroup == "v2" else "v1"
    return next(row.state for row in reversed(program) if row.cgroup == kind and row.since <= version)


@dataclass(frozen=True)
class Since:
    """The first release of a program in which something holds."""

    release: Version
    source: str
    guess: bool = False


DRIVER_FROM_CRI = {
    "alpha": Since((1, 28), "KEP-4033; kubernetes.io, Feature Gates, KubeletCgroupDriverFromCRI"),
    "on": Since((1, 31), "kubernetes.io, Feature Gates, KubeletCgroupDriverFromCRI"),
    "locked": Since((1, 34), "kubernetes.io, Feature Gates, KubeletCgroupDriverFromCRI"),
    # Announced for 1.36, then 1.37, then 1.38: it may slip again.
    "required": Since((1, 38), "kubernetes/website#55954, kubernetes/kubernetes#139121", guess=True),
}
"""Kubelets that ask the runtime for the cgroup driver, by state of the feature; "required": nothing else works."""

CONTAINERD_TELLS_DRIVER = Since((2, 0), "KEP-4033; the backport to 1.7, containerd/containerd#11346, was closed")
CRIO_TELLS_DRIVER = Since((1, 28), "KEP-4033")
CRI_DOCKERD_TELLS_DRIVER = Since((0, 4), "Mirantis/cri-dockerd v0.4.0")
"""Runtimes that answer that question (CRI RuntimeConfig)."""

LAST_FOR_CONTAINERD_1 = Since((1, 35), "containerd RELEASES.md at v2.3.4; kubernetes/kubernetes#133774")
"""The last Kubernetes for which containerd 1.x is supported."""


@dataclass(frozen=True)
class SandboxImage:
    """The pause image that a program uses, from one release of it on, when nothing names another."""

    since: Release
    image: str
    source: str
    guess: bool = False


DEFAULT_PAUSE_IMAGE = "k8s.gcr.io/pause:3.2"
"""What kubelet 1.20.2 uses when no flag says otherwise (cmd/kubelet/app/options)."""

_OPTIONS = "kubernetes cmd/kubelet/app/options/container_runtime.go; the release was not verified"
KUBELET_SANDBOX = (
    SandboxImage((1, 0, 0), "k8s.gcr.io/pause:3.1", _OPTIONS, guess=True),
    SandboxImage((1, 18, 0), DEFAULT_PAUSE_IMAGE, "kubelet 1.20.2, cmd/kubelet/app/options"),
    SandboxImage((1, 21, 0), "k8s.gcr.io/pause:3.4.1", "kubelet 1.21.11 --help (kubernetes-on-aws#5101)"),
    SandboxImage((1, 22, 0), "k8s.gcr.io/pause:3.5", _OPTIONS, guess=True),
    SandboxImage((1, 23, 0), "k8s.gcr.io/pause:3.6", _OPTIONS, guess=True),
    SandboxImage((1, 24, 0), "k8s.gcr.io/pause:3.7", _OPTIONS, guess=True),
    SandboxImage((1, 25, 0), "registry.k8s.io/pause:3.8", _OPTIONS, guess=True),
    SandboxImage((1, 26, 0), "registry.k8s.io/pause:3.9", _OPTIONS, guess=True),
    SandboxImage((1, 31, 0), "registry.k8s.io/pause:3.10", _OPTIONS, guess=True),
    SandboxImage((1, 34, 0), "registry.k8s.io/pause:3.10.1", "kubeadm 1.34, config images list", guess=True),
)
"""Up to 1.34: later kubelets have no such image of their own (`PAUSE_FLAG_REMOVED`)."""
CONTAINERD_SANDBOX = (
    SandboxImage((1, 4, 0), "k8s.gcr.io/pause:3.2", "containerd v1.4.0, v1.4.13"),
    SandboxImage((1, 5, 0), "k8s.gcr.io/pause:3.5", "containerd pkg/cri/config, v1.5.0 to v1.5.13"),
    SandboxImage((1, 5, 14), "registry.k8s.io/pause:3.5", "containerd pkg/cri/config, v1.5.14 to v1.5.18"),
    SandboxImage((1, 6, 0), "k8s.gcr.io/pause:3.6", "containerd pkg/cri/config, v1.6.0 to v1.6.8"),
    SandboxImage((1, 6, 9), "registry.k8s.io/pause:3.6", "containerd pkg/cri/config, v1.6.9"),
    SandboxImage((1, 7, 0), "registry.k8s.io/pause:3.8", "containerd pkg/cri/config, v1.7.0"),
    SandboxImage((2, 0, 0), "registry.k8s.io/pause:3.10", "containerd internal/cri/config, v2.0.0, v2.1.0"),
    SandboxImage((2, 2, 0), "registry.k8s.io/pause:3.10.1", "containerd internal/cri/config, v2.2.0"),
    SandboxImage((2, 3, 0), "registry.k8s.io/pause:3.10.2", "containerd internal/cri/config, v2.3.0, v2.4.0-beta.0"),
)
_CRIO = "cri-o pkg/config/config.go at each first release"
CRIO_SANDBOX = (
    SandboxImage((1, 16, 0), "k8s.gcr.io/pause:3.1", _CRIO),
    SandboxImage((1, 18, 0), "k8s.gcr.io/pause:3.2", _CRIO),
    SandboxImage((1, 21, 0), "k8s.gcr.io/pause:3.5", _CRIO),
    SandboxImage((1, 23, 0), "k8s.gcr.io/pause:3.6", _CRIO),
    SandboxImage((1, 24, 0), "registry.k8s.io/pause:3.6", _CRIO),
    SandboxImage((1, 28, 0), "registry.k8s.io/pause:3.9", _CRIO),
    SandboxImage((1, 31, 0), "registry.k8s.io/pause:3.10", _CRIO),
    SandboxImage((1, 34, 0), "registry.k8s.io/pause:3.10.1", _CRIO),
)


def sandbox_image(program: Sequence[SandboxImage], version: Release) -> str:
    """Give the pause image that a program uses by itself; "" when it is older than any known."""
    return next((row.image for row in reversed(program) if row.since <= version), "")


def pause_image(kubelet: Version) -> str:
    """Give the pause image that a kubelet of this version uses with Docker when no flag names one."""
    return sandbox_image(KUBELET_SANDBOX, (*kubelet, 0)) or DEFAULT_PAUSE_IMAGE
