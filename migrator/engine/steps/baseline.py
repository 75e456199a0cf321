"""See containers on the old runtime, to compare with."""

from __future__ import annotations

from migrator.engine import proof
from migrator.engine.context import StepContext
from migrator.errors import StepFailedError
from migrator.probe_session import kubelet_session
from migrator.proof.spec import ASKED


def act(run: StepContext) -> str:
    """See how containers are on the old runtime; what is another way afterwards must have been announced."""
    known = proof.node_profile(run)
    if short := _short(run):
        return f"left out, the node has no room for three more pods: {short}"
    found = proof.keep_and_judge(run, proof.begin_session(run, known, kubelet_session.at_once).end())
    if found.problems:
        raise StepFailedError("; ".join(found.problems))
    failed = ", ".join(entry.id for entry in found.failed)
    return f"{proof.summarize(found)} on {known.runtime}" + (
        f"; not right before the migration: {failed}" if failed else ""
    )


def _short(run: StepContext) -> str:
    """Say what the node lacks for our pods beside those that are there; "" for nothing. A kubelet admits no others."""
    node = run.cluster.node(run.plan.node)
    pods = [pod for pod in run.cluster.pods_on(run.plan.node, cached=True) if not pod.finished]
    ours = len({asked.pod for asked in ASKED})
    lacking = {
        "CPU": node.cpu - sum(pod.cpu for pod in pods) - sum(asked.cpu_request or asked.cpu_limit for asked in ASKED),
        "memory": node.memory
        - sum(pod.memory for pod in pods)
        - sum(asked.memory_request or asked.memory_limit for asked in ASKED),
        "pods": node.room - len(pods) - ours,
    }
    return ", ".join(what for what, left in lacking.items() if left < 0) if node.room else ""
