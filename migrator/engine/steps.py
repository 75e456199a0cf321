"""The migration of one node, whole, the way back, and the end of Docker: everything else reads these tuples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from migrator.engine import actions, proof, settling, staging
from migrator.engine.run import Run
from migrator.model.plan import Phase
from migrator.planning import cleaning, going_back, needs, rebooting
from migrator.planning.step import Decide

Act = Callable[[Run], str]


@dataclass(frozen=True)
class Step:
    """One step: whether a node needs it, what it does, and how it is undone when a later one fails."""

    id: str
    title: str
    phase: Phase
    decide: Decide
    act: Act
    undo: Act | None = None
    settled: bool = False
    """Whether the node is proven by then: when this step fails, nothing is taken back."""
    holds: bool = False
    """Whether `migrator_on_failure: hold` leaves the node as it is when this step fails, for somebody to look at it."""
    commits: bool = False
    """Whether the node may have another runtime once this step was begun: from then on only a verdict takes it back."""


STEPS: tuple[Step, ...] = (
    Step("install", "Install the new runtime", Phase.STAGE, needs.install, actions.install),
    Step("stage", "Stage the new runtime", Phase.STAGE, needs.stage, staging.stage),
    Step("baseline", "Look at containers on the old runtime", Phase.STAGE, needs.baseline, proof.baseline),
    Step("rehearse", "Rehearse the new runtime", Phase.STAGE, needs.rehearse, proof.rehearse),
    Step("cordon", "Cordon", Phase.WINDOW, needs.cordon, actions.cordon, undo=actions.uncordon),
    Step("drain", "Drain", Phase.WINDOW, needs.drain, actions.drain),
    Step("switch", "Switch the runtime", Phase.WINDOW, needs.switch, actions.switch, actions.switch_back, commits=True),
    Step("verify", "Verify", Phase.WINDOW, needs.verify, actions.verify, holds=True),
    Step("annotate", "Annotate", Phase.WINDOW, needs.annotate, actions.annotate, undo=actions.annotate_back),
    Step("uncordon", "Uncordon", Phase.WINDOW, needs.uncordon, actions.uncordon, settled=True),
    Step("leavings", "See what our pods leave", Phase.AFTER, needs.leavings, proof.leavings, settled=True),
    Step("retire", "Retire Docker", Phase.AFTER, needs.retire, actions.retire, settled=True),
    Step("settle", "Wait for its workloads", Phase.AFTER, needs.settle, settling.settle, settled=True),
)

ROLLBACK: tuple[Step, ...] = (
    Step("cordon", "Cordon", Phase.WINDOW, going_back.cordon, actions.cordon, undo=actions.uncordon),
    Step("drain", "Drain", Phase.WINDOW, going_back.drain, actions.drain_back),
    Step("restore", "Put it back", Phase.WINDOW, going_back.restore, actions.restore, actions.remain, commits=True),
    Step("annotate", "Annotate", Phase.WINDOW, going_back.annotate, actions.annotate_back, undo=actions.annotate),
    Step("uncordon", "Uncordon", Phase.WINDOW, going_back.uncordon, actions.uncordon, settled=True),
    Step("settle", "Wait for its workloads", Phase.AFTER, going_back.settle, settling.settle, settled=True),
)

REBOOT: tuple[Step, ...] = (
    Step("cordon", "Cordon", Phase.WINDOW, going_back.cordon, actions.cordon, undo=actions.uncordon),
    Step("drain", "Drain", Phase.WINDOW, rebooting.drain, actions.drain),
    Step("reboot", "Reboot", Phase.WINDOW, rebooting.reboot, actions.reboot, settled=True),
    Step("uncordon", "Uncordon", Phase.WINDOW, rebooting.uncordon, actions.uncordon, settled=True),
)
"""Of `verify --reboot`, which proves the node before them, and again before the last one."""

CLEANUP: tuple[Step, ...] = (
    Step("prove", "Prove the node", Phase.STAGE, cleaning.prove, actions.prove),
    Step("remove", "Remove Docker", Phase.AFTER, cleaning.remove, actions.remove, settled=True),
    Step("prove-again", "Prove the node without it", Phase.AFTER, cleaning.prove_again, actions.prove, settled=True),
)
