"""The probe's archives are made of the sources that lie beside them, by the compilers that `image.json` names.

Needs no guest, but compilers for both architectures; without them, or with other ones, nothing is compared.
"""

from __future__ import annotations

import json

import pytest

from lab import probe_image
from migrator.proof.image import MANIFEST


def test_the_archives_can_be_made_again() -> None:
    """The same compilers make the same bytes, and other bytes are told."""
    if lacking := probe_image.missing():
        pytest.skip(f"not installed: {', '.join(lacking)}")
    made, archives = probe_image.build()
    stored = json.loads(MANIFEST.read_text(encoding="utf-8"))
    for architecture, described in made["archives"].items():
        if described["compiler"] != stored["archives"][architecture]["compiler"]:
            pytest.skip(f"the archives were made by {stored['archives'][architecture]['compiler']}")

    assert probe_image.differences(made, archives) == []
    assert probe_image.differences(made, {**archives, "arm64": b""}) == [
        "probe-arm64.tar: the sources make another archive"
    ]
