"""Tell kubeadm where the runtime's socket is."""

from __future__ import annotations

from migrator.model.kubernetes import CRI_SOCKET
from migrator.model.plan import MigrationPlan, RollbackPlan
from migrator.nodeconf import kubelet
from migrator.planning.inputs import NodeInputs
from migrator.planning.skip_reasons import already_done
from migrator.planning.step_protocol import Decision


def decide(now: NodeInputs, plan: MigrationPlan) -> Decision:
    """Tell kubeadm."""
    if not now.migrated and (done := already_done(now)):
        return done
    present = now.node.annotations.get(CRI_SOCKET)
    if present == plan.endpoint:
        return False, f"the Node's cri-socket annotation is {present} already"
    if present is None and kubelet.told_to_kubeadm(now.facts, plan.endpoint):
        return False, f"kubeadm reads the socket from {kubelet.INSTANCE_CONFIG} on the node, which has it"
    return True, f"kubeadm reads the socket from the Node's annotation; it is {present or 'missing'}"


def decide_back(_: NodeInputs, plan: RollbackPlan) -> Decision:
    """Tell kubeadm what it was told before the migration."""
    if not plan.transaction:
        return False, "it was not changed"
    if plan.annotation == (plan.annotation_before or ""):
        return False, f"the Node's cri-socket annotation is {plan.annotation or 'missing'} already"
    return True, f"kubeadm reads the socket from the Node's annotation; it was {plan.annotation_before or 'missing'}"
