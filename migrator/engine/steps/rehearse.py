"""Prove the planned configuration in an instance of its own."""

from __future__ import annotations

from migrator.engine import proof
from migrator.engine.context import StepContext
from migrator.errors import StepFailedError
from migrator.probe_session import kubelet_session
from migrator.probe_session.session import ProbeTools


def act(run: StepContext) -> str:
    """Prove the planned configuration while the node serves."""
    with run.hosts.line(run.plan.host) as line:
        tools = ProbeTools(line=line, clock=run.clock, tell=run.progress)
        evidence = run.sessions.rehearsal(
            tools, run.migration, proof.planned_profile(run), kubelet_session.around(run.cluster, cluster_dns=False)
        )
    found = proof.keep_and_judge(run, evidence)
    if proof.newly_failed(run, found) or found.problems or not found.passed:
        raise StepFailedError("the planned configuration does not hold:" + proof.describe(found))
    return f"{proof.summarize(found)} in an instance of its own, which is gone again"
