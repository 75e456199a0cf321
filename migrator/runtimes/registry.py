"""The one place where a runtime is made known: whoever needs one by its name asks here.

`migrator.runtimes` registers the folders beside this file.
"""

from __future__ import annotations

from migrator.runtimes.runtime import Runtime

RUNTIMES: dict[str, Runtime] = {}
"""Every runtime by the name that settings give it."""


def register(runtime: Runtime) -> None:
    """Make a runtime known. Raises `ValueError` for a name that is taken."""
    if runtime.name in RUNTIMES:
        raise ValueError(f"there is a runtime {runtime.name!r} already")
    RUNTIMES[runtime.name] = runtime


def targets() -> tuple[str, ...]:
    """Name the runtimes that nodes can be asked to have."""
    return tuple(name for name, runtime in RUNTIMES.items() if runtime.target)


def sources() -> tuple[Runtime, ...]:
    """Give the runtimes that are not another way to one of these."""
    return tuple(runtime for runtime in RUNTIMES.values() if not runtime.source)


def of_scheme(scheme: str) -> Runtime | None:
    """Give the runtime that the kubelet calls so; None for one that nobody has registered."""
    return next((runtime for runtime in sources() if runtime.scheme == scheme), None)
