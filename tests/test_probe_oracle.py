"""The tests' healthy node is healthy by the kernel's own words, written out: not only by the code that judges it."""

from __future__ import annotations

import pytest

from migrator.model.evidence import Evidence, ProbeContainerSpec, RawView
from migrator.proof import privileges
from migrator.runtimes.containerd.runtime import CONTAINERD
from tests.fakes.proof import good

ALL = "000001ffffffffff"
USUAL, FEWER = "00000000a80425fb", "00000000000005fb"
WITHOUT_RAW = "00000000a80405fb"
RIGHTS = {
    "docker": {"one": USUAL, "two": WITHOUT_RAW, "peer": USUAL, "mounter": ALL},
    "containerd": {"one": USUAL, "two": WITHOUT_RAW, "peer": USUAL, "mounter": ALL},
    "cri-o": {"one": FEWER, "two": FEWER, "peer": FEWER, "mounter": ALL},
}
"""Capabilities as /proc/PID/status has them: "two" drops NET_RAW, "mounter" is privileged."""
A, B, C = (f"0b5c1f9e-0000-4000-8000-00000000000{pod}" for pod in "123")
PATHS = {
    ("containerd", "systemd", "one"): f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{A.replace('-', '_')}.slice/cri-containerd-{'1' * 64}.scope",
    ("docker", "systemd", "peer"): f"/kubepods.slice/kubepods-pod{B.replace('-', '_')}.slice/docker-{'3' * 64}.scope",
    ("cri-o", "systemd", "mounter"): f"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{C.replace('-', '_')}.slice/crio-{'4' * 64}.scope",
    ("containerd", "cgroupfs", "one"): f"/kubepods/burstable/pod{A}/{'1' * 64}",
    ("docker", "cgroupfs", "peer"): f"/kubepods/pod{B}/{'3' * 64}",
    ("cri-o", "cgroupfs", "mounter"): f"/kubepods/besteffort/pod{C}/crio-{'4' * 64}",
}  # fmt: skip
# memory, quota in 100 ms, shares, processes: of the container, and of its pod (96 MiB are 32 and 64 together)
LIMITS = {
    "one": (("67108864", "20000", "51", "max"), ("100663296", "30000", "71", "64")),
    "two": (("33554432", "10000", "20", "max"), ("100663296", "30000", "71", "64")),
    "peer": (("33554432", "5000", "51", "max"), ("33554432", "5000", "51", "64")),
    "mounter": (("9223372036854771712", "-1", "2", "max"), ("9223372036854771712", "-1", "2", "64")),
}
WEIGHTS = {"one": ("2", "3"), "two": ("1", "3"), "peer": ("2", "2"), "mounter": ("1", "1")}
"""The same shares on v2, by runc's formula before 1.3.2."""


def outside(evidence: Evidence, name: str) -> RawView:
    """Give what the host sees of a container."""
    found = evidence.container(name)
    assert found is not None
    assert found.outside is not None
    return found.outside


def status(evidence: Evidence, name: str) -> dict[str, str]:
    """Give the fields of /proc/PID/status of its main process."""
    rows = outside(evidence, name).files["status"].splitlines()
    return dict(row.split(":\t", 1) for row in rows)


@pytest.mark.parametrize("runtime", RIGHTS)
def test_rights_of_a_healthy_node(runtime: str) -> None:
    """Effective, permitted and bounding are the runtime's default, less what was dropped."""
    evidence = good(runtime)

    for name, mask in RIGHTS[runtime].items():
        fields = status(evidence, name)
        assert {fields[key] for key in ("CapEff", "CapPrm", "CapBnd")} == {mask}, name
        # CRI-O gives privileged containers all of them in these sets too.
        passed_on = mask if (runtime, name) == ("cri-o", "mounter") else "0" * 16
        assert {fields[key] for key in ("CapInh", "CapAmb")} == {passed_on}, name


def test_filters_of_a_healthy_node() -> None:
    """One container asks for the default filter and no new privileges, a privileged one has none."""
    found = {
        runtime: [
            (status(good(runtime), name)["Seccomp"], status(good(runtime), name)["NoNewPrivs"])
            for name in RIGHTS[runtime]
        ]
        for runtime in RIGHTS
    }

    usual = [("0", "0"), ("2", "1"), ("0", "0"), ("0", "0")]
    assert found == {"docker": usual, "containerd": usual, "cri-o": [("2", "0"), ("2", "1"), ("2", "0"), ("0", "0")]}


@pytest.mark.parametrize(
    ("where", "path"), PATHS.items(), ids=lambda part: "-".join(part) if isinstance(part, tuple) else ""
)
def test_places_of_a_healthy_node(where: tuple[str, str, str], path: str) -> None:
    """A kubelet's cgroups by class and driver, and the runtime's own name below them."""
    runtime, driver, name = where

    assert outside(good(runtime, driver=driver), name).files["cgroup"] == f"0::{path}\n"


@pytest.mark.parametrize("name", LIMITS)
def test_limits_of_a_healthy_node(name: str) -> None:
    """A container's are what it asked for, its pod's the sums of its containers; v1 and v2 say the same."""
    old, new = outside(good(cgroup="v1"), name), outside(good(cgroup="v2"), name)

    for side, limits, weight in zip(("cgroup", "parent"), LIMITS[name], WEIGHTS[name], strict=True):
        memory, quota, shares, pids = limits
        assert dict(getattr(old, side)) == {
            "memory/memory.limit_in_bytes": f"{memory}\n", "memory/memory.memsw.limit_in_bytes": f"{memory}\n",
            "cpu/cpu.cfs_quota_us": f"{quota}\n", "cpu/cpu.cfs_period_us": "100000\n", "cpu/cpu.shares": f"{shares}\n",
            "pids/pids.max": f"{pids}\n",
        }  # fmt: skip
        free = quota == "-1"
        assert dict(getattr(new, side)) == {
            "memory.max": "max\n" if free else f"{memory}\n", "memory.swap.max": "max\n" if free else "0\n",
            "cpu.max": "max 100000\n" if free else f"{quota} 100000\n", "cpu.weight": f"{weight}\n", "pids.max": f"{pids}\n",
        }  # fmt: skip


SCORES = {"one": "997", "two": "997", "peer": "-997", "mounter": "1000"}
"""1000 less what was requested of 4 GiB, in thousandths (k/k pkg/kubelet/qos/policy.go)."""


def test_scores_of_a_healthy_node() -> None:
    """How readily the kernel kills each when memory is short."""
    assert {name: outside(good(), name).files["oom_score_adj"].strip() for name in SCORES} == SCORES


EXPECTED = {
    "nothing asked for": ((), (), USUAL),
    "one more": (("NET_ADMIN",), (), "00000000a80435fb"),
    "one less": ((), ("CHOWN",), "00000000a80425fa"),
    "none": ((), ("ALL",), "0" * 16),
    "only one": (("NET_ADMIN",), ("ALL",), "0000000000001000"),
    "all": (("ALL",), (), ALL),
    "all but one": (("ALL",), ("CHOWN",), "000001fffffffffe"),
    "added and dropped": (("NET_ADMIN",), ("NET_ADMIN",), USUAL),
}


@pytest.mark.parametrize(("added", "dropped", "mask"), EXPECTED.values(), ids=EXPECTED)
def test_what_was_asked_for_decides(added: tuple[str, ...], dropped: tuple[str, ...], mask: str) -> None:
    """As the kernel writes it."""
    asked = ProbeContainerSpec(name="x", pod="x", quality="BestEffort", added=added, dropped=dropped)

    assert CONTAINERD.traits is not None
    assert privileges.mask(privileges.expected(asked, CONTAINERD.traits)) == mask
