"""What a kubelet leaves is not held against the runtime; what a runtime leaves is."""

from __future__ import annotations

import pytest

from migrator.model.proof import Left, Via
from migrator.probe.leftovers import excused
from tests.fakes import proof

POD = "/kubepods/burstable/pod5c5478b9-9523-4bd0-a8fa-4052a5b02da6"
CASES = {
    "beside the slice": ("v2", "systemd", POD, True),
    "a guaranteed pod's": ("v2", "systemd", "/kubepods/pod27b8d9e2-40f7-4065-9c14-721e045c3500", True),
    "the slice itself": ("v2", "systemd", "/kubepods.slice/kubepods-pod27b8d9e2.slice", False),
    "a pod's on version 2": ("v2", "cgroupfs", POD, False),
    "only where version 2 is mounted beside": ("v1", "cgroupfs", POD, True),
    "in a controller's hierarchy": ("v1", "cgroupfs", f"{POD} (memory, pids)", False),
    "a container's": ("v1", "cgroupfs", f"{POD}/{'ab' * 32}", False),
}


@pytest.mark.parametrize(("cgroup", "driver", "what", "found"), CASES.values(), ids=CASES)
def test_empty_cgroups_that_a_kubelet_forgets_are_excused(cgroup: str, driver: str, what: str, *, found: bool) -> None:
    """By their names and the layout of the node, seen on real ones."""
    known = proof.good("containerd", cgroup, driver, Via.KUBELET).circumstances

    assert excused(Left(kind="cgroup", what=what), known) is found
    assert not excused(Left(kind="mount", what=what), known)


ID = "5d58e5527236cd3a47b46edee09c9e124bacce7fe8249695a22f9118ae57053d"


@pytest.mark.parametrize(
    ("runtime", "what", "found"),
    [
        ("cri-o", f"/run/crio/{ID} (a link to nothing)", True),
        ("cri-o", f"/run/crio/{ID}", False),
        ("cri-o", f"/run/crio/exits/{ID} (a link to nothing)", False),
        ("containerd", f"/run/crio/{ID} (a link to nothing)", False),
    ],
    ids=["a link", "a folder", "elsewhere", "of another runtime"],
)
def test_links_that_conmon_forgets_are_excused(runtime: str, what: str, *, found: bool) -> None:
    """By their place, and only when nothing is behind them, as seen with conmon 2.1.6."""
    known = proof.good(runtime, "v1", "systemd", Via.KUBELET).circumstances

    assert excused(Left(kind="state", what=what), known) is found
