"""All that is compared."""

from __future__ import annotations

from tests.fuzz import containerd_files, daemon_json, hostile, units

READERS = (units.READER, containerd_files.READER, daemon_json.READER, hostile.READER)
