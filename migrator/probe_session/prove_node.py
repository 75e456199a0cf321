"""Prove one node of the inventory, whoever set it up: what `migrator verify` does."""

from __future__ import annotations

from dataclasses import dataclass

from migrator.cluster import Cluster
from migrator.errors import StepFailedError
from migrator.hosts import HostSession
from migrator.model.clock import Clock
from migrator.model.evidence import Evidence, Verdict
from migrator.model.facts import NodeFacts
from migrator.planning.node_profile import circumstances
from migrator.probe_session import kubelet_session
from migrator.probe_session.session import ProbeTools, Tell
from migrator.proof.verdict import judge


@dataclass(frozen=True)
class Proof:
    """What a session saw on a node, and what that is worth."""

    evidence: Evidence
    verdict: Verdict


def prove(
    line: HostSession,
    cluster: Cluster,
    clock: Clock,
    facts: NodeFacts,
    node: str,
    *,
    tell: Tell,
    baseline: Evidence | None,
) -> Proof:
    """Run a session of pods on a node.

    Raises `HostUnreachableError`, `CriError`, `ClusterError` or `StepFailedError`.
    """
    try:
        known = circumstances(facts, node, cluster.node(node).runtime)
    except ValueError as error:
        raise StepFailedError(f"{node}: what must hold there is not known: {error}") from error
    evidence = kubelet_session.prove(ProbeTools(line, clock, tell), cluster, known)
    return Proof(evidence, judge(evidence, baseline))
