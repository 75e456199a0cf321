"""What is left of removed probes: nothing."""

from __future__ import annotations

from migrator.proof.checks.inputs import CheckInputs, Result, SceneCheck, UnseenError, holds

KINDS = (
    "cgroup", "process", "netns", "interface", "mount", "address", "log", "container", "sandbox", "state",
)  # fmt: skip
_FEW = 3


def nothing(kind: str) -> SceneCheck:
    """Make the check that nothing of a kind is left."""

    def check(scene: CheckInputs) -> Result:
        if scene.evidence.left is None:
            raise UnseenError("nobody looked for what was left")
        if kind == "log" and not scene.evidence.waited:
            raise UnseenError("the kubelet collects logs once a minute, and nobody waited for that")
        found = [entry.what for entry in scene.evidence.left if entry.kind == kind]
        more = f" and {len(found) - _FEW} more" if len(found) > _FEW else ""
        return holds(not found, "nothing", ", ".join(found[:_FEW]) + more or "nothing")

    return check
