"""The roles' own scenario, in a guest that belongs to no cluster."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from lab import network, spare
from lab.settings import SPARE, USER
from tests.lab.conftest import ROOT, Lab


def test_the_containerd_scenario(lab: Lab) -> None:
    """Create, converge, converge again without a change, verify, destroy."""
    tools = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{tools}:{os.environ['PATH']}",
        "LAB_SPARE_ADDRESS": SPARE.address,
        "LAB_SPARE_USER": USER,
        "LAB_SPARE_KEY": str(lab.settings.ssh_key),
        "ANSIBLE_SSH_COMMON_ARGS": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
    }

    spare.prepare(lab.settings)

    with lab.paused():
        done = subprocess.run(
            network.inside(lab.settings, [tools / "molecule", "test", "-s", "containerd"]),
            cwd=ROOT, env=environment, text=True, stdin=subprocess.DEVNULL, capture_output=True, check=False,
        )  # fmt: skip

    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
