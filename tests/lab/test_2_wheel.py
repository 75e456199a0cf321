"""The built wheel works alone: its playbooks, roles and templates are inside and found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.lab.conftest import ROOT, Lab


def test_an_installed_migrator_plans(fresh_lab: Lab, tmp_path: Path) -> None:
    """Installed from the wheel into an empty environment, outside the checkout, `plan` plans a real node."""
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", tmp_path, ROOT],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = str(tmp_path / "venv/bin/python")
    subprocess.run([python, "-m", "pip", "install", "-q", wheel], check=True)

    lab = fresh_lab
    done = lab.migrator("plan", "--node", "worker-2", lab.inventory, python=python, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "worker-2: docker://" in done.stdout
    assert "Plan: 1 to migrate" in done.stdout
