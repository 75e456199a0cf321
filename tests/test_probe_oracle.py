"""The tests' healthy node is healthy by the kernel's own words, written out: not only by the code that judges it."""

from __future__ import annotations

import pytest

from migrator.model.proof import Asked, Evidence, RawView
from migrator.probe import rights
from migrator.probe.runtimes import TRAITS
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
LIMITS = {
    "memory.max": "67108864\n", "memory.swap.max": "0\n", "cpu.max": "20000 100000\n", "cpu.weight": "2\n", "pids.max": "max\n",
}  # fmt: skip
POD_LIMITS = {
    "memory.max": "100663296\n", "memory.swap.max": "0\n", "cpu.max": "30000 100000\n", "cpu.weight": "3\n", "pids.max": "64\n",
}  # fmt: skip


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
        assert {fields[key] for key in ("CapInh", "CapAmb")} == {"0" * 16}, name


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


def test_limits_of_a_healthy_node() -> None:
    """A container's are what it asked for, its pod's the sums of both containers."""
    seen = outside(good(), "one")

    assert dict(seen.cgroup) == LIMITS
    assert dict(seen.parent) == POD_LIMITS


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
    asked = Asked(name="x", pod="x", quality="BestEffort", added=added, dropped=dropped)

    assert rights.mask(rights.expected(asked, TRAITS["containerd"])) == mask
