"""What is left of removed probes by no fault of the runtime. Pure."""

from __future__ import annotations

import re

from migrator.model.evidence import Leftover, NodeProfile
from migrator.proof.runtime_traits import traits

_KUBELETS_OWN = re.compile(r"/kubepods/(?:burstable/|besteffort/)?pod[0-9a-f-]+")
"""A pod's cgroup under the cgroupfs driver's name; what follows it are the hierarchies of version 1 that it is in.

Seen with kubelet 1.20.2 on cgroup v2 with the systemd driver: beside each pod's slice it makes an empty cgroup of
that name and never removes it; the runtime is only ever told the slice. Seen with the same kubelet and the cgroupfs
driver where version 1 is used and version 2 mounted beside it (systemd's hybrid layout): what is made for a pod in
that last hierarchy, empty, is never removed, because the kubelet knows only those of version 1.
"""


def excused(left: Leftover, known: NodeProfile) -> bool:
    """Tell whether something is not the runtime's to remove."""
    if left.kind == "state":
        own = traits(known)
        return own is not None and own.litter is not None and own.litter.fullmatch(left.what) is not None
    if left.kind != "cgroup":
        return False
    path, _, version_1 = left.what.partition(" ")
    if _KUBELETS_OWN.fullmatch(path) is None:
        return False
    return known.cgroup_driver == "systemd" or (known.cgroup != "v2" and not version_1)
