"""Playbooks on the node of a run, and how values reach them unharmed."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from migrator.engine.run import Run
from migrator.errors import LineError, StepFailedError
from migrator.hosts import Heard, unheard
from migrator.model.plan import FileChange


def play(
    run: Run, playbook: str, variables: Mapping[str, Any], heard: Heard = unheard
) -> Mapping[str, Mapping[str, Any]]:
    """Run a playbook; give what each task returned.

    Raises `LineError` for a host that is out of reach, `StepFailedError` for one that has another problem.
    """
    result = run.hosts.play(playbook, [run.plan.host], variables, heard)[run.plan.host]
    if result.problem:
        kind = LineError if result.unreachable else StepFailedError
        raise kind(f"{run.plan.host}: {result.problem}")
    return result.results


def sealed(value: object) -> str:
    """Give a value as JSON in base64: names of files and images come from the node, and Ansible templates words."""
    return encoded(json.dumps(value))


def encoded(text: str) -> str:
    """In base64, so that nothing on the way takes a file's text for a template."""
    return base64.b64encode(text.encode()).decode()


def planned_file(file: FileChange) -> dict[str, str]:
    """Give a file of the plan as the node's modules take it."""
    return {
        "path": file.path,
        "content": encoded(file.content),
        "copies": file.copies.path if file.copies else "",
        "sha256": file.sha256,
        "mode": file.mode,
        "owner": file.owner,
        "group": file.group,
        "replaces": file.before.sha256,
    }
