"""The migration of one node, whole, the way back, and the end of Docker: everything else reads these tuples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from migrator.engine import actions, proof, settle, stage
from migrator.engine.context import StepContext
from migrator.model.plan import Phase
from migrator.planning import steps as planning
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
    Step("install", "Install the new runtime", Phase.STAGE, planning.install.decide, actions.install),
    Step("stage", "Stage the new runtime", Phase.STAGE, planning.stage.decide, stage.stage),
    Step("baseline", "Look at containers on the old runtime", Phase.STAGE, planning.baseline.decide, proof.baseline),
    Step("rehearse", "Rehearse the new runtime", Phase.STAGE, planning.rehearse.decide, proof.rehearse),
    Step("cordon", "Cordon", Phase.WINDOW, planning.cordon.decide, actions.cordon, undo=actions.uncordon),
    Step("drain", "Drain", Phase.WINDOW, planning.drain.decide, actions.drain),
    Step(
        "switch",
        "Switch the runtime",
        Phase.WINDOW,
        planning.switch.decide,
        actions.switch,
        actions.switch_back,
        commits=True,
    ),
    Step("verify", "Verify", Phase.WINDOW, planning.verify.decide, actions.verify, holds=True),
    Step("annotate", "Annotate", Phase.WINDOW, planning.annotate.decide, actions.annotate, undo=actions.annotate_back),
    Step("uncordon", "Uncordon", Phase.WINDOW, planning.uncordon.decide, actions.uncordon, settled=True),
    Step("leavings", "See what our pods leave", Phase.AFTER, planning.leavings.decide, proof.leavings, settled=True),
    Step("retire", "Retire Docker", Phase.AFTER, planning.retire.decide, actions.retire, settled=True),
    Step("settle", "Wait for its workloads", Phase.AFTER, planning.settle.decide, settle.settle, settled=True),
)

ROLLBACK: tuple[Step, ...] = (
    Step("cordon", "Cordon", Phase.WINDOW, planning.cordon.decide_back, actions.cordon, undo=actions.uncordon),
    Step("drain", "Drain", Phase.WINDOW, planning.drain.decide_back, actions.drain_back),
    Step(
        "restore", "Put it back", Phase.WINDOW, planning.restore.decide, actions.restore, actions.remain, commits=True
    ),
    Step(
        "annotate",
        "Annotate",
        Phase.WINDOW,
        planning.annotate.decide_back,
        actions.annotate_back,
        undo=actions.annotate,
    ),
    Step("uncordon", "Uncordon", Phase.WINDOW, planning.uncordon.decide_back, actions.uncordon, settled=True),
    Step("settle", "Wait for its workloads", Phase.AFTER, planning.settle.decide_back, settle.settle, settled=True),
)

REBOOT: tuple[Step, ...] = (
    Step("cordon", "Cordon", Phase.WINDOW, planning.cordon.decide_back, actions.cordon, undo=actions.uncordon),
    Step("drain", "Drain", Phase.WINDOW, planning.drain.decide_reboot, actions.drain),
    Step("reboot", "Reboot", Phase.WINDOW, planning.reboot.decide, actions.reboot, settled=True),
    Step("uncordon", "Uncordon", Phase.WINDOW, planning.uncordon.decide_reboot, actions.uncordon, settled=True),
)
"""Of `verify --reboot`, which proves the node before them, and again before the last one."""

CLEANUP: tuple[Step, ...] = (
    Step("prove", "Prove the node", Phase.STAGE, planning.prove.decide, actions.prove),
    Step("remove", "Remove Docker", Phase.AFTER, planning.remove.decide, actions.remove, settled=True),
    Step(
        "prove-again",
        "Prove the node without it",
        Phase.AFTER,
        planning.prove.decide_again,
        actions.prove,
        settled=True,
    ),
)
