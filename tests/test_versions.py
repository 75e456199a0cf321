"""The tables by version."""

from datetime import date

import pytest

from migrator import versions
from migrator.runtimes.registry import RUNTIMES
from migrator.versions import CgroupRule, CriVersions, Release, SandboxImage, Version


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.20.2", (1, 20, 2)),
        ("v1.20.2-foo", (1, 20, 2)),
        ("1.6.20~ds1", (1, 6, 20)),
        ("1.20.5+really1.20.2", (1, 20, 5)),
        ("v1.31", (1, 31, 0)),
        ("1.24-rc", (1, 24, 0)),
        ("", (0, 0, 0)),
        ("unknown", (0, 0, 0)),
        ("1", (0, 0, 0)),
    ],
)
def test_versions_are_read(text: str, expected: Release) -> None:
    """Whatever a program prints around its version, the numbers are found, or said to be missing."""
    assert versions.release(text) == expected
    assert versions.parse(text) == expected[:2]


# Sources: facts as in the table itself: kubernetes/kubernetes#106907, #114017, #133779, globalflags_linux.go of 1.20.2.
@pytest.mark.parametrize(
    ("kubelet", "flag", "doomed"),
    [
        ((1, 16), "--network-plugin", True),
        ((1, 36), "--network-plugin", True),
        ((1, 20), "--redirect-container-streaming", True),
        ((1, 20), "--docker-only", True),
        ((1, 26), "--container-runtime", False),
        ((1, 27), "--container-runtime", True),
        ((1, 36), "--container-runtime-endpoint", False),
        ((1, 34), "--pod-infra-container-image", False),
        ((1, 35), "--pod-infra-container-image", True),
        ((1, 36), "--runtime-cgroups", False),
        # A guess alone takes no flag that has a function.
        ((1, 30), "--seccomp-profile-root", False),
    ],
)
def test_doomed_flags(kubelet: Version, flag: str, *, doomed: bool) -> None:
    """A flag goes when nothing reads it any more or when the kubelet would die of it."""
    assert (flag in versions.doomed_flags(kubelet)) is doomed


@pytest.mark.parametrize(
    ("kubelet", "flag", "unknown"),
    [
        ((1, 23), "--network-plugin", False),
        ((1, 24), "--network-plugin", True),
        ((1, 24), "--dynamic-config-dir", True),
        ((1, 27), "--container-runtime", True),
        # What the kubelets 1.20.2, 1.23.1, 1.31.14 and 1.36.2 say to each flag.
        ((1, 20), "--experimental-dockershim", True),
        ((1, 23), "--redirect-container-streaming", True),
        ((1, 23), "--experimental-check-node-capabilities-before-mount", False),
        ((1, 23), "--experimental-kernel-memcg-notification", False),
        ((1, 23), "--docker-root", False),
        ((1, 31), "--docker-root", True),
        ((1, 36), "--docker", True),
        ((1, 36), "--containerd", False),
        ((1, 36), "--experimental-mounter-path", False),
        ((1, 36), "--experimental-allocatable-ignore-eviction", False),
    ],
)
def test_unknown_flags(kubelet: Version, flag: str, *, unknown: bool) -> None:
    """Before an upgrade one can ask which flags the next kubelet would die of."""
    assert (flag in {found.name for found in versions.unknown_flags(kubelet)}) is unknown


_DOCKERS = "--docker --docker-env-metadata-whitelist --docker-only --docker-root --docker-tls --docker-tls-ca --docker-tls-cert --docker-tls-key"
_DOCKERSHIMS = (
    "--network-plugin --cni-conf-dir --cni-bin-dir --cni-cache-dir --network-plugin-mtu --docker-endpoint "
    "--image-pull-progress-deadline --experimental-dockershim-root-directory --non-masquerade-cidr --dynamic-config-dir "
    f"--experimental-check-node-capabilities-before-mount {_DOCKERS}"
)
GONE = {
    (1, 19): "", (1, 20): "--experimental-dockershim", (1, 22): "",
    (1, 23): "--seccomp-profile-root --redirect-container-streaming", (1, 24): _DOCKERSHIMS,
    (1, 25): "--experimental-kernel-memcg-notification", (1, 26): "", (1, 27): "--container-runtime", (1, 34): "",
    (1, 35): "--pod-infra-container-image", (1, 36): "", (1, 37): "--containerd --containerd-namespace",
}  # fmt: skip
"""Which flags each kubelet is the first not to know, or the first after the one before of this table."""


def test_flags_go_with_their_release() -> None:
    """Each one at once, and none before."""
    before: set[str] = set()
    for kubelet, flags in GONE.items():
        now = {flag.name for flag in versions.unknown_flags(kubelet)}
        assert now - before == set(flags.split()), kubelet
        before = now


def _cri(program: str) -> tuple[CriVersions, ...]:
    return RUNTIMES[program].cri if program in RUNTIMES else versions.KUBELET_CRI


def _cgroups(program: str) -> tuple[CgroupRule, ...]:
    return RUNTIMES[program].cgroups if program in RUNTIMES else versions.KUBELET_CGROUPS


def _sandbox(program: str) -> tuple[SandboxImage, ...]:
    return RUNTIMES[program].sandbox if program in RUNTIMES else versions.KUBELET_SANDBOX


# Sources: kubernetes/kubernetes#110618, containerd docs/containerd-2.0.md, containerd#7863, cri-o v1.21.0, v1.26.0.
@pytest.mark.parametrize(
    ("kubelet", "runtime", "version", "speak"),
    [
        ((1, 16), "containerd", (1, 4), True),
        ((1, 22), "containerd", (1, 7), True),
        ((1, 22), "containerd", (2, 0), False),
        ((1, 23), "containerd", (2, 0), True),
        ((1, 25), "containerd", (1, 5), True),
        ((1, 26), "containerd", (1, 5), False),
        ((1, 26), "containerd", (1, 6), True),
        ((1, 36), "containerd", (2, 3), True),
        ((1, 20), "crio", (1, 20), True),
        ((1, 25), "crio", (1, 26), True),
        ((1, 22), "crio", (1, 26), False),
        ((1, 26), "crio", (1, 26), True),
        ((1, 20), "containerd", (0, 0), False),
    ],
)
def test_who_understands_whom(kubelet: Version, runtime: str, version: Version, *, speak: bool) -> None:
    """A kubelet and a runtime need one CRI version that both speak."""
    assert versions.speak(kubelet, RUNTIMES[runtime].cri, version) is speak


# Source: containerd RELEASES.md, Kubernetes Support.
@pytest.mark.parametrize(
    ("kubernetes", "containerd", "expected"),
    [
        ((1, 24), (1, 6, 3), False),
        ((1, 24), (1, 6, 4), True),
        ((1, 25), (1, 5, 18), False),
        ((1, 26), (1, 6, 14), False),
        ((1, 28), (1, 6, 15), True),
        ((1, 29), (1, 7, 10), False),
        ((1, 29), (2, 0, 0), True),
        ((1, 33), (2, 0, 3), False),
        ((1, 33), (2, 0, 4), True),
        ((1, 34), (2, 1, 2), False),
        ((1, 34), (2, 2, 0), True),
        ((1, 35), (1, 7, 28), True),
        ((1, 35), (2, 0, 10), False),
        ((1, 36), (1, 7, 33), False),
        ((1, 36), (2, 1, 9), False),
        ((1, 36), (2, 2, 0), True),
        ((1, 36), (2, 4, 0), True),
        ((1, 37), (2, 2, 7), False),
        ((1, 37), (2, 3, 5), True),
        ((1, 38), (2, 4, 0), True),
        ((1, 20), (1, 6, 20), True),
        ((1, 20), (2, 0, 0), False),
    ],
)
def test_recommended_containerd(kubernetes: Version, containerd: Release, *, expected: bool) -> None:
    """The published matrix decides from 1.24 on, before it the CRI."""
    assert versions.is_recommended(kubernetes, containerd) is expected


MATRIX = {
    "1.24": "1.6.4 1.7.0", "1.25": "1.6.4 1.7.0", "1.26": "1.6.15 1.7.0", "1.27": "1.6.15 1.7.0", "1.28": "1.6.15 1.7.0",
    "1.29": "1.6.27 1.7.11", "1.30": "1.6.28 1.7.13 2.0.0 2.1.0", "1.31": "1.6.34 1.7.20 2.0.0 2.1.0",
    "1.32": "1.6.36 1.7.24 2.0.1 2.1.0", "1.33": "1.6.36 1.7.24 2.0.4 2.1.0", "1.34": "1.6.39 1.7.28 2.0.6 2.1.3",
    "1.35": "1.7.28 2.1.5 2.2.0", "1.36": "2.2.0 2.3.0", "1.37": "2.3.0 2.4.0",
}  # fmt: skip
"""As containerd's maintainers publish it (RELEASES.md, Kubernetes Support); 1.37 is a guess."""


@pytest.mark.parametrize(("kubernetes", "releases"), MATRIX.items(), ids=MATRIX)
def test_the_published_matrix(kubernetes: str, releases: str) -> None:
    """Each named release and later patches of it are recommended, and the patch before is not."""
    row = versions.parse(kubernetes)

    for major, minor, patch in map(versions.release, releases.split()):
        assert versions.is_recommended(row, (major, minor, patch)), (major, minor, patch)
        assert versions.is_recommended(row, (major, minor, patch + 9)), (major, minor, patch)
        assert not patch or not versions.is_recommended(row, (major, minor, patch - 1)), (major, minor, patch)


# The first version of each state, and the last one of the state before.
CGROUPS = [
    ("kubelet", "v1", [((1, 16), "supported"), ((1, 30), "supported"), ((1, 31), "deprecated"), ((1, 34), "deprecated"), ((1, 35), "off")]),
    ("kubelet", "v2", [((1, 16), "refused"), ((1, 18), "refused"), ((1, 19), "supported")]),
    ("containerd", "v1", [((1, 0), "supported"), ((2, 1), "supported"), ((2, 2), "deprecated")]),
    ("containerd", "v2", [((1, 0), "refused"), ((1, 3), "refused"), ((1, 4), "supported")]),
    ("crio", "v1", [((1, 0), "supported"), ((1, 36), "supported")]),
    ("crio", "v2", [((1, 0), "refused"), ((1, 19), "refused"), ((1, 20), "supported")]),
]  # fmt: skip


@pytest.mark.parametrize(("program", "cgroup", "states"), CGROUPS)
def test_what_programs_do_on_cgroups(program: str, cgroup: str, states: list[tuple[Version, str]]) -> None:
    """From the very release on that their makers name."""
    assert [versions.cgroup_state(_cgroups(program), version, cgroup) for version, _ in states] == [
        state for _, state in states
    ]


# The first version that speaks v1, and the first that speaks it alone.
SPOKEN = {
    "kubelet": {(1, 9): "", (1, 10): "v1alpha2", (1, 22): "v1alpha2", (1, 23): "v1 v1alpha2", (1, 25): "v1 v1alpha2", (1, 26): "v1"},
    "containerd": {(1, 0): "", (1, 1): "v1alpha2", (1, 5): "v1alpha2", (1, 6): "v1 v1alpha2", (1, 7): "v1 v1alpha2", (2, 0): "v1"},
    "crio": {(1, 9): "", (1, 10): "v1alpha2", (1, 20): "v1alpha2", (1, 21): "v1 v1alpha2", (1, 25): "v1 v1alpha2", (1, 26): "v1"},
}  # fmt: skip


@pytest.mark.parametrize("program", SPOKEN)
def test_what_programs_speak(program: str) -> None:
    """From the very release on that their sources say."""
    found = {version: " ".join(sorted(versions.cri_versions(_cri(program), version))) for version in SPOKEN[program]}

    assert found == SPOKEN[program]


def test_the_matrix_has_no_gap() -> None:
    """Each Kubernetes from 1.24 to 1.37 has one row, with releases in their order."""
    assert [row.kubernetes for row in versions.CONTAINERD_FOR] == [(1, minor) for minor in range(24, 38)]
    assert all(list(row.containerd) == sorted(row.containerd) for row in versions.CONTAINERD_FOR)


# Sources: kubernetes-sigs/kind#2082, KEP-4569, kubernetes/kubernetes#134298, containerd RELEASES.md.
@pytest.mark.parametrize(
    ("program", "version", "cgroup", "state"),
    [
        ("kubelet", (1, 18), "v2", "refused"),
        ("kubelet", (1, 19), "v2", "supported"),
        ("kubelet", (1, 30), "v1", "supported"),
        ("kubelet", (1, 34), "v1", "deprecated"),
        ("kubelet", (1, 35), "v1", "off"),
        ("kubelet", (1, 35), "hybrid", "off"),
        ("kubelet", (1, 35), "v2", "supported"),
        ("containerd", (1, 3), "v2", "refused"),
        ("containerd", (1, 4), "v2", "supported"),
        ("containerd", (2, 2), "v1", "deprecated"),
        ("crio", (1, 19), "v2", "refused"),
        ("crio", (1, 20), "v2", "supported"),
    ],
)
def test_cgroups(program: str, version: Version, cgroup: str, state: str) -> None:
    """Each program's limits with either version of cgroups are known."""
    assert versions.cgroup_state(_cgroups(program), version, cgroup) == state


# Source: containerd RELEASES.md.
@pytest.mark.parametrize(
    ("series", "day"),
    [
        ((1, 3), date(2021, 3, 4)), ((1, 4), date(2022, 3, 3)), ((1, 5), date(2023, 2, 28)), ((1, 6), date(2025, 8, 23)),
        ((1, 7), date(2026, 9, 30)), ((2, 0), date(2027, 3, 31)), ((2, 1), date(2026, 7, 3)), ((2, 2), date(2026, 11, 6)),
        ((2, 3), date(2028, 4, 30)), ((2, 4), date(2027, 4, 30)), ((9, 9), None),
    ],
)  # fmt: skip
def test_end_of_life(series: Version, day: date | None) -> None:
    """The day after which a series gets no fixes is known, or said to be unknown."""
    assert versions.end_of_life(series) == day


# Sources: each program's configuration defaults at these tags.
@pytest.mark.parametrize(
    ("program", "version", "image"),
    [
        ("kubelet", (1, 20, 2), "k8s.gcr.io/pause:3.2"),
        ("containerd", (1, 5, 9), "k8s.gcr.io/pause:3.5"),
        ("containerd", (1, 6, 0), "k8s.gcr.io/pause:3.6"),
        ("containerd", (1, 6, 20), "registry.k8s.io/pause:3.6"),
        ("containerd", (1, 7, 28), "registry.k8s.io/pause:3.8"),
        ("containerd", (2, 1, 5), "registry.k8s.io/pause:3.10"),
        ("containerd", (2, 3, 0), "registry.k8s.io/pause:3.10.2"),
        ("crio", (1, 22, 0), "k8s.gcr.io/pause:3.5"),
        ("crio", (1, 36, 0), "registry.k8s.io/pause:3.10.1"),
        ("containerd", (1, 0, 0), ""),
        ("containerd", (1, 3, 9), ""), ("containerd", (1, 4, 0), "k8s.gcr.io/pause:3.2"), ("containerd", (1, 4, 13), "k8s.gcr.io/pause:3.2"),
        ("containerd", (1, 5, 13), "k8s.gcr.io/pause:3.5"), ("containerd", (1, 5, 14), "registry.k8s.io/pause:3.5"),
        ("containerd", (2, 4, 0), "registry.k8s.io/pause:3.10.2"),
        ("containerd", (1, 5, 0), "k8s.gcr.io/pause:3.5"), ("containerd", (1, 6, 8), "k8s.gcr.io/pause:3.6"),
        ("containerd", (1, 6, 9), "registry.k8s.io/pause:3.6"), ("containerd", (1, 7, 0), "registry.k8s.io/pause:3.8"),
        ("containerd", (2, 0, 0), "registry.k8s.io/pause:3.10"), ("containerd", (2, 2, 0), "registry.k8s.io/pause:3.10.1"),
        ("containerd", (2, 2, 9), "registry.k8s.io/pause:3.10.1"),
        ("crio", (1, 15, 9), ""), ("crio", (1, 16, 0), "k8s.gcr.io/pause:3.1"), ("crio", (1, 17, 9), "k8s.gcr.io/pause:3.1"),
        ("crio", (1, 18, 0), "k8s.gcr.io/pause:3.2"), ("crio", (1, 20, 9), "k8s.gcr.io/pause:3.2"), ("crio", (1, 21, 0), "k8s.gcr.io/pause:3.5"),
        ("crio", (1, 23, 0), "k8s.gcr.io/pause:3.6"), ("crio", (1, 23, 9), "k8s.gcr.io/pause:3.6"), ("crio", (1, 24, 0), "registry.k8s.io/pause:3.6"),
        ("crio", (1, 27, 9), "registry.k8s.io/pause:3.6"), ("crio", (1, 28, 0), "registry.k8s.io/pause:3.9"), ("crio", (1, 30, 9), "registry.k8s.io/pause:3.9"),
        ("crio", (1, 31, 0), "registry.k8s.io/pause:3.10"), ("crio", (1, 33, 9), "registry.k8s.io/pause:3.10"), ("crio", (1, 34, 0), "registry.k8s.io/pause:3.10.1"),
    ],
)  # fmt: skip
def test_default_pause_images(program: str, version: Release, image: str) -> None:
    """Each program's own pause image is known."""
    assert versions.sandbox_image(_sandbox(program), version) == image


@pytest.mark.parametrize(
    ("kubelet", "image"),
    [
        ((0, 0), "k8s.gcr.io/pause:3.2"), ((1, 16), "k8s.gcr.io/pause:3.1"), ((1, 20), "k8s.gcr.io/pause:3.2"),
        ((1, 21), "k8s.gcr.io/pause:3.4.1"), ((1, 22), "k8s.gcr.io/pause:3.5"), ((1, 23), "k8s.gcr.io/pause:3.6"),
        ((1, 24), "k8s.gcr.io/pause:3.7"), ((1, 25), "registry.k8s.io/pause:3.8"), ((1, 30), "registry.k8s.io/pause:3.9"),
        ((1, 17), "k8s.gcr.io/pause:3.1"), ((1, 18), "k8s.gcr.io/pause:3.2"), ((1, 26), "registry.k8s.io/pause:3.9"),
        ((1, 31), "registry.k8s.io/pause:3.10"), ((1, 33), "registry.k8s.io/pause:3.10"), ((1, 34), "registry.k8s.io/pause:3.10.1"),
    ],
)  # fmt: skip
def test_the_pause_image_of_a_kubelet(kubelet: Version, image: str) -> None:
    """Each has its own, which it keeps from its garbage collection; one that is not known has the lab's."""
    assert versions.pause_image(kubelet) == image


@pytest.mark.parametrize(
    "rows",
    [
        versions.KUBELET_CRI, versions.CONTAINERD_CRI, versions.CRIO_CRI, versions.KUBELET_SANDBOX,
        versions.CONTAINERD_SANDBOX, versions.CRIO_SANDBOX,
    ],
)  # fmt: skip
def test_tables_are_in_order_and_have_sources(rows: tuple[versions.CriVersions | versions.SandboxImage, ...]) -> None:
    """Look-ups take the last row that applies, so rows go up; each says where it is from."""
    since = [row.since for row in rows]
    assert since == sorted(since)
    assert all(row.source for row in rows)


# Sources: containerd#13483, #13529, #13609; by the first release without each.
@pytest.mark.parametrize(
    ("containerd", "digest", "fatal", "told"),
    [
        ((1, 6, 39), True, 0, 0), ((1, 7, 34), True, 0, 0),
        ((2, 0, 0), False, 0, 1), ((2, 1, 9), False, 0, 1), ((2, 2, 5), True, 0, 1), ((2, 2, 6), True, 0, 0), ((2, 2, 7), False, 0, 0),
        ((2, 3, 0), False, 1, 1), ((2, 3, 1), True, 2, 1), ((2, 3, 2), False, 0, 1), ((2, 3, 2), True, 1, 1),
        ((2, 3, 3), False, 0, 0), ((2, 3, 3), True, 1, 0), ((2, 3, 4), True, 0, 0), ((2, 3, 5), True, 0, 0), ((2, 4, 0), True, 0, 0),
    ],
)  # fmt: skip
def test_faulty_releases(containerd: Release, fatal: int, told: int, *, digest: bool) -> None:
    """Each fault begins and ends with the release that its source names."""
    found = versions.faults(containerd, digest=digest)

    assert (sum(row.fatal for row in found), sum(not row.fatal for row in found)) == (fatal, told)
    assert all(row.source and row.since < row.mended for row in found)


@pytest.mark.parametrize(
    ("named", "sound"),
    [((1, 7, 28), (1, 7, 28)), ((2, 2, 0), (2, 2, 0)), ((2, 3, 0), (2, 3, 4)), ((2, 3, 9), (2, 3, 9)), ((2, 4, 0), (2, 4, 0))],
)  # fmt: skip
def test_no_faulty_release_is_advised(named: Release, sound: Release) -> None:
    """What the matrix names from its first patch on is advised from the first sound one on."""
    assert versions.sound(named) == sound
