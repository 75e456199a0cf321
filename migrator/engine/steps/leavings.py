"""Remove the pods that proved the node, and see what they leave."""

from __future__ import annotations

from migrator.engine import proof
from migrator.engine.context import StepContext
from migrator.errors import ClusterError, CriError, HostUnreachableError, StepFailedError


def act(run: StepContext) -> str:
    """Remove the pods that proved the node, and look for what they leave. Raises `StepFailedError` for that.

    The node serves by then, so that nothing is taken back: whoever is told decides. That nobody could look says
    nothing about the node.
    """
    if not run.ongoing:
        return "no pods of ours are there"
    ongoing = run.ongoing.pop()
    ongoing.teller.run = run
    try:
        evidence = ongoing.end()
    except (HostUnreachableError, ClusterError) as error:
        return f"nobody could look for what our pods leave: {error}"
    except CriError as error:
        raise StepFailedError(f"our pods could not be removed: {error}{_advice(run)}") from error
    if evidence.unasked:
        return f"nobody could look for what our pods leave: {'; '.join(evidence.unasked)}"
    found = proof.keep_and_judge(run.at(proof.VERIFY), evidence, run.seen.get(proof.BASELINE))
    if not proof.is_good(run, found):
        raise StepFailedError(
            f"our pods leave something behind, and so will others:{proof.describe(found)}{_advice(run)}"
        )
    return proof.summarize(found)


def _advice(run: StepContext) -> str:
    return f"\n`migrator rollback --node {run.plan.node}` takes the node back."
