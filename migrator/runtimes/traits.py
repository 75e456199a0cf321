"""What a container can tell of the runtime that it runs on, and what its node shows of that runtime."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from migrator import versions

FEWER = frozenset(
    {"CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "NET_BIND_SERVICE"}
)
"""cri-o pkg/config/config.go, default_capabilities."""
LACKING = frozenset({"NET_RAW", "SYS_CHROOT", "MKNOD", "AUDIT_WRITE", "SETFCAP"})
"""What Docker and containerd give and CRI-O does not."""
USUAL = FEWER | LACKING
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
    clears_inheritable: versions.Release
    """First version that leaves the inheritable set empty (CVE-2022-24769)."""
    privileged_pass_on: bool
    """Whether privileged containers have all capabilities in the inheritable and the ambient set too."""
    privileged_cgroup_namespace: bool
    """Whether privileged containers too have a cgroup namespace of their own on v2."""
    low_ports: versions.Release | None
    """First version in which containers may bind ports below 1024 without a capability; None for none."""
    started_by_socket: bool = False
    """Whether a socket's unit may start its service, which need not be enabled then."""
    settable: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What the user can have told it for all containers, and that nothing but a container shows: by what it decides
    on, the name of the setting."""
    filters_unasked: tuple[versions.Version, versions.Version] | None = None
    """First and last version that give a seccomp filter to a container that asked for none."""
    processes: str = ""
    """Limit of processes ("soft:hard") that its own service has and containers inherit; "" where it has none."""
    litter: re.Pattern[str] | None = None
    """What containers that are gone leave in its state folder by no fault of the runtime."""

    @property
    def lacks(self) -> frozenset[str]:
        """The usual default capabilities that containers do not get."""
        return USUAL - self.capabilities
