"""Prove nodes one after the other, and when that is asked for reboot each and prove it again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from migrator import log_context
from migrator.errors import (
    ClusterError,
    CriError,
    HostUnreachableError,
    LockedError,
    PlanRefusedError,
    StalePlanError,
    StepFailedError,
    UnaskedError,
)
from migrator.inventory import Host
from migrator.model.evidence import Evidence, Outcome
from migrator.model.facts import NodeFacts
from migrator.model.kubernetes import Node
from migrator.model.verification import NodeProof, Verification
from migrator.planning.checks import node_state
from migrator.planning.inputs import NodeInputs, Translation
from migrator.probe_session.prove_node import Proof
from migrator.proof import reboot_compare
from migrator.runtimes.destination import Destination

_log = logging.getLogger(__name__)

_PROBLEMS = (
    ClusterError,
    CriError,
    HostUnreachableError,
    LockedError,
    PlanRefusedError,
    StalePlanError,
    StepFailedError,
    UnaskedError,
)
"""What keeps one node from being proved, and not the others."""
_NO_DRAFT = Translation(destination=Destination(runtime="containerd", version=(0, 0), kubelet=(0, 0)))
"""Nothing is planned here; whether a host is a Node does not depend on it."""


@dataclass(frozen=True)
class VerifyJob:
    """What is done to each node, and who is told."""

    prove: Callable[[Host, Evidence | None], Proof]
    """Run a session and judge it against a baseline. Raises `ClusterError`, `CriError`, `HostUnreachableError` or
    `StepFailedError` when nothing can be said of the node."""
    take_out: Callable[[Host], None] = lambda _: None
    """Take a node out of service before its reboot; one where that fails serves on. Raises likewise."""
    reboot: Callable[[Host], None] | None = None
    """Reboot a node and wait until it is Ready; None when that is not asked for. Raises likewise."""
    give_back: Callable[[Host], None] = lambda _: None
    """Have a node that came through its reboot take pods again. Raises likewise."""
    keep: Callable[[Evidence], None] = lambda _: None
    """Called with what each session saw, as soon as it is over."""
    show: Callable[[NodeProof], None] = lambda _: None
    """Called with each node when it is done."""
    tell: Callable[[Host, str], None] = lambda _host, _said: None
    """Say something about a node while it is in work."""


def verify(chosen: Sequence[Host], work: VerifyJob, *, baseline: Evidence | None = None) -> Verification:
    """Prove the nodes; one that cannot be proved does not keep the others from it.

    A node that is not good is not rebooted. After one that did not come through its reboot nothing more is done:
    the others may be alike.
    """
    found: list[NodeProof] = []
    lost = ""
    for host in chosen:
        if lost:
            problem = f"left alone, because {lost} did not come through its reboot as it was"
            entry = _known(host).model_copy(update={"problem": problem})
        else:
            with log_context.at(node_name=host.node):
                entry = _verify(host, work, baseline)
            lost = entry.node if entry.reboot is not None and not entry.good else ""
        found.append(entry)
        work.show(entry)
    return Verification(nodes=tuple(found))


def same_machine(host: Host, facts: NodeFacts, node: Node) -> None:
    """Raise `StepFailedError` when a host is not its Node: one machine would be judged, or rebooted, for another."""
    now = NodeInputs(host=host.name, target=host.target, facts=facts, node=node)
    for finding in node_state.right_machine(now, _NO_DRAFT):
        raise StepFailedError(f"{finding.evidence}: correct ansible_host or migrator_node_name")


def _known(host: Host) -> NodeProof:
    return NodeProof(host=host.name, node=host.node)


def _failed(proof: NodeProof, problem: str) -> NodeProof:
    """Add the problem of an error that is at hand, whose traceback only the log has."""
    _log.debug("%s cannot be proved, or rebooted", proof.node, exc_info=True)
    return proof.model_copy(update={"problem": problem})


def _verify(host: Host, work: VerifyJob, baseline: Evidence | None) -> NodeProof:
    try:
        proof = work.prove(host, baseline)
    except _PROBLEMS as error:
        return _failed(_known(host), str(error))
    work.keep(proof.evidence)
    proved = _known(host).model_copy(update={"verdicts": (proof.verdict,)})
    if work.reboot is None:
        return proved
    if not proved.good:
        return proved.model_copy(update={"problem": "not rebooted: it is not what a node must be as it is"})
    passed = sum(check.outcome is Outcome.PASSED for check in proof.verdict.checks)
    work.tell(host, f"proved as it is, {passed} checks passed")
    return _again(host, work, work.reboot, proof.evidence)


def _again(host: Host, work: VerifyJob, reboot: Callable[[Host], None], before: Evidence) -> NodeProof:
    """Reboot a node, and prove it with what it was before as the baseline; it serves again when it is what it was."""
    try:
        work.take_out(host)
    except _PROBLEMS as error:
        return _failed(_known(host), f"not rebooted: {error}")
    try:
        reboot(host)
        work.tell(host, "came back and is Ready")
        proof = work.prove(host, before)
    except _PROBLEMS as error:
        return _failed(_known(host).model_copy(update={"reboot": ()}), f"after its reboot: {error}. It stays cordoned")
    except BaseException as error:
        error.add_note(f"{host.node} was rebooted, or is being, and stays cordoned")
        raise
    work.keep(proof.evidence)
    changes = reboot_compare.changes(before.host, proof.evidence.host)
    found = _known(host).model_copy(update={"verdicts": (proof.verdict,), "reboot": changes})
    if not found.good:
        work.tell(host, "is not what it was before its reboot, and stays cordoned to be looked at")
        return found
    try:
        work.give_back(host)
    except _PROBLEMS as error:
        return _failed(found, f"it could not be given back: {error}")
    return found
