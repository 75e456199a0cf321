"""The migration of one node, whole, the way back, and the end of Docker: everything else reads these tuples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from migrator.engine.context import StepContext
from migrator.engine.steps import (
    annotate,
    baseline,
    cordon,
    drain,
    install,
    leavings,
    prove,
    reboot,
    rehearse,
    remove,
    restore,
    retire,
    settle,
    stage,
    switch,
    uncordon,
    verify,
)
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
    Step("install", "Install the new runtime", Phase.STAGE, planning.install.decide, install.act),
    Step("stage", "Stage the new runtime", Phase.STAGE, planning.stage.decide, stage.act),
    Step("baseline", "Look at containers on the old runtime", Phase.STAGE, planning.baseline.decide, baseline.act),
    Step("rehearse", "Rehearse the new runtime", Phase.STAGE, planning.rehearse.decide, rehearse.act),
    Step("cordon", "Cordon", Phase.WINDOW, planning.cordon.decide, cordon.act, undo=uncordon.act),
    Step("drain", "Drain", Phase.WINDOW, planning.drain.decide, drain.act),
    Step("switch", "Switch the runtime", Phase.WINDOW, planning.switch.decide, switch.act, switch.undo, commits=True),
    Step("verify", "Verify", Phase.WINDOW, planning.verify.decide, verify.act, holds=True),
    Step("annotate", "Annotate", Phase.WINDOW, planning.annotate.decide, annotate.act, undo=annotate.undo),
    Step("uncordon", "Uncordon", Phase.WINDOW, planning.uncordon.decide, uncordon.act, settled=True),
    Step("leavings", "See what our pods leave", Phase.AFTER, planning.leavings.decide, leavings.act, settled=True),
    Step("retire", "Retire Docker", Phase.AFTER, planning.retire.decide, retire.act, settled=True),
    Step("settle", "Wait for its workloads", Phase.AFTER, planning.settle.decide, settle.act, settled=True),
)

ROLLBACK: tuple[Step, ...] = (
    Step("cordon", "Cordon", Phase.WINDOW, planning.cordon.decide_back, cordon.act, undo=uncordon.act),
    Step("drain", "Drain", Phase.WINDOW, planning.drain.decide_back, drain.act_back),
    Step("restore", "Put it back", Phase.WINDOW, planning.restore.decide, restore.act, restore.undo, commits=True),
    Step("annotate", "Annotate", Phase.WINDOW, planning.annotate.decide_back, annotate.act_back, annotate.undo_back),
    Step("uncordon", "Uncordon", Phase.WINDOW, planning.uncordon.decide_back, uncordon.act, settled=True),
    Step("settle", "Wait for its workloads", Phase.AFTER, planning.settle.decide_back, settle.act, settled=True),
)

REBOOT: tuple[Step, ...] = (
    Step("cordon", "Cordon", Phase.WINDOW, planning.cordon.decide_back, cordon.act, undo=uncordon.act),
    Step("drain", "Drain", Phase.WINDOW, planning.drain.decide_reboot, drain.act),
    Step("reboot", "Reboot", Phase.WINDOW, planning.reboot.decide, reboot.act, settled=True),
    Step("uncordon", "Uncordon", Phase.WINDOW, planning.uncordon.decide_reboot, uncordon.act, settled=True),
)
"""Of `verify --reboot`, which proves the node before them, and again before the last one."""

CLEANUP: tuple[Step, ...] = (
    Step("prove", "Prove the node", Phase.STAGE, planning.prove.decide, prove.act),
    Step("remove", "Remove Docker", Phase.AFTER, planning.remove.decide, remove.act, settled=True),
    Step("prove-again", "Prove the node without it", Phase.AFTER, planning.prove.decide_again, prove.act, settled=True),
)
