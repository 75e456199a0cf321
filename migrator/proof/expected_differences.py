"""Which differences a change of runtime is known to bring. Everything else is unannounced, and has to be looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from migrator.model.evidence import NodeProfile, ProbeContainerSpec
from migrator.proof import privileges, runtime_traits
from migrator.runtimes.traits import Traits

_ALL_PORTS, _ROOTS_PORTS = "0", "1024"
_PING_ALL, _PING_NONE = "0 2147483647", "1 0"
_ASOUND = "/proc/asound"


class Change(NamedTuple):
    """Something that is another way than before."""

    what: str
    where: str
    """"a/one", or "" for what a session has as a whole."""
    before: str
    after: str
    then: NodeProfile
    now: NodeProfile
    asked: ProbeContainerSpec | None
    """What the container was asked to be; None for a session's."""

    @property
    def another_runtime(self) -> bool:
        """Whether the runtime is not the one of before."""
        return self.then.runtime != self.now.runtime

    @property
    def traits(self) -> tuple[Traits | None, Traits | None]:
        """Those of the runtime before and of the one now; None for one that we do not know."""
        return runtime_traits.traits(self.then), runtime_traits.traits(self.now)

    @property
    def another_release(self) -> bool:
        """Whether it is at least another release of it."""
        return self.another_runtime or runtime_traits.release(self.then) != runtime_traits.release(self.now)


class Reason(NamedTuple):
    """Why a difference is known to happen."""

    why: str
    source: str
    applies: Callable[[Change], bool]


def announced(change: Change) -> Reason | None:
    """Give the reason that explains the whole of a difference; None when nobody announced it."""
    return next((reason for reason in REASONS if reason.applies(change)), None)


def _label(change: Change) -> bool:
    if change.what != "label" or not change.another_runtime:
        return False
    profiles = [known.label for known in change.traits if known]
    return len(profiles) == 2 and change.before.startswith(profiles[0]) and change.after.startswith(profiles[1])


def _fewer_capabilities(change: Change) -> bool:
    lost = _words(change.before) - _words(change.after)
    gained, lacking = _words(change.after) - _words(change.before), _lacks(change.now)
    return _capabilities_of(change) and bool(lacking) and not gained and lost <= lacking


def _more_capabilities(change: Change) -> bool:
    lost = _words(change.before) - _words(change.after)
    gained, lacking = _words(change.after) - _words(change.before), _lacks(change.then)
    return _capabilities_of(change) and bool(lacking) and not lost and gained <= lacking


def _lacks(known: NodeProfile) -> frozenset[str]:
    """Give the usual default capabilities that a runtime is known not to give."""
    traits = runtime_traits.traits(known)
    return traits.lacks if traits else frozenset()


def _capabilities_of(change: Change) -> bool:
    privileged = change.asked is None or change.asked.privileged
    return change.what.startswith("capabilities-") and change.another_runtime and not privileged


def _newer_capabilities(change: Change) -> bool:
    different = _words(change.before) ^ _words(change.after)
    privileged = change.asked is not None and change.asked.privileged
    return (
        change.what.startswith("capabilities-")
        and change.another_release
        and privileged
        and not different & privileges.OLD
    )


def _inheritable(change: Change) -> bool:
    return change.what == "capabilities-inheritable" and change.another_release and change.after == "none"


def _privileged_pass_on(change: Change) -> bool:
    differ = {known.privileged_pass_on for known in change.traits if known} == {True, False}
    privileged = change.asked is not None and change.asked.privileged
    sets = {"capabilities-inheritable", "capabilities-ambient"}
    return change.what in sets and privileged and differ and "none" in {change.before, change.after}


def _words(capabilities: str) -> frozenset[str]:
    return frozenset(capabilities.split()) - {"none"}


def _low_ports(change: Change) -> bool:
    values = {"sysctl-net.ipv4.ip_unprivileged_port_start": (_ALL_PORTS, _ROOTS_PORTS),
              "sysctl-net.ipv4.ping_group_range": (_PING_ALL, _PING_NONE)}.get(change.what)  # fmt: skip
    if values is None:
        return False
    then, now = runtime_traits.opens_low_ports(change.then), runtime_traits.opens_low_ports(change.now)
    return then != now and (change.before, change.after) == (values if then else values[::-1])


def _uts(change: Change) -> bool:
    each_its_own = any(known and not known.shares_uts for known in change.traits)
    return change.what == "uts-of-pod" and each_its_own and change.another_runtime


_GIVEN_UP = {
    "no-new-privileges": ("no-new-privileges",),
    "userns-remap": ("user-namespace",),
    "seccomp-profile": ("seccomp",),
    "selinux-enabled": ("label",),
    "default-shm-size": ("shm-size",),
    "default-cgroupns-mode": ("cgroup-namespace",),
    "default-ulimits": ("rlimit-",),
}
"""What in a container each setting of Docker decides on, by how its name begins."""


def _given_up(change: Change) -> bool:
    begins = tuple(what for key in change.now.given_up for what in _GIVEN_UP.get(key, ()))
    return change.another_runtime and change.what.startswith(begins)


def _root_mount(change: Change) -> bool:
    return change.what == "mount-/" and change.another_runtime and change.after in {"overlay", "btrfs", "zfs"}


def _open_files(change: Change) -> bool:
    # On the same runtime as before, a configuration that says so now is itself what somebody has changed.
    said = change.another_runtime and bool(change.now.open_files)
    return change.what == "rlimit-open-files" and said and change.after == change.now.open_files


def _processes(change: Change) -> bool:
    now = runtime_traits.traits(change.now)
    by_service = now is not None and bool(now.processes) and change.after == now.processes
    return change.what == "rlimit-processes" and change.another_runtime and by_service


def _cgroup_namespace(change: Change) -> bool:
    if change.what != "cgroup-namespace" or not change.another_runtime:
        return False
    if change.asked is not None and change.asked.privileged:
        return change.after == _cgroup_namespace_of(change.now) and change.before == _cgroup_namespace_of(change.then)
    return bool(runtime_traits.setting(change.then, "cgroup")) and change.after == "its own"


def _cgroup_namespace_of(known: NodeProfile) -> str:
    traits = runtime_traits.traits(known)
    return "its own" if traits and traits.privileged_cgroup_namespace and known.cgroup == "v2" else "the host's"


def _seccomp(change: Change) -> bool:
    if change.what != "seccomp" or change.asked is None or change.asked.seccomp or change.asked.privileged:
        return False
    then, now = runtime_traits.filters_unasked(change.then), runtime_traits.filters_unasked(change.now)
    return then != now and (change.before, change.after) == (("2", "0") if then else ("0", "2"))


def _more_hidden(change: Change) -> bool:
    """More masked paths, or fewer to see, by lists that runtimes add of their own."""
    if not change.another_release or not change.what.startswith("paths-"):
        return False
    old, new = frozenset(change.before.split()) - {"none"}, frozenset(change.after.split()) - {"none"}
    if change.what in {"paths-masked", "paths-readonly"}:
        return old < new or old ^ new == {_ASOUND}
    return new < old


REASONS: tuple[Reason, ...] = (
    Reason("each runtime has an AppArmor profile of its own name",
           "moby profiles/apparmor; containerd contrib/apparmor; cri-o internal/config/apparmor", _label),
    Reason("CRI-O does not give NET_RAW, SYS_CHROOT, MKNOD, AUDIT_WRITE and SETFCAP",
           "cri-o pkg/config/config.go, default_capabilities", _fewer_capabilities),
    Reason("Docker and containerd give five capabilities that CRI-O does not",
           "moby oci/caps/defaults.go; containerd pkg/oci", _more_capabilities),
    Reason("capabilities of Linux 5.8 and later are known to newer runtimes alone",
           "linux/capability.h; moby oci/caps", _newer_capabilities),
    Reason("fixed versions pass no capabilities on to programs", "CVE-2022-24769", _inheritable),
    Reason("CRI-O's privileged containers have all capabilities in these sets too, others have none",
           "cri-o internal/factory/container/container.go, SpecSetPrivileges", _privileged_pass_on),
    Reason("Docker from 20.10 and containerd from 2.0 open ports below 1024 and ping to every user, others do not",
           "moby daemon/oci_linux.go (20.10); containerd docs/containerd-2.0.md", _low_ports),
    Reason("with Docker each container has a hostname's namespace of its own, with the others the pod has one",
           "kubernetes 1.20.2 pkg/kubelet/dockershim/security_context.go; containerd pkg/cri/opts", _uts),
    Reason("the plan said that this setting of Docker's would be lost",
           "docs/checks.md, docker-settings-lost and ulimits-change", _given_up),
    Reason("each runtime has a way of its own to put images together",
           "moby daemon/graphdriver; containerd docs/snapshotters", _root_mount),
    Reason("the configuration of the new runtime says so", "LimitNOFILE or default-ulimits", _open_files),
    Reason("CRI-O's service limits processes to 1048576", "cri-o contrib/systemd/crio.service", _processes),
    Reason("runtimes differ in whom they give a cgroup namespace",
           "moby daemon/daemon_unix.go; containerd pkg/cri/server", _cgroup_namespace),
    Reason("CRI-O 1.24 to 1.29 filters system calls of containers that ask for nothing",
           "cri-o pkg/config/config.go, seccomp_use_default_when_empty", _seccomp),
    Reason("runtimes hide paths of their own beside the kubelet's",
           "moby oci/defaults.go; kubernetes#125970, #131018", _more_hidden),
)  # fmt: skip
"""Looked through in this order."""
