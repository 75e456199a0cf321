"""Reboot a node, and wait until its kubelet says again that it is Ready."""

from __future__ import annotations

import base64
import re
from datetime import datetime

from migrator.cluster import Cluster
from migrator.engine.context import StepContext
from migrator.engine.playbooks import answer
from migrator.errors import ClusterError, StepFailedError
from migrator.hosts import Hosts
from migrator.model.clock import Clock
from migrator.model.node_answers import Content
from migrator.model.node_requests import Reboot

READY_SECONDS = 600.0
"""Patience with the kubelet after the host answers: static pods and the network start at the same time."""
_BOOTED_TASK = "Read when it booted"
_EVERY = 2.0


def act(run: StepContext) -> str:
    """Boot the machine, and wait until its kubelet says again that it is Ready."""
    reboot(run.hosts, run.cluster, run.clock, host=run.plan.host, node=run.plan.node)
    return "came back and is Ready"


def reboot(hosts: Hosts, cluster: Cluster, clock: Clock, *, host: str, node: str) -> None:
    """Reboot the host `host` of the inventory, which is Node `node`.

    Raises `StepFailedError` when it does not come back, or not Ready; the message says which.
    """
    result = hosts.play(Reboot(), [host])[host]
    if result.problem:
        raise StepFailedError(f"{host} could not be rebooted, or did not come back: {result.problem}")
    booted = _booted(answer(Content, result.results.get(_BOOTED_TASK, {})).content)
    deadline = clock.now() + READY_SECONDS
    while lacking := _lacking(cluster, node, booted):
        if clock.now() >= deadline:
            raise StepFailedError(
                f"{node} was rebooted and is not Ready {READY_SECONDS:.0f} s later: {lacking}; "
                f"see `kubectl describe node {node}`, and `journalctl -b -u kubelet` on it"
            )
        clock.sleep(_EVERY)


def _lacking(cluster: Cluster, name: str, booted: float) -> str:
    """Say what keeps the node from being Ready; "" when nothing does.

    For a while the API server still shows what the kubelet said before the reboot.
    """
    try:
        node = cluster.node(name)
    except ClusterError as error:
        return str(error)
    if not node.heartbeat or datetime.fromisoformat(node.heartbeat).timestamp() < booted:
        return "its kubelet has not reported since the boot"
    return "" if node.ready else "its kubelet says that it is not"


def _booted(encoded: str) -> float:
    """Read the moment of the boot, by the host's clock, from /proc/stat in base64."""
    try:
        found = re.search(r"^btime (\d{1,15})$", base64.b64decode(encoded).decode("ascii", "replace"), re.MULTILINE)
    except ValueError:  # no base64
        found = None
    if found is None:
        raise StepFailedError("the host was rebooted, and its /proc/stat does not say when it booted (btime)")
    return float(found[1])
