"""Bring the new runtime's package to the node."""

from __future__ import annotations

from migrator.model.plan import NodePlan
from migrator.planning.candidate_version import find_candidate
from migrator.planning.inputs import NodeInputs
from migrator.planning.skip_reasons import installed
from migrator.planning.step_protocol import Decision


def decide(now: NodeInputs, _: NodePlan) -> Decision:
    """Bring the runtime to a node that lacks it."""
    name = now.runtime.name
    if now.migrated or (version := installed(now)):
        return False, f"the node already runs {now.node.runtime}" if now.migrated else f"{name} {version} is installed"
    version = now.target.package_version or find_candidate(now).version
    package = "=".join(filter(None, (now.target.package, version)))
    origin = f"the packages in {now.target.packages}" if now.target.packages else "the node's package sources"
    return True, f"{package} from {origin}, if that removes and upgrades nothing; then the node is planned again"
