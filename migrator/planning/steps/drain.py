"""Move what can run elsewhere."""

from __future__ import annotations

from migrator.model.plan import NodePlan
from migrator.planning.inputs import NodeInputs
from migrator.planning.skip_reasons import already_done
from migrator.planning.step_protocol import Decision
from migrator.planning.steps.restore import is_open


def decide(now: NodeInputs, _: NodePlan) -> Decision:
    """Move what can run elsewhere."""
    if done := already_done(now):
        return done
    leaving = [pod for pod in now.leaving if not pod.finished]
    if not leaving:
        return True, "no pod has to leave now; those that come before the cordon do"
    return (
        True,
        f"{len(leaving)} pods leave by eviction; {len(now.pods) - len(leaving)} stay (DaemonSets', static, finished)",
    )


def decide_back(now: NodeInputs, _: NodePlan) -> Decision:
    """Move it before the old runtime comes back."""
    if not now.node.ready:
        return False, "the node is not Ready: nothing would end on it before it is put back"
    if not is_open(now):
        return False, "the node is on its old runtime"
    leaving = [pod for pod in now.leaving if not pod.finished]
    return True, f"{len(leaving)} pods leave by eviction; {len(now.pods) - len(leaving)} stay"


def decide_reboot(now: NodeInputs, _: NodePlan) -> Decision:
    """Move it before the machine goes down."""
    leaving = sum(not pod.finished for pod in now.leaving)
    return True, f"{leaving} pods leave by eviction; {len(now.pods) - leaving} stay and stop for that time"
