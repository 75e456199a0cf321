"""The traits of the runtime that evidence is about: its own object has them."""

from __future__ import annotations

import re

from migrator.model.evidence import NodeProfile
from migrator.runtimes.registry import of_scheme
from migrator.runtimes.traits import Traits
from migrator.versions import Release


def traits(circumstances: NodeProfile) -> Traits | None:
    """Give what is right for the runtime; None for one of which nobody has written that down."""
    runtime = of_scheme(circumstances.runtime)
    return runtime.traits if runtime else None


def setting(circumstances: NodeProfile, of: str, *, otherwise: str = "") -> str:
    """Name the runtime's setting for all containers that may have decided on something; "" when there is none.

    `otherwise` is what a runtime may have that we do not know.
    """
    known = traits(circumstances)
    return known.settable.get(of, "") if known else otherwise


def version(text: str) -> Release:
    """Read the first three numbers of a version; zeros for what is not there."""
    numbers = [int(word) for word in re.findall(r"\d+", text.partition("+")[0].partition("-")[0])[:3]]
    first, second, third = (*numbers, 0, 0, 0)[:3]
    return first, second, third


def release(circumstances: NodeProfile) -> Release:
    """Give the runtime's version, (0, 0, 0) when it is not known."""
    return version(circumstances.runtime_version)


def opens_low_ports(circumstances: NodeProfile) -> bool:
    """Tell whether containers get ip_unprivileged_port_start=0 and an open ping_group_range by themselves."""
    known = traits(circumstances)
    return bool(known and known.low_ports and release(circumstances) >= known.low_ports)


def filters_unasked(circumstances: NodeProfile) -> bool:
    """Tell whether the runtime gives a seccomp filter to a container that asked for none."""
    known = traits(circumstances)
    if known is None or known.filters_unasked is None:
        return False
    first, last = known.filters_unasked
    return first <= release(circumstances)[:2] <= last
