"""What changed with the runtime is announced by a known reason, and everything else is not."""

from __future__ import annotations

from typing import Any

import pytest

from migrator.model.evidence import Difference, Evidence, Via
from migrator.proof import privileges
from migrator.proof.compare import differences
from migrator.proof.expected_differences import REASONS
from migrator.proof.verdict import judge
from tests.fakes.proof import RUNTIMES, good, knowing, spoilt, status

DOCKER, CONTAINERD, CRIO = good("docker"), good("containerd"), good("cri-o")


def found(before: Evidence, now: Evidence) -> dict[str, Difference]:
    """Give differences by what differs."""
    return {entry.what: entry for entry in differences(before, now)}


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_same_node_twice_has_no_difference(runtime: str) -> None:
    """New pods with new ids, addresses and namespaces are not another way."""
    now = good(runtime, uids={"a": "11111111-2222-4333-8444-555555555555"})

    assert differences(good(runtime), now) == ()
    assert judge(now, good(runtime)).good


@pytest.mark.parametrize("before", RUNTIMES)
@pytest.mark.parametrize("now", RUNTIMES)
def test_healthy_migrations_change_only_what_was_announced(before: str, now: str) -> None:
    """From any runtime to any other each difference has a reason and a source, and the verdict stays good."""
    verdict = judge(good(now), good(before))

    assert verdict.unannounced == ()
    assert all(entry.source for entry in verdict.differences)
    assert verdict.good


ANNOUNCED: dict[str, tuple[Evidence, Evidence, str, str, str]] = {
    "AppArmor's profile": (DOCKER, CONTAINERD, "label[a/one]", "docker-default", "cri-containerd.apparmor.d"),
    "ports below 1024": (DOCKER, CONTAINERD, "sysctl-net.ipv4.ip_unprivileged_port_start[a/one]", "0", "1024"),
    "who may ping": (DOCKER, CRIO, "sysctl-net.ipv4.ping_group_range[a/one]", "0 2147483647", "1 0"),
    "ports in containerd 2": (
        CONTAINERD, good(runtime_version="2.1.9", kubelet_version="1.34.0"),
        "sysctl-net.ipv4.ip_unprivileged_port_start[a/one]", "1024", "0"),
    "the hostname's namespace": (DOCKER, CONTAINERD, "uts-of-pod", "one each", "shared"),
    "CRI-O's filter": (DOCKER, CRIO, "seccomp[a/one]", "0", "2"),
    "a privileged container's cgroup namespace": (DOCKER, CONTAINERD, "cgroup-namespace[c/mounter]", "its own", "the host's"),
    "what CRI-O's privileged containers pass on": (
        DOCKER, CRIO, "capabilities-ambient[c/mounter]", "none", privileges.written(frozenset(privileges.CAPABILITIES))),
    "what others' do not": (
        CRIO, CONTAINERD, "capabilities-inheritable[c/mounter]", privileges.written(frozenset(privileges.CAPABILITIES)), "none"),
    "a setting that was given up": (
        spoilt(DOCKER, outside={"files": {"status": status(DOCKER, "one", NoNewPrivs="1")}}),
        knowing(CONTAINERD, given_up=("no-new-privileges",)), "no-new-privileges[a/one]", "set", "not set"),
    "limits that the plan warned of": (
        good("docker", open_files="5:6"), knowing(good(open_files="7:8"), open_files="", given_up=("default-ulimits",)),
        "rlimit-open-files[a/one]", "5:6", "7:8"),
    "another storage driver": (
        spoilt(DOCKER, inside={"files": {"mountinfo": "1 0 0:9 / / rw - xfs /dev/mapper/docker-1 rw\n"}}),
        spoilt(CONTAINERD, inside={"files": {"mountinfo": "1 0 0:9 / / rw - overlay overlay rw\n"}}),
        "mount-/[a/one]", "xfs", "overlay"),
    "open files that the plan translated": (
        good("docker", open_files="1048576:1048576"), CONTAINERD, "rlimit-open-files[a/one]", "1048576:1048576", "1024:524288"),
    "an inheritable set that a fix emptied": (
        knowing(spoilt(DOCKER, outside={"files": {"status": status(DOCKER, "one", CapInh="00000000a80425fb")}}), runtime_version="20.10.5"),
        CONTAINERD, "capabilities-inheritable[a/one]", "", "none"),
    "Docker's masked /proc/asound": (
        spoilt(DOCKER, inside={"lists": {"masked": ("/proc/asound", "/proc/kcore")}}),
        spoilt(CONTAINERD, inside={"lists": {"masked": ("/proc/kcore",)}}), "paths-masked[a/one]", "/proc/asound /proc/kcore", "/proc/kcore"),
    "CRI-O's limit of processes": (
        DOCKER, spoilt(CRIO, outside={"files": {"limits": "Max processes             1048576              1048576              processes\n"}}),
        "rlimit-processes[a/one]", "unlimited:unlimited", "1048576:1048576"),
    "capabilities of newer kernels": (
        spoilt(DOCKER, "mounter", outside={"files": {"status": status(DOCKER, "mounter", CapBnd="0000003fffffffff")}}),
        CONTAINERD, "capabilities-bounding[c/mounter]", "", ""),
    "CRI-O's fewer capabilities": (DOCKER, CRIO, "capabilities-bounding[a/one]", "", ""),
    "Docker's more capabilities": (CRIO, DOCKER, "capabilities-effective[a/one]", "", ""),
}  # fmt: skip


@pytest.mark.parametrize(("before", "now", "what", "old", "new"), ANNOUNCED.values(), ids=ANNOUNCED)
def test_known_effects_are_announced(before: Evidence, now: Evidence, what: str, old: str, new: str) -> None:
    """A difference that a runtime is known to bring says why, and who says so."""
    entry = found(before, now)[what]

    assert entry.announced
    assert entry.source
    assert old in entry.before
    assert new in entry.after


def test_every_reason_is_used() -> None:
    """Each reason of the table explains one of these differences: none stands there unproved."""
    used = {found(before, now)[what].announced for before, now, what, _, _ in ANNOUNCED.values()}

    assert used == {reason.why for reason in REASONS}


def changed(now: Evidence, name: str = "one", **views: Any) -> Evidence:
    """Spoil the later session."""
    return spoilt(now, name, **views)


def fields(evidence: Evidence, name: str = "one", **values: str) -> dict[str, dict[str, str]]:
    """Spoil fields of /proc/PID/status."""
    return {"files": {"status": status(evidence, name, **values)}}


UNANNOUNCED: dict[str, tuple[Evidence, Evidence, str]] = {
    "confinement lost": (DOCKER, changed(CONTAINERD, outside={"files": {"attr/current": "unconfined\n"}}), "label[a/one]"),
    "a capability that CRI-O would give": (
        DOCKER, changed(CRIO, outside=fields(CRIO, CapBnd="00000000000005fa")), "capabilities-bounding[a/one]"),
    "a capability more": (DOCKER, changed(CONTAINERD, outside=fields(CONTAINERD, CapEff="00000000a82425fb")), "capabilities-effective[a/one]"),
    "a filter lost": (DOCKER, changed(CONTAINERD, "two", outside=fields(CONTAINERD, "two", Seccomp="0")), "seccomp[a/two]"),
    "privileges to gain": (DOCKER, changed(CONTAINERD, "two", outside=fields(CONTAINERD, "two", NoNewPrivs="0")), "no-new-privileges[a/two]"),
    "fewer open files": (
        DOCKER, knowing(changed(CONTAINERD, outside={"files": {"limits": "Max open files            512                  512                  files\n"}}), open_files=""),
        "rlimit-open-files[a/one]"),
    "processes that containerd does not limit so": (
        DOCKER, spoilt(CONTAINERD, outside={"files": {"limits": "Max processes             1048576              1048576              processes\n"}}),
        "rlimit-processes[a/one]"),
    "processes that CRI-O does not limit so": (
        DOCKER, spoilt(CRIO, outside={"files": {"limits": "Max processes             4096                 4096                 processes\n"}}),
        "rlimit-processes[a/one]"),
    "a unit whose limit somebody lowered": (CONTAINERD, good(open_files="512:512"), "rlimit-open-files[a/one]"),
    "a sysctl that is nobody's default": (
        DOCKER, changed(CONTAINERD, inside={"files": {"/proc/sys/net/ipv4/ip_unprivileged_port_start": "80\n"}}),
        "sysctl-net.ipv4.ip_unprivileged_port_start[a/one]"),
    "another resolver": (DOCKER, changed(CONTAINERD, inside={"files": {"/etc/resolv.conf": "nameserver 9.9.9.9\n"}}), "resolver[a/one]"),
    "resolvers in another order": (
        changed(DOCKER, inside={"files": {"/etc/resolv.conf": "nameserver 9.9.9.9\nnameserver 1.1.1.1\n"}}),
        changed(CRIO, inside={"files": {"/etc/resolv.conf": "nameserver 1.1.1.1\nnameserver 9.9.9.9\n"}}), "resolver[a/one]"),
    "resolvers in another order the other way": (
        changed(CRIO, inside={"files": {"/etc/resolv.conf": "nameserver 9.9.9.9\nnameserver 1.1.1.1\n"}}),
        changed(DOCKER, inside={"files": {"/etc/resolv.conf": "nameserver 1.1.1.1\nnameserver 9.9.9.9\n"}}), "resolver[a/one]"),
    "another way out": (
        DOCKER, changed(CONTAINERD, inside={"files": {"net/route": "Iface\neth0\t00000000\tFE00550A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"}}), "routes[a/one]"),
    "smaller packets": (DOCKER, changed(CONTAINERD, inside={"files": {"/sys/class/net/eth0/mtu": "1400\n"}}), "mtu-eth0[a/one]"),
    "more to see": (DOCKER, changed(CONTAINERD, inside={"lists": {"unmasked": ("/proc/kcore",)}}), "paths-unmasked[a/one]"),
    "less hidden": (DOCKER, changed(CONTAINERD, inside={"lists": {"masked": ("/proc/kcore",)}}), "paths-masked[a/one]"),
    "a larger shm": (
        DOCKER, changed(CONTAINERD, inside={"files": {"mountinfo": "1 0 0:9 / /dev/shm rw - tmpfs shm rw,size=1g\n"}}), "shm-size[a/one]"),
    "another kind of root": (DOCKER, changed(CONTAINERD, inside={"files": {"mountinfo": "1 0 0:9 / / rw - tmpfs none rw\n"}}), "mount-/[a/one]"),
    "somebody else's hostname": (DOCKER, changed(CONTAINERD, inside={"names": {"nodename": "worker-1"}}), "hostname[a/one]"),
    "a network that is not shared": (DOCKER, changed(CONTAINERD, outside={"links": {"ns/net": "net:[1]"}}), "net-of-pod"),
    "remapped users": (DOCKER, changed(CONTAINERD, outside={"links": {"ns/user": "user:[1]"}}), "user-namespace[a/one]"),
    "the host's cgroup namespace": (
        DOCKER, changed(CONTAINERD, outside={"links": {"ns/cgroup": CONTAINERD.host.raw.links["ns/cgroup"]}}), "cgroup-namespace[a/one]"),
}  # fmt: skip


@pytest.mark.parametrize(("before", "now", "what"), UNANNOUNCED.values(), ids=UNANNOUNCED)
def test_anything_else_is_unannounced(before: Evidence, now: Evidence, what: str) -> None:
    """A difference that no change of runtime explains keeps the verdict from being good."""
    entry = found(before, now)[what]

    verdict = judge(now, before)

    assert not entry.announced
    assert not verdict.good
    assert entry in verdict.unannounced


def test_what_selinux_draws_by_lot_is_no_difference() -> None:
    """Each container has categories of its own; another type is another way."""

    def labelled(level: str, kind: str = "container_t") -> Evidence:
        label = f"system_u:system_r:{kind}:s0:{level}\n"
        return spoilt(knowing(CONTAINERD, security_modules=("selinux",)), outside={"files": {"attr/current": label}})

    assert found(labelled("c1,c2"), labelled("c3,c4")) == {}
    assert found(labelled("c1,c2"), labelled("c1,c2", "spc_t"))["label[a/one]"].after == "system_u:system_r:spc_t"


def test_what_a_kubelet_brings_is_no_difference_of_a_rehearsal() -> None:
    """Pods of a session without a kubelet have no cluster DNS and no filter by its default, which is no change."""
    before = good("docker", seccomp_default="RuntimeDefault")
    now = spoilt(good(via=Via.CRI), inside={"files": {"/etc/resolv.conf": "nameserver 9.9.9.9\n"}})

    assert not {"resolver[a/one]", "seccomp[a/one]"} & found(before, now).keys()
    assert judge(now, before).unannounced == ()


SEEN = sorted(
    (side, part, name)
    for side in ("inside", "outside")
    for part in ("files", "links", "lists", "names")
    for name in getattr(getattr(CONTAINERD.container("one"), side), part)
)


@pytest.mark.parametrize(("side", "part", "name"), SEEN)
def test_what_could_not_be_read_is_no_difference(side: str, part: str, name: str) -> None:
    """One file, namespace or list that one of two sessions did not see says nothing."""
    less = spoilt(CONTAINERD, **{side: {part: {name: None}}})

    assert differences(CONTAINERD, less) == ()
    assert differences(less, CONTAINERD) == ()


@pytest.mark.parametrize("field", ["Seccomp", "NoNewPrivs", "CapEff", "CapBnd", "CapInh", "CapPrm", "CapAmb"])
def test_a_field_that_a_kernel_does_not_have_is_no_difference(field: str) -> None:
    """It is no value called None."""
    text = "".join(row for row in status(CONTAINERD, "one").splitlines(keepends=True) if not row.startswith(field))
    less = spoilt(CONTAINERD, outside={"files": {"status": text}}, inside={"files": {"status": text}})

    assert differences(CONTAINERD, less) == ()


def test_what_one_session_did_not_see_is_no_difference() -> None:
    """Differences need both sides: a view that is missing is unknown, which the checks say already."""
    now = CONTAINERD.containers[0].model_copy(update={"inside": None, "outside": None})
    evidence = CONTAINERD.model_copy(update={"containers": (now,)})

    assert differences(DOCKER, evidence) == ()
