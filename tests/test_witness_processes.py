"""The witness on processes and cgroups: every kind of tree, and this machine's own."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

import pytest

from migrator.model.evidence import RawView
from tests.witness_parts import put

base: Any = importlib.import_module("witness_base")
cgroup: Any = importlib.import_module("witness_cgroup")
process: Any = importlib.import_module("witness_process")
system: Any = importlib.import_module("witness_system")

ID = "ab" * 32
OTHER = "cd" * 32
POD = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1234.slice"
SCOPE = f"{POD}/cri-containerd-{ID}.scope"
V1 = """\
31 23 0:28 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct
33 31 0:30 / /sys/fs/cgroup/memory rw shared:10 - cgroup cgroup rw,memory
34 31 0:31 / /sys/fs/cgroup/pids rw shared:11 - cgroup cgroup rw,pids
35 31 0:32 / /sys/fs/cgroup/systemd rw shared:12 - cgroup cgroup rw,xattr,name=systemd
"""
HYBRID = V1 + "36 31 0:33 / /sys/fs/cgroup/unified rw shared:13 - cgroup2 cgroup2 rw,nsdelegate\n"
V2 = "31 23 0:28 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"
STATUS = "Name:\tprobe\nNSpid:\t42\t1\n"


def v1(root: Path, mountinfo: str = V1) -> str:
    """Make a host with version 1, whose process 42 has limits."""
    path, joined = f"{POD}/{ID}", "/sys/fs/cgroup/cpu,cpuacct"
    listed = f"9:pids:{path}\n8:memory:{path}\n7:cpu,cpuacct:{path}\n1:name=systemd:{path}\n"
    return put(root, {
        "/proc/self/mountinfo": mountinfo,
        "/proc/42/cgroup": listed + ("0::/elsewhere\n" if mountinfo == HYBRID else ""),
        "/proc/42/status": STATUS,
        f"{joined}{path}/cpu.cfs_quota_us": "20000\n",
        f"{joined}{path}/cpu.stat": "nr_periods 9\nnr_throttled 3\nthrottled_time 5000\n",
        f"{joined}{path}/cpuacct.usage": "777\n",
        f"{joined}{POD}/cpu.shares": "51\n",
        f"/sys/fs/cgroup/memory{path}/memory.limit_in_bytes": "67108864\n",
        f"/sys/fs/cgroup/memory{path}/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
        f"/sys/fs/cgroup/memory{path}/notes": "not the kernel's",
        f"/sys/fs/cgroup/pids{path}/pids.current": "1\n",
        f"/sys/fs/cgroup/pids{POD}/pids.max": "max\n",
    })  # fmt: skip


def v2(root: Path, inner: str = "", scope: str = SCOPE) -> str:
    """Make a host with version 2, whose process 42 may sit further down than its scope."""
    return put(root, {
        "/proc/self/mountinfo": V2,
        "/proc/42/cgroup": f"0::{scope}{inner}\n",
        "/proc/42/status": STATUS,
        f"/sys/fs/cgroup{scope}/memory.max": "67108864\n",
        f"/sys/fs/cgroup{scope}/memory.events": "low 0\noom 1\noom_kill 1\n",
        f"/sys/fs/cgroup{scope}/cpu.stat": "usage_usec 8\nnr_throttled 4\nthrottled_usec 6\n",
        f"/sys/fs/cgroup{scope}/cgroup.controllers": "cpu memory\n",
        f"/sys/fs/cgroup{scope}/container/memory.max": "max\n",
        f"/sys/fs/cgroup{POD}/pids.max": "max\n",
    })  # fmt: skip


@pytest.mark.parametrize("mountinfo", [V1, HYBRID], ids=["v1", "hybrid"])
def test_version_1_is_read_by_controller(tmp_path: Path, mountinfo: str) -> None:
    """Joined controllers keep their own names, the pod's limits are apart, and what is not the kernel's is left out."""
    seen = process.view(42, at=v1(tmp_path, mountinfo))

    assert seen["cgroup"]["memory/memory.limit_in_bytes"] == "67108864\n"
    assert seen["cgroup"]["cpu/cpu.cfs_quota_us"] == "20000\n"
    assert seen["cgroup"]["cpuacct/cpuacct.usage"] == "777\n"
    assert set(seen["parent"]) == {"cpu/cpu.shares", "pids/pids.max"}
    assert not [name for name in seen["cgroup"] if "notes" in name or name.startswith("cgroup")]


@pytest.mark.parametrize("inner", ["", "/container", "/init.scope"], ids=["runc", "crun", "systemd inside"])
def test_version_2_is_read_at_the_scope(tmp_path: Path, inner: str) -> None:
    """The limits are the scope's, wherever below it the process is."""
    seen = process.view(42, at=v2(tmp_path, inner))

    assert seen["cgroup"]["memory.max"] == "67108864\n"
    assert seen["cgroup"]["cgroup.controllers"] == "cpu memory\n"
    assert seen["parent"] == {"pids.max": "max\n"}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"{POD}/crio-{ID}.scope/container", f"{POD}/crio-{ID}.scope"),
        (f"/docker/{OTHER}/kubepods/pod1/{ID}", f"/docker/{OTHER}/kubepods/pod1/{ID}"),
        (f"/system.slice/containerd.service/kubepods.slice:cri-containerd:{ID}", f"/system.slice/containerd.service/kubepods.slice:cri-containerd:{ID}"),
        ("/user.slice/x.scope/container", "/user.slice/x.scope"),
        ("/kubepods/burstable/pod1", "/kubepods/burstable/pod1"),
        ("/", "/"),
    ],
)  # fmt: skip
def test_a_containers_cgroup_is_found_from_below(path: str, expected: str) -> None:
    """Also in a node that is a container itself, and where the drivers do not match."""
    assert cgroup.own(path) == expected


def test_what_the_kernel_counts(tmp_path: Path) -> None:
    """The same words for both versions, in nanoseconds; what is not counted is absent."""
    assert cgroup.counters(42, at=v1(tmp_path / "1")) == {
        "throttled": 3, "throttled_ns": 5000, "oom_kills": 2, "usage_ns": 777, "processes": 1,
    }  # fmt: skip
    assert cgroup.counters(42, at=v2(tmp_path / "2")) == {
        "throttled": 4, "throttled_ns": 6000, "oom_kills": 1, "usage_ns": 8000,
    }  # fmt: skip
    assert cgroup.counters(43, at=v2(tmp_path / "2")) == {}


def test_only_a_pod_of_ours_is_limited(tmp_path: Path) -> None:
    """The limit goes to the cgroup above, and never to one whose path has no name of ours."""
    theirs = v2(tmp_path / "theirs")
    ours = v2(tmp_path / "ours", scope=f"/migrator-x.slice/cri-containerd-{ID}.scope")
    pod = (
        put(tmp_path / "ours", {"/sys/fs/cgroup/migrator-x.slice/pids.max": "max\n"})
        + "/sys/fs/cgroup/migrator-x.slice"
    )

    with pytest.raises(base.WitnessError, match=r"kubepods-burstable-pod1234.slice is not a cgroup of ours"):
        cgroup.limit_processes(42, 64, at=theirs)
    for most in (0, -1, "64"):
        with pytest.raises(base.WitnessError, match="is no number of processes"):
            cgroup.limit_processes(42, most, at=ours)

    assert cgroup.limit_processes(42, 64, at=ours) == {}

    assert Path(pod, "pids.max").read_text().startswith("64\n")
    Path(pod, "pids.max").unlink()
    with pytest.raises(base.WitnessError, match=r"migrator-x.slice/pids.max: No such file"):
        cgroup.limit_processes(42, 64, at=ours)


def test_a_containers_process_is_the_first_of_its_own_namespace(tmp_path: Path) -> None:
    """Neither CRI-O's monitor nor a helper with a lower number, nor one whose id only begins alike."""
    root = put(tmp_path, {
        "/proc/5/cgroup": f"0::/x/crio-conmon-{ID}.scope\n", "/proc/5/status": "NSpid:\t5\n",
        "/proc/7/cgroup": f"0::/x/crio-{ID}.scope\n", "/proc/7/status": "NSpid:\t7\t9\n",
        "/proc/9/cgroup": f"0::/x/crio-{ID}.scope/container\n", "/proc/9/status": "NSpid:\t9\t1\n",
        "/proc/8/cgroup": f"0::/x/{OTHER}\n", "/proc/8/status": "Name:\tx\n",
        "/proc/6/cgroup": f"0::/x/{OTHER}0\n", "/proc/6/status": "NSpid:\t6\n",
    })  # fmt: skip

    assert process.pids([ID, OTHER, "ef" * 32], at=root) == {ID: 9, OTHER: 8, "ef" * 32: 0}


def test_this_very_process_as_others_see_it() -> None:
    """It is what it says of itself, and a view that the control host reads."""
    seen = RawView.model_validate(process.view(os.getpid()))

    assert seen.links["ns/net"] == str(Path("/proc/self/ns/net").readlink())
    assert f"\nPid:\t{os.getpid()}\n" in seen.files["status"]
    assert {"limits", "mountinfo", "cgroup", "uid_map", "net/dev"} <= set(seen.files)
    if os.getuid() == 0:
        kernel = os.uname()
        assert seen.names == {"nodename": kernel.nodename, "release": kernel.release, "machine": kernel.machine}


def test_mounts_are_counted_by_source(tmp_path: Path) -> None:
    """Whole names only, with blanks as the kernel writes them."""
    line = "40 27 0:50 / /mnt/{} rw - tmpfs {} rw\n"
    root = put(
        tmp_path,
        {"/proc/1/mountinfo": line.format("a", "probe\\0401") + line.format("b", "probe") + line.format("c", "probe2")},
    )

    assert [process.mounted(name, at=root) for name in ("probe", "probe 1", "prob")] == [1, 1, 0]


def test_services_are_told_by_systemd() -> None:
    """One that systemd does not know is left out."""
    text = (
        "Id=kubelet.service\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\n\n"
        "Id=crio.service\nLoadState=not-found\nActiveState=inactive\nUnitFileState=\n"
    )

    assert system.parse_services(text) == {"kubelet": "active/enabled"}


def test_the_firewalls_policy_is_the_stricter_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing known is "", and the legacy table is asked for only where it exists."""
    programs = tmp_path / "bin"
    monkeypatch.setenv("PATH", str(programs))
    assert system.forward_policy(str(tmp_path)) == ""
    for name, policy in (("iptables", "ACCEPT"), ("iptables-legacy", "DROP")):
        put(programs, {name: f"#!/bin/sh\necho '-P FORWARD {policy}'\necho '-A FORWARD -j DOCKER'\n"})
        (programs / name).chmod(0o755)

    assert system.forward_policy(str(tmp_path)) == "ACCEPT"
    put(tmp_path, {"/proc/net/ip_tables_names": "nat\nfilter\n"})
    assert system.forward_policy(str(tmp_path)) == "DROP"


def test_modules_are_loaded_or_built_in(tmp_path: Path) -> None:
    """Each way that a kernel has of telling."""
    root = put(tmp_path, {
        "/proc/modules": "br_netfilter 32768 0 - Live 0x0\nveth_like 1 0 - Live 0x0\n",
        "/proc/filesystems": "nodev\tproc\nnodev\toverlay\n",
        f"/lib/modules/{os.uname().release}/modules.builtin": "kernel/drivers/net/vxlan/vxlan.ko\n",
        "/sys/module/nf_conntrack/parameters/x": "",
    })  # fmt: skip

    assert system.modules(root) == ["overlay", "br_netfilter", "nf_conntrack", "vxlan"]
