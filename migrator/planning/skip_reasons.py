"""Reasons for which a step is not needed, that several steps share; None where they do not hold."""

from __future__ import annotations

from migrator.planning.inputs import NodeInputs
from migrator.planning.step_protocol import Decision


def already_done(now: NodeInputs) -> Decision | None:
    """Say that nothing is left to do here, or nothing yet."""
    if now.migrated:
        return False, f"the node already runs {now.node.runtime}"
    return None if installed(now) else (False, "is planned when the runtime is installed: its version decides")


def installed(now: NodeInputs) -> str:
    """Give the version of the new runtime that the node has; "" for none."""
    return now.runtime.installed(now.facts)


def already_given_back(now: NodeInputs) -> Decision | None:
    """Say that nothing is left to do, unless a run that ended too early has left the node cordoned."""
    return None if now.node.cordoned_by_us else already_done(now)


def proof_unwanted(now: NodeInputs) -> Decision | None:
    """Say that the inventory asks for less than the full proof."""
    return None if now.target.proof == "full" else (False, f"migrator_proof is {now.target.proof!r}")


def nothing_left(now: NodeInputs) -> Decision | None:
    """Say that there is nothing of Docker to remove."""
    return None if now.removal and now.removal.anything else (False, "nothing is left of Docker")
