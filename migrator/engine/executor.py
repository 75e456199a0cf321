"""Run a plan's steps in order; when one fails, undo those that were begun, in reverse order."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from migrator import log_context
from migrator.engine import proof
from migrator.engine.context import StepContext
from migrator.engine.migration import STEPS, Act, Step
from migrator.errors import MigratorError, NotFoundError, StalePlanError, StepFailedError, StoppedError
from migrator.model.plan import Phase, RollbackPlan

_log = logging.getLogger(__name__)


def apply(run: StepContext, steps: Sequence[Step] = STEPS) -> None:
    """Migrate the node as planned.

    Raises `StepFailedError`, or `StalePlanError` when the node changed since the plan, with the state that the node
    is in now; `StoppedError` when the user wanted an end while the node served. Anything else that is raised is raised
    again with the state as a note. Once its runtime may have changed, only a verdict about the node, and the user, take
    the node back: whatever else fails leaves it as it is.
    """
    needed = {planned.id: planned for planned in run.plan.steps if planned.needed}
    skipped = {planned.id: planned.reason for planned in run.plan.steps if not planned.needed}
    begun: list[Step] = []
    for step in steps:
        if step.id not in needed:
            run.at(step.id).event("skipped", skipped.get(step.id, ""))
            continue
        if run.stopping() and not any(entry.phase is Phase.WINDOW for entry in begun):
            raise StoppedError(f"{run.plan.node}: stopped before step {step.id!r}. {_state(run)}")
        begun.append(step)
        try:
            if run.hurried() and not step.settled:
                raise KeyboardInterrupt  # noqa: TRY301 - as if it had come while the step waits
            _act(run.at(step.id), step)
        except BaseException as error:
            _log.debug("step %s failed", step.id, exc_info=True)
            state = _ended(run, steps, begun, error)
            if not isinstance(error, MigratorError):  # an interruption, or a bug
                error.add_note(state)
                raise
            kind = StalePlanError if isinstance(error, StalePlanError) else StepFailedError
            raise kind(f"{run.plan.node}: step {step.id!r} failed: {error}\n{state}") from error
    proof.let_go(run)  # a plan of an older release has no step that does


def _ended(run: StepContext, steps: Sequence[Step], begun: Sequence[Step], error: BaseException) -> str:
    """Take back what was begun, or leave it, after the last step failed; say which, and the state that it is in."""
    step = begun[-1]
    try:
        proof.let_go(run)
    except BaseException as late:  # noqa: BLE001 - whatever it is, it must not keep the node from going back
        _log.debug("our pods could not be removed", exc_info=True)
        run.progress(f"our pods could not be removed: {late!r}; the next session removes them")
    if step.settled:
        return f"What came before it stays done. {_state(run)}"
    interrupted = isinstance(error, KeyboardInterrupt | SystemExit)
    changed = any(entry.commits for entry in steps[: steps.index(step) + 1])
    if changed and not interrupted and not getattr(error, "verdict", False):
        return f"That says nothing about the node, so nothing is taken back. {_state(run)}\n{_held(run, step)}"
    if step.holds and run.target.on_failure == "hold" and not interrupted:
        return f"What came before it stays done. {_state(run)}\n{_held(run, step)}"
    return _undo(run.unhurried(), begun)


def _held(run: StepContext, step: Step) -> str:
    name = run.plan.node
    if step.commits:
        return (
            "The node is held, cordoned, and ends by itself what it began: `migrator status` shows where it stands. "
            f"Then `migrator apply --node {name}` goes on, or `migrator rollback --node {name}` takes it back."
        )
    how = "held, cordoned" if step.phase is Phase.WINDOW else "held"
    return (
        f"The node is {how}: `migrator apply --node {name}` goes on, `migrator rollback --node {name}` takes it back."
    )


def _act(run: StepContext, step: Step) -> None:
    run.event("start", step.title)
    started = run.clock.now()
    try:
        with log_context.at(step_id=step.id):
            message = step.act(run)
    except MigratorError as error:
        run.event("failed", str(error), run.clock.now() - started)
        raise
    run.event("changed", message, run.clock.now() - started)


def _undo(run: StepContext, begun: Sequence[Step]) -> str:
    """Undo what was begun, the last first; give a sentence about the state the node is in now.

    A step that cannot be undone ends the undoing: what came before it must not be taken back above it.
    """
    for step in reversed(begun):
        if step.undo is None:
            continue
        undoing = run.at(step.id)
        started = run.clock.now()
        try:
            with log_context.at(step_id=step.id):
                message = _taken_back(step.undo, undoing)
        except BaseException as error:  # noqa: BLE001 - whatever it is, somebody must be told where the node is now
            _log.debug("step %s could not be undone", step.id, exc_info=True)
            undoing.event("failed", f"could not be undone: {error!r}")
            return (
                "The node keeps its journal and the replaced files in /var/lib/migrator/transactions/"
                f"{_transaction(run)}.\n"
                f"It could NOT be put back: undoing {step.id!r} failed too: {error!s}. {_state(run)}"
            )
        undoing.event("undone", message, run.clock.now() - started)
    said = "The node was put back" if any(step.undo for step in begun) else "Nothing of it has to be taken back"
    return f"{said}. {_state(run)}"


def _transaction(run: StepContext) -> str:
    """Name the switch that was begun, or that a rollback undoes."""
    undoes = run.plan.transaction if isinstance(run.plan, RollbackPlan) else ""
    return undoes or run.id


def _taken_back(undo: Act, run: StepContext) -> str:
    try:
        return undo(run)
    except NotFoundError:  # cordon and annotation are the Node's own; Docker is put back without one
        return "somebody has deleted the Node, and this with it"


def _state(run: StepContext) -> str:
    """Describe the node as the API server knows it now."""
    name = run.plan.node
    try:
        node = run.cluster.node(name)
    except NotFoundError:
        return f"{name} is not in the cluster any more; its kubelet registers it again when it is restarted."
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not hide what happened before
        _log.debug("the state of %s is unknown", name, exc_info=True)
        return f"{name}'s state is unknown: {str(error) or repr(error)}."
    ready = "Ready" if node.ready else "NotReady"
    return f"{name} is {ready} on {node.runtime}, {'cordoned' if node.unschedulable else 'schedulable'}."
