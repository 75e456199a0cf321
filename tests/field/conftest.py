"""What takes hours on emulated guests: run by `make field`, before a release, never by `make test`."""

from __future__ import annotations

from tests.lab.conftest import fresh_lab, lab

__all__ = ["fresh_lab", "lab"]
