"""Make the plan of a node that goes back to the runtime that it had before its migration."""

from __future__ import annotations

from collections.abc import Sequence

from migrator.model.facts import Transaction
from migrator.model.kubernetes import CRI_SOCKET
from migrator.model.plan import NodePlan
from migrator.planning import checks, cni, step_decisions, translate_node
from migrator.planning.checks.rollback import last_switch
from migrator.planning.inputs import NodeInputs, Translation
from migrator.planning.plan import decided
from migrator.planning.step_protocol import Decision, Planned


def make(situation: NodeInputs, steps: Sequence[Planned]) -> NodePlan:
    """Say what is undone: the switch that the host itself has written down, whoever asked for it, and from where."""
    name, switch = last_switch(situation.facts, situation.node) or ("", Transaction())
    annotation = situation.node.annotations.get(CRI_SOCKET)
    return decided(
        NodePlan(
            host=situation.host,
            node=situation.node.name,
            machine_id=situation.facts.machine_id,
            source=situation.node.runtime,
            target=switch.source,
            endpoint=annotation or "",
            transaction=name,
            cni_plugins=cni.plugin_folders(situation.facts),
            staying=situation.staying,
            socket_annotation=switch.annotation,
            cordoned_before=situation.node.cordoned_by_others,
            findings=checks.judged(
                checks.OF_ROLLBACK, situation, Translation(destination=translate_node.destination(situation))
            ),
        ),
        situation,
        steps,
    )


def cordon(now: NodeInputs, _: NodePlan) -> Decision:
    """Keep new pods away."""
    if now.node.cordoned_by_others:
        return False, "somebody has cordoned the node already; it will stay so"
    return True, "no new pods may come"


def drain(now: NodeInputs, _: NodePlan) -> Decision:
    """Move what can run elsewhere."""
    if not now.node.ready:
        return False, "the node is not Ready: nothing would end on it before it is put back"
    if not _open(now):
        return False, "the node is on its old runtime"
    leaving = [pod for pod in now.leaving if not pod.finished]
    return True, f"{len(leaving)} pods leave by eviction; {len(now.pods) - len(leaving)} stay"


def _open(now: NodeInputs) -> bool:
    """Tell whether there is a switch to undo."""
    switch = last_switch(now.facts, now.node)
    return switch is not None and switch[1].last != "undone"


def restore(now: NodeInputs, plan: NodePlan) -> Decision:
    """Undo the switch."""
    if not _open(now):
        return False, "no switch has to be undone: a run that ended too early has left the node cordoned"
    return True, f"undoes the switch {plan.transaction}: its files are put back, containers of the new runtime removed"


def annotate(_: NodeInputs, plan: NodePlan) -> Decision:
    """Tell kubeadm."""
    if not plan.transaction:
        return False, "it was not changed"
    if plan.endpoint == (plan.socket_annotation or ""):
        return False, f"the Node's cri-socket annotation is {plan.endpoint or 'missing'} already"
    return True, f"kubeadm reads the socket from the Node's annotation; it was {plan.socket_annotation or 'missing'}"


def uncordon(_: NodeInputs, plan: NodePlan) -> Decision:
    """Give the node back, unless somebody else had taken it away."""
    if plan.cordoned_before:
        return False, "somebody else had cordoned the node"
    return True, "the node takes pods again"


def settle(now: NodeInputs, plan: NodePlan) -> Decision:
    """See that what left is available again."""
    drained, why = drain(now, plan)
    return step_decisions.settled(now) if drained else (False, why)
