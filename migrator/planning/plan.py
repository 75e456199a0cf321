"""Make the plan of one node."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from migrator.model.objects import CRI_SOCKET
from migrator.model.plan import FileChange, NodePlan, PlannedStep
from migrator.planning import checks, files
from migrator.planning.situation import Situation
from migrator.planning.step import Planned
from migrator.planning.translate import containerd


def make(situation: Situation, steps: Sequence[Planned]) -> NodePlan:
    """Decide for each of `steps` whether this node needs it, and why; collect findings and file contents."""
    target = situation.facts.containerd.version or "version of the package"
    plan = NodePlan(
        host=situation.host,
        node=situation.node.name,
        machine_id=situation.facts.machine_id,
        source=situation.node.runtime,
        target=f"{situation.target.runtime}://{target}",
        endpoint=containerd.ENDPOINT,
        installs=not situation.facts.containerd.version,
        starts=not situation.facts.containerd.active,
        staying=tuple(sorted(pod.full_name for pod in situation.pods if pod.stays and not pod.finished)),
        socket_annotation=situation.node.annotations.get(CRI_SOCKET),
        cordoned_before=situation.node.unschedulable,
    )
    if situation.migrated:
        found = tuple(checks.right_machine(situation))
    else:
        found = checks.findings(situation)
        plan = plan.model_copy(update={"images": images(situation), "files": _files(situation)})
    return plan.model_copy(update={"findings": found, "steps": tuple(_decide(step, situation, plan) for step in steps)})


def _files(situation: Situation) -> tuple[FileChange, ...]:
    if containerd.credentials(situation.facts.file(containerd.CONFIG).content):
        return ()  # a finding says so, and blocks; a plan shows no secret
    try:
        return files.changes(situation.facts, situation.target)
    except ValueError:
        return ()  # a finding says so, and blocks


def images(situation: Situation) -> tuple[str, ...]:
    """Name the images to carry over: those that pods of this node use and Docker has, and the pause image."""
    if situation.facts.docker is None:
        return ()
    stored = set(situation.facts.docker.images)
    used = {image for pod in situation.pods if not pod.finished for image in pod.images}
    with contextlib.suppress(ValueError):  # a file that cannot be read is a finding, and blocks
        used.add(files.settings_of(situation.facts, situation.target).pause_image)
    return tuple(sorted(used & stored))


def _decide(step: Planned, situation: Situation, plan: NodePlan) -> PlannedStep:
    needed, reason = step.decide(situation, plan)
    return PlannedStep(id=step.id, title=step.title, phase=step.phase, needed=needed, reason=reason)
