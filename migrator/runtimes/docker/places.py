"""Where a setting of Docker's goes: the new runtime's places, the kubelet's and the host's."""

from __future__ import annotations

from migrator.runtimes.destination import Destination
from migrator.runtimes.registry import RUNTIMES

KUBELET = "/var/lib/kubelet/config.yaml"
SYSCTL = "/etc/sysctl.d/zz-migrator.conf"


def place(what: str, to: Destination, name: str = "") -> str:
    """Name the file and the key of a setting; "" when that runtime, in that version, has none.

    `what` is the setting's field in `RuntimeSettings` where it has one; `name` says which of several, for example
    a registry.
    """
    return RUNTIMES[to.runtime].place(what, to.version, name)
