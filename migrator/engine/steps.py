"""The migration of one node, whole, the way back, and the end of Docker: everything else reads these tuples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from migrator.engine import actions, proof, settle, stage
from migrator.engine.context import StepContext
from migrator.model.plan import Phase
from migrator.planning import cleanup, reboot, rollback, step_decisions
from migrator.planning.step_protocol import Decide

Act = Callable[[StepContext], str]


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
    Step("install", "Install the new runtime", Phase.STAGE, step_decisions.install, actions.install),
    Step("stage", "Stage the new runtime", Phase.STAGE, step_decisions.stage, stage.stage),
    Step("baseline", "Look at containers on the old runtime", Phase.STAGE, step_decisions.baseline, proof.baseline),
    Step("rehearse", "Rehearse the new runtime", Phase.STAGE, step_decisions.rehearse, proof.rehearse),
    Step("cordon", "Cordon", Phase.WINDOW, step_decisions.cordon, actions.cordon, undo=actions.uncordon),
    Step("drain", "Drain", Phase.WINDOW, step_decisions.drain, actions.drain),
    Step(
        "switch",
        "Switch the runtime",
        Phase.WINDOW,
        step_decisions.switch,
        actions.switch,
        actions.switch_back,
        commits=True,
    ),
    Step("verify", "Verify", Phase.WINDOW, step_decisions.verify, actions.verify, holds=True),
    Step("annotate", "Annotate", Phase.WINDOW, step_decisions.annotate, actions.annotate, undo=actions.annotate_back),
    Step("uncordon", "Uncordon", Phase.WINDOW, step_decisions.uncordon, actions.uncordon, settled=True),
    Step("leavings", "See what our pods leave", Phase.AFTER, step_decisions.leavings, proof.leavings, settled=True),
    Step("retire", "Retire Docker", Phase.AFTER, step_decisions.retire, actions.retire, settled=True),
    Step("settle", "Wait for its workloads", Phase.AFTER, step_decisions.settle, settle.settle, settled=True),
)

ROLLBACK: tuple[Step, ...] = (
    Step("cordon", "Cordon", Phase.WINDOW, rollback.cordon, actions.cordon, undo=actions.uncordon),
    Step("drain", "Drain", Phase.WINDOW, rollback.drain, actions.drain_back),
    Step("restore", "Put it back", Phase.WINDOW, rollback.restore, actions.restore, actions.remain, commits=True),
    Step("annotate", "Annotate", Phase.WINDOW, rollback.annotate, actions.annotate_back, undo=actions.annotate),
    Step("uncordon", "Uncordon", Phase.WINDOW, rollback.uncordon, actions.uncordon, settled=True),
    Step("settle", "Wait for its workloads", Phase.AFTER, rollback.settle, settle.settle, settled=True),
)

REBOOT: tuple[Step, ...] = (
    Step("cordon", "Cordon", Phase.WINDOW, rollback.cordon, actions.cordon, undo=actions.uncordon),
    Step("drain", "Drain", Phase.WINDOW, reboot.drain, actions.drain),
    Step("reboot", "Reboot", Phase.WINDOW, reboot.reboot, actions.reboot, settled=True),
    Step("uncordon", "Uncordon", Phase.WINDOW, reboot.uncordon, actions.uncordon, settled=True),
)
"""Of `verify --reboot`, which proves the node before them, and again before the last one."""

CLEANUP: tuple[Step, ...] = (
    Step("prove", "Prove the node", Phase.STAGE, cleanup.prove, actions.prove),
    Step("remove", "Remove Docker", Phase.AFTER, cleanup.remove, actions.remove, settled=True),
    Step("prove-again", "Prove the node without it", Phase.AFTER, cleanup.prove_again, actions.prove, settled=True),
)
