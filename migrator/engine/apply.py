"""Run a plan's steps in order; when one fails, undo those that were begun, in reverse order."""

from __future__ import annotations

from collections.abc import Sequence

from migrator.engine.run import Run
from migrator.engine.steps import STEPS, Act, Step
from migrator.errors import ClusterError, MigratorError, NotFoundError, StalePlanError, StepFailedError, StoppedError
from migrator.model.plan import Phase


def apply(run: Run, steps: Sequence[Step] = STEPS) -> None:
    """Migrate the node as planned.

    Raises `StepFailedError`, or `StalePlanError` when the node changed since the plan, with the state that the node
    is in now; `StoppedError` when the user wanted an end while the node served. Anything else that is raised, an
    interruption by the user too, is raised again after the node was put back, with the state as a note.
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
            kept = step.settled or _holds(run, step, error)
            state = _after(run, step, error) if kept else _undo(run.unhurried(), begun)
            if not isinstance(error, MigratorError):  # an interruption, or a bug: the node is put back all the same
                error.add_note(state)
                raise
            if kept:
                raise StepFailedError(state) from error
            kind = StalePlanError if isinstance(error, StalePlanError) else StepFailedError
            raise kind(f"{run.plan.node}: step {step.id!r} failed: {error}\n{state}") from error


def _act(run: Run, step: Step) -> None:
    run.event("start", step.title)
    started = run.clock.now()
    try:
        message = step.act(run)
    except MigratorError as error:
        run.event("failed", str(error), run.clock.now() - started)
        raise
    run.event("changed", message, run.clock.now() - started)


def _undo(run: Run, begun: Sequence[Step]) -> str:
    """Undo what was begun, the last first; give a sentence about the state the node is in now.

    A step that cannot be undone ends the undoing: what came before it must not be taken back above it.
    """
    for step in reversed(begun):
        if step.undo is None:
            continue
        undoing = run.at(step.id)
        started = run.clock.now()
        try:
            message = _taken_back(step.undo, undoing)
        except BaseException as error:  # noqa: BLE001 - whatever it is, somebody must be told where the node is now
            undoing.event("failed", f"could not be undone: {error!r}")
            return (
                "The node keeps its journal and the replaced files in /var/lib/migrator/transactions/"
                f"{run.plan.transaction or run.id}.\n"
                f"It could NOT be put back: undoing {step.id!r} failed too: {error!s}. {_state(run)}"
            )
        undoing.event("undone", message, run.clock.now() - started)
    said = "The node was put back" if any(step.undo for step in begun) else "Nothing of it has to be taken back"
    return f"{said}. {_state(run)}"


def _taken_back(undo: Act, run: Run) -> str:
    try:
        return undo(run)
    except NotFoundError:  # cordon and annotation are the Node's own; Docker is put back without one
        return "somebody has deleted the Node, and this with it"


def _holds(run: Run, step: Step, error: BaseException) -> bool:
    """Tell whether the node is left to be looked at, instead of put back."""
    return step.holds and run.target.on_failure == "hold" and isinstance(error, MigratorError)


def _after(run: Run, step: Step, error: BaseException) -> str:
    name = run.plan.node
    held = (
        f"\nThe node is held: `migrator rollback --node {name}` takes it back, `migrator apply --node {name}` goes on."
    )
    return (
        f"{name}: step {step.id!r} failed: {error}\nWhat came before it stays done. {_state(run)}"
        f"{'' if step.settled else held}"
    )


def _state(run: Run) -> str:
    """Describe the node as the API server knows it now."""
    name = run.plan.node
    try:
        node = run.cluster.node(name)
    except NotFoundError:
        return f"{name} is not in the cluster any more; its kubelet registers it again when it is restarted."
    except ClusterError as error:
        return f"{name}'s state is unknown: {error}."
    ready = "Ready" if node.ready else "NotReady"
    return f"{name} is {ready} on {node.runtime}, {'cordoned' if node.unschedulable else 'schedulable'}."
