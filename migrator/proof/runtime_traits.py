"""In what the runtimes differ, as far as a container can tell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from migrator.model.evidence import NodeProfile

Version = tuple[int, int, int]

_FEWER = frozenset(
    {"CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "NET_BIND_SERVICE"}
)
"""cri-o pkg/config/config.go, default_capabilities."""
LACKING = frozenset({"NET_RAW", "SYS_CHROOT", "MKNOD", "AUDIT_WRITE", "SETFCAP"})
"""What Docker and containerd give and CRI-O does not."""
_USUAL = _FEWER | LACKING
"""moby oci/caps/defaults.go; containerd pkg/oci defaultUnixCaps."""


@dataclass(frozen=True)
class Traits:
    """One runtime."""

    scope: str
    """What stands before a container's id in the name of its systemd scope."""
    plain: str
    """What stands before it in a cgroup that systemd did not make."""
    capabilities: frozenset[str]
    label: str
    """AppArmor profile of containers that ask for none."""
    shares_uts: bool
    """Whether the containers of a pod have their sandbox's UTS namespace, or one each with the same name in it."""
    service: str
    clears_inheritable: Version
    """First version that leaves the inheritable set empty (CVE-2022-24769)."""
    privileged_pass_on: bool
    """Whether privileged containers have all capabilities in the inheritable and the ambient set too."""
    privileged_cgroup_namespace: bool
    """Whether privileged containers too have a cgroup namespace of their own on v2."""
    low_ports: Version | None
    """First version in which containers may bind ports below 1024 without a capability; None for none."""


TRAITS: Mapping[str, Traits] = {
    "docker": Traits(
        scope="docker-", plain="", capabilities=_USUAL, label="docker-default", shares_uts=False, service="docker",
        clears_inheritable=(20, 10, 14), privileged_pass_on=False, privileged_cgroup_namespace=True,
        low_ports=(20, 10, 0),
    ),
    "containerd": Traits(
        scope="cri-containerd-", plain="", capabilities=_USUAL, label="cri-containerd.apparmor.d", shares_uts=True,
        service="containerd", clears_inheritable=(1, 6, 2), privileged_pass_on=False, privileged_cgroup_namespace=False,
        low_ports=(2, 0, 0),
    ),
    "cri-o": Traits(
        scope="crio-", plain="crio-", capabilities=_FEWER, label="crio-default", shares_uts=True, service="crio",
        # internal/factory/container/container.go, SpecSetPrivileges, by SetupPrivileged of runtime-tools (1.37).
        clears_inheritable=(1, 24, 0), privileged_pass_on=True, privileged_cgroup_namespace=False, low_ports=None,
    ),
}  # fmt: skip


def version(text: str) -> Version:
    """Read the first three numbers of a version; zeros for what is not there."""
    numbers = [int(word) for word in re.findall(r"\d+", text.partition("+")[0].partition("-")[0])[:3]]
    first, second, third = (*numbers, 0, 0, 0)[:3]
    return first, second, third


def release(circumstances: NodeProfile) -> Version:
    """Give the runtime's version, (0, 0, 0) when it is not known."""
    return version(circumstances.runtime_version)


def opens_low_ports(circumstances: NodeProfile) -> bool:
    """Tell whether containers get ip_unprivileged_port_start=0 and an open ping_group_range by themselves."""
    traits = TRAITS.get(circumstances.runtime)
    return bool(traits and traits.low_ports and release(circumstances) >= traits.low_ports)


def filters_unasked(circumstances: NodeProfile) -> bool:
    """Tell whether the runtime gives a seccomp filter to a container that asked for none.

    CRI-O 1.24 to 1.29 does (its pkg/config/config.go, seccomp_use_default_when_empty).
    """
    return circumstances.runtime == "cri-o" and (1, 24) <= release(circumstances)[:2] <= (1, 29)
