"""A runtime that only exists: what a new folder of `migrator/runtimes` has to give at least."""

from __future__ import annotations

from migrator.runtimes.runtime import Runtime

STUB = Runtime(
    name="stub",
    scheme="stub-io",
    title="Stub",
    unit="stub.service",
    endpoint="unix:///run/stub/stub.sock",
    root="/var/lib/stub",
    installed=lambda _: "1.2.3",
)
