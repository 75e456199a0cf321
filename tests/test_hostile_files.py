"""Whatever the files of one node hold, it is that node that cannot be planned, and the plan says why."""

from __future__ import annotations

import pytest

from tests.fuzz import hostile


@pytest.mark.parametrize("first", range(0, 120, 40))
def test_any_bytes_in_any_file(first: int) -> None:
    """Truncated, binary, nested, of wrong types: no error of a library, and the other node has its plan.

    `make fuzz WORDS=hostile` goes on from here.
    """
    found = [found for seed in range(first, first + 40) if (found := hostile.tried(seed))]

    assert not found, found[0]


READ = (
    "/etc/docker/daemon.json", "/etc/containerd/config.toml", "/etc/containerd/conf.d/more.toml", "/etc/crictl.yaml",
    "/var/lib/kubelet/config.yaml", "/var/lib/kubelet/kubeadm-flags.env", "/etc/containers/registries.conf",
    "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf", "crio config", "ctr oci spec", "/etc/sysctl.conf",
)  # fmt: skip
"""One file for each way of reading."""


@pytest.mark.parametrize("path", READ)
def test_deep_and_huge_files_come_to_an_end(path: str) -> None:
    """Documents without end, in each kind of file: aliases of aliases, tables in tables, very long numbers."""
    found = [found for text in hostile.DEEP if (found := hostile.planned(hostile.with_file(path, text), path))]

    assert not found, found[0]
