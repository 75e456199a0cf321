"""What the kernel writes is read for what it says, from both cgroup versions, and nothing odd raises."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.model.evidence import RawView
from migrator.proof import cgroup_paths, kubelet_resources, limits, privileges, procfs, runtime_traits
from migrator.proof.limits import UNLIMITED, Limits
from migrator.proof.process_view import SETS, parse
from migrator.runtimes.registry import sources
from migrator.runtimes.traits import USUAL
from tests.fakes.proof import good

FILES = (
    "status", "limits", "mountinfo", "cgroup", "uid_map", "attr/current", "oom_score_adj", "net/fib_trie", "net/if_inet6",
    "net/route", "net/dev", "/etc/resolv.conf", "/proc/1/cmdline", "/proc/sys/kernel/hostname", "/sys/class/net/eth0/mtu",
)  # fmt: skip


def test_capabilities_are_named_by_their_numbers() -> None:
    """Docker's well-known mask is its fourteen capabilities, CRI-O's its nine."""
    masks = {runtime.name: privileges.mask(runtime.traits.capabilities) for runtime in sources() if runtime.traits}

    assert masks == {"docker": "00000000a80425fb", "containerd": "00000000a80425fb", "crio": "00000000000005fb"}
    assert privileges.names("00000000a80425fb") == USUAL
    assert privileges.names("none") is None


@pytest.mark.parametrize(
    ("request_", "shares", "old", "new"),
    [
        (10, 10, 1, 4), (50, 51, 2, 11), (100, 102, 4, 17), (200, 204, 8, 29), (250, 256, 10, 35), (500, 512, 20, 59),
        (1000, 1024, 39, 100), (1500, 1536, 59, 138), (2000, 2048, 79, 174), (4000, 4096, 157, 303), (8000, 8192, 313, 532),
        (16000, 16384, 625, 942), (0, 2, 1, 1), (10**9, 262144, 10000, 10000),
    ],
)  # fmt: skip
def test_both_formulas_give_the_known_weights(request_: int, shares: int, old: int, new: int) -> None:
    """A request becomes shares, and those either weight (runc before and from 1.3.2)."""
    assert kubelet_resources.shares(request_) == shares
    assert kubelet_resources.weights(shares) == {old, new}


def test_interfaces_are_listed_by_sysfs_or_else_by_proc() -> None:
    """A container whose /sys is masked shows them in net/dev, below its two lines of heads; nobody seen is unknown."""
    table = "Inter-|   Receive  |  Transmit\n face |bytes packets|bytes packets\n    lo: 1 2 3 4\n  eth0: 5 6 7 8\n"

    assert parse(RawView(lists={"/sys/class/net": ("lo", "eth0")}, files={"net/dev": ""})).interfaces == ("eth0", "lo")
    assert parse(RawView(files={"net/dev": table})).interfaces == ("eth0", "lo")
    assert parse(RawView(files={"net/dev": "a\nb\n"})).interfaces == ()
    assert parse(RawView()).interfaces is None


def test_limits_are_the_same_from_both_versions() -> None:
    """64 MiB, a fifth of a CPU and 64 processes read alike on v1 and v2, and so does no limit."""
    one = limits.parse(
        {
            "memory/memory.limit_in_bytes": "67108864\n", "memory/memory.memsw.limit_in_bytes": "67108864\n",
            "cpu,cpuacct/cpu.cfs_quota_us": "20000\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n", "cpu/cpu.shares": "51\n",
            "pids/pids.max": "64\n",
        }
    )  # fmt: skip
    two = limits.parse(
        {
            "memory.max": "67108864",
            "memory.swap.max": "0",
            "cpu.max": "20000 100000",
            "cpu.weight": "2",
            "pids.max": "64",
        }
    )

    assert one == Limits(memory=2**26, swap=0, quota=20000, period=100000, shares=51, pids=64)
    assert two == Limits(memory=2**26, swap=0, quota=20000, period=100000, weight=2, pids=64)


@pytest.mark.parametrize("most", ["9223372036854771712", "9223372036854710272", "max", "-1"])
def test_no_limit_is_no_limit_whatever_the_page_size(most: str) -> None:
    """v1's greatest number is that of whole pages, of 4 or 64 KiB."""
    assert limits.parse({"memory/memory.limit_in_bytes": most}).memory == UNLIMITED
    assert limits.parse({}).memory is None


def test_a_mount_is_read_with_its_spaces_and_options() -> None:
    """Escaped blanks are undone; the later of two mounts on a point is the one that is seen."""
    view = parse(
        RawView(
            files={
                "mountinfo": "1 0 8:1 / /a\\040b ro,nosuid shared:7 master:2 - ext4 /dev/sda1 rw,data=x\n"
                "2 1 0:5 /in /a\\040b rw - tmpfs none rw,size=64k\nbroken\n"
            }
        )
    )
    assert view.mounts is not None
    first, second = view.mounts

    assert (first.point, first.propagation, first.read_only) == ("/a b", ("shared:7", "master:2"), True)
    assert view.mount("/a b") == second
    assert second.place == ("0:5", "/in")


def test_the_network_is_read() -> None:
    """Addresses but those of the loopback, routes with their gateways, and the resolver's last search list."""
    view = parse(
        RawView(
            files={
                "net/fib_trie": "Local:\n     |-- 10.85.0.2\n        /32 host LOCAL\n     |-- 10.85.0.255\n        /32 link BROADCAST\n"
                "     |-- 127.0.0.1\n        /32 host LOCAL\n",
                "net/if_inet6": "fd000000000000000000000000000002 04 40 00 82     eth0\n"
                "00000000000000000000000000000001 01 80 10 80       lo\n",
                "net/route": "Iface\neth0\t00000000\t0100550A\t0003\t0\t0\t0\t00000000\t0\t0\t0\neth0\t0000550A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n",
                "/etc/resolv.conf": "domain a\nsearch b c\nnameserver 10.96.0.10\noptions ndots:5\n# end\n",
            }
        )
    )

    assert view.addresses == ("10.85.0.2", "fd00:0000:0000:0000:0000:0000:0000:0002")
    assert view.routes == (
        procfs.Route("eth0", "default", "10.85.0.1"),
        procfs.Route("eth0", "10.85.0.0/16", ""),
    )
    assert view.resolver == procfs.Resolver(("10.96.0.10",), ("b", "c"), ("ndots:5",))


def test_a_process_is_read_from_the_host_and_from_inside() -> None:
    """Both views of one container are read by the same parser, and agree where they must."""
    seen = good().container("one")
    assert seen is not None
    inside, outside = parse(seen.inside), parse(seen.outside)

    assert (outside.pid, inside.pid, inside.processes) == (1, 7, (1, 7))
    assert inside.first_process == "/probe wait --lines 20"
    assert inside.hostname == outside.hostname == "migrator-probe-a"
    assert inside.label == outside.label == "cri-containerd.apparmor.d"
    assert outside.rlimits["Max open files"] == "1024:524288"
    assert (outside.seccomp, outside.no_new_privileges, outside.oom_score_adj) == (0, False, 997)
    assert (inside.interfaces, inside.mtu("eth0")) == (("eth0", "lo"), 1450)


def test_crun_and_systemd_name_the_same_place() -> None:
    """A process of crun sits one level below its scope, and the scope is what is looked for."""
    view = parse(RawView(files={"cgroup": "0::/kubepods.slice/crio-" + "a" * 64 + ".scope/container\n"}))

    assert cgroup_paths.found(view) == "kubepods.slice/crio-" + "a" * 64 + ".scope"


@pytest.mark.parametrize(
    ("path", "driver"),
    [
        ("kubepods.slice/docker-" + "a" * 64 + ".scope", "systemd"),
        ("kubepods/burstable/podx/" + "a" * 64, "cgroupfs"),
        ("kubepods/burstable/podx/crio-" + "a" * 64, "cgroupfs"),
        ("system.slice/kubepods-burstable-podx.slice:cri-containerd:" + "a" * 64, "cgroupfs"),
        ("system.slice/ssh.service", ""),
    ],
)
def test_the_driver_is_told_from_the_name(path: str, driver: str) -> None:
    """Scopes are systemd's; a kubelet's slice as part of a name is the mark of a runtime without it (containerd#7276)."""
    assert cgroup_paths.driver(path) == driver


def test_slices_have_the_names_above_them() -> None:
    """systemd.slice(5): a slice's name is its path, and dashes of its own become underscores."""
    assert cgroup_paths.slices(["kubepods", "burstable", "podab-cd"]) == (
        "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podab_cd.slice"
    )


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("v1.20.2", (1, 20, 2)), ("1.6.20~ds1", (1, 6, 20)), ("", (0, 0, 0)), ("20.10.24+dfsg1", (20, 10, 24))],
)
def test_versions_are_read(text: str, numbers: tuple[int, int, int]) -> None:
    """Distributions' suffixes do not matter."""
    assert runtime_traits.version(text) == numbers


ODD = st.one_of(
    st.text(max_size=80),
    st.sampled_from(
        ["NSpid:\n", "CapBnd:\tzz\n", "a:b", "1:memory\n", "0 0\n", " - ", "1 2 3 4 5 6 - x", "eth0\tx\ty\tz\n", "|-- 1\n", "\0", "Max open files  x"]
    ),
)  # fmt: skip


@given(
    st.dictionaries(st.sampled_from(FILES), ODD),
    st.dictionaries(st.sampled_from(["memory.max", "cpu.max", "pids/pids.max"]), ODD),
)
def test_odd_texts_never_raise(files: dict[str, str], cgroup: dict[str, str]) -> None:
    """Whatever stands in a file, a view of it can be had and asked everything."""
    view = parse(RawView(files=files, cgroup=cgroup, lists={"/proc": ("1", "x")}))

    for name in SETS:
        view.capabilities(name)
    known = (view.pid, view.hostname, view.label, view.seccomp, view.no_new_privileges, view.interfaces, view.processes)
    assert len([*known, view.id_map("uid_map"), view.mtu("eth0"), view.first_process, cgroup_paths.found(view)]) == 11
