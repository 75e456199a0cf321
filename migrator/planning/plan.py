"""Make the plan of one node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from migrator.model.kubernetes import CRI_SOCKET
from migrator.model.plan import MigrationPlan, PlannedNode, PlannedStep
from migrator.nodeconf.kubelet import expected as kubelet_expected
from migrator.planning import checks, cni, node_profile, translate_node
from migrator.planning.candidate_version import find_candidate
from migrator.planning.inputs import NodeInputs, Translation
from migrator.planning.step_protocol import Planned

_Plan = TypeVar("_Plan", bound=PlannedNode)


def make(situation: NodeInputs, steps: Sequence[Planned]) -> MigrationPlan:
    """Decide for each of `steps` whether this node needs it, and why; collect findings and file contents."""
    runtime = situation.runtime
    to = translate_node.destination(situation)
    draft = Translation(destination=to) if situation.migrated else translate_node.draft(situation)
    installed = runtime.installed(situation.facts)
    version = find_candidate(situation).version or "version of the package"
    plan = MigrationPlan(
        host=situation.host,
        node=situation.node.name,
        machine_id=situation.facts.machine_id,
        source=situation.node.runtime,
        target=f"{runtime.scheme}://{version}",
        endpoint=runtime.endpoint,
        installs=not installed and not situation.migrated,
        starts=not runtime.service(situation.facts).active,
        cni_plugins=cni.plugin_folders(situation.facts),
        network_needs_pods=cni.needs_pods(situation.facts),
        stale_addresses=() if situation.migrated else cni.stale_addresses(situation.facts),
        staying=situation.staying,
        socket_annotation=situation.node.annotations.get(CRI_SOCKET),
        circumstances=node_profile.known(situation),
        cordoned_before=situation.node.cordoned_by_others,
        findings=checks.findings(situation, draft),
        fates=draft.fates,
        files=draft.files if installed else (),
        kubelet_arguments=_kubelet_arguments(situation, draft) if installed else (),
        images=draft.images if installed else (),
        config=_unchanged(situation, draft),
        root=draft.settings.root if draft.settings else "",
    )
    return decided(plan, situation, steps)


def decided(plan: _Plan, situation: NodeInputs, steps: Sequence[Planned]) -> _Plan:
    """Complete a plan by what each step decides on it."""
    return plan.model_copy(update={"steps": tuple(_decide(step, situation, plan) for step in steps)})


def _kubelet_arguments(situation: NodeInputs, draft: Translation) -> tuple[str, ...]:
    if draft.settings is None or draft.problems:
        return ()
    texts = {file.path: file.content for file in draft.files if file.copies is None}
    return kubelet_expected.arguments(situation.facts, texts)


def _unchanged(situation: NodeInputs, draft: Translation) -> str:
    if draft.settings is None:
        return ""
    return situation.runtime.unchanged(situation.facts, [file.path for file in draft.files])


def _decide(step: Planned, situation: NodeInputs, plan: PlannedNode) -> PlannedStep:
    needed, reason = step.decide(situation, plan)
    return PlannedStep(id=step.id, title=step.title, phase=step.phase, needed=needed, reason=reason)
