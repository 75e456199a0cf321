"""What is left of removed probes by no fault of the runtime. Pure."""

from __future__ import annotations

import re

from migrator.model.proof import Circumstances, Left

_KUBELETS_OWN = re.compile(r"/kubepods/(?:burstable/|besteffort/)?pod[0-9a-f-]+")
"""Seen with kubelet 1.20.2 on cgroup v2 with the systemd driver: beside each pod's slice it makes an empty cgroup of
the cgroupfs driver's name and never removes it. The runtime is only ever told the slice."""


def excused(left: Left, known: Circumstances) -> bool:
    """Tell whether something is not the runtime's to remove."""
    if left.kind != "cgroup" or known.cgroup_driver != "systemd":
        return False
    return _KUBELETS_OWN.fullmatch(left.what.partition(" ")[0]) is not None
