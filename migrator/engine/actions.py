"""What each step does, and how it is undone. Each function gives a sentence about what it did."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from migrator.engine import drain as draining
from migrator.engine import polling, proof, timeouts
from migrator.engine import reboot as rebooting
from migrator.engine.context import StepContext
from migrator.engine.playbooks import answer, planned_file, play, request
from migrator.errors import BusyError, RefusedError, StalePlanError, StepFailedError
from migrator.model import node_requests
from migrator.model.docker_removal import Removal
from migrator.model.kubernetes import CRI_SOCKET, Pod
from migrator.model.node_answers import Installed, Retired, Switched, Told
from migrator.model.plan import NodePlan
from migrator.planning.candidate_version import PINNED, plain, unfit
from migrator.runtimes.registry import RUNTIMES

_SWITCH_TASK = "Switch the node's container runtime"
REMOVAL_TASK = "Look at or remove what is left of Docker"
RETIRE_TASK = "Stop Docker where nothing uses it"
_VERSION = re.compile(r"[0-9][A-Za-z0-9.+~:_-]*")
_INSTALL_TASK = "Install the runtime's package"


def install(run: StepContext) -> str:
    """Install the new runtime's package, and nothing that is there already anew.

    Which version would come is asked first: raises `StepFailedError` for one that no node may be moved to. Exactly the
    one that was judged is installed; where the package manager does not tell it, this is said, and the next plan
    judges it.
    """

    def asked(version: str, *, look: bool) -> Installed:
        words = {"name": run.target.package, "version": version, "source": run.target.packages}
        asking = request(node_requests.Install, **words, look=look)
        return answer(Installed, play(run, asking).get(_INSTALL_TASK, {}))

    told = asked(run.target.package_version, look=True).would
    if not _VERSION.fullmatch(told):
        told = ""
    would = plain(told)
    kubelet = run.cluster.node(run.plan.node).kubelet_version
    if why := unfit(kubelet, RUNTIMES[run.target.runtime], would):
        raise StepFailedError(
            f"{run.plan.node}: {run.target.package} {would} would come: {why.why}; nothing was installed. "
            f"{why.remedy}, by {PINNED}"
        )
    new = asked(told or run.target.package_version, look=False).installed
    if not new:
        return "it was installed meanwhile"
    unknown = "" if told else "; the package manager did not tell before which version would come"
    return ", ".join(f"{name} {version}" for name, version in sorted(new.items())) + unknown


def cordon(run: StepContext) -> str:
    """Keep new pods away."""

    def ours() -> None:
        if run.cluster.node(run.plan.node).cordoned_by_others:
            raise StalePlanError(f"{run.plan.node}: somebody has cordoned it since the plan was made; make a new plan")
        try:
            run.cluster.set_unschedulable(run.plan.node, unschedulable=True)
        except RefusedError as error:  # nothing is out of service yet that would be worth waiting
            raise StepFailedError(str(error)) from error

    polling.retry_on_api_error(run, ours)
    return "no new pods"


def uncordon(run: StepContext) -> str:
    """Let pods come again, unless somebody else had cordoned the node."""
    if run.plan.cordoned_before:
        return "stays cordoned, as somebody else had it"
    others: list[bool] = []

    def back() -> None:
        others.append(run.cluster.node(run.plan.node).cordoned_by_others)
        if not others[-1]:
            run.cluster.set_unschedulable(run.plan.node, unschedulable=False)

    polling.retry_on_api_error(run, back)
    return "stays cordoned, as somebody else has it by now" if others[-1] else "takes pods again"


def drain(run: StepContext) -> str:
    """Move what can run elsewhere."""
    with run.neighbours.draining(run.plan.node):
        return draining.drain(run)


def drain_back(run: StepContext) -> str:
    """Likewise before a runtime is left that may be unable to end its containers."""
    with run.neighbours.draining(run.plan.node):
        return draining.drain(run, overdue_may_stay=True)


def switch(run: StepContext) -> str:
    """Do the transaction on the node."""
    result = _transact(run, "new", run.id)
    match result.outcome:
        case "switched":
            return "; ".join(f"{entry.action} {entry.seconds:.0f} s" for entry in result.actions)
        case "unchanged":
            return "was switched already"
        case "stale":
            raise StalePlanError(f"{run.plan.node}: {result.cause}; make a new plan")
        case _:
            raise StepFailedError(result.cause or "the node gave no result")


def switch_back(run: StepContext) -> str:
    """Undo the transaction, and wait until the node is Ready on its old runtime with what stays on it."""
    return _put_back(run, run.id, run.plan.source)


def restore(run: StepContext) -> str:
    """Likewise for the transaction of an earlier run, on a node that serves on its new runtime."""
    return _put_back(run, run.plan.transaction, run.plan.target)


def remain(run: StepContext) -> str:
    """See a node Ready whose rollback failed: one that is not must not take pods again."""
    runtime = _runtime(run).partition("://")[0]
    polling.wait_until(
        run, lambda: _lacking(run, runtime), f"{run.plan.node} to be Ready", seconds=run.target.ready_timeout
    )
    return f"Ready on {_runtime(run)}"


def _put_back(run: StepContext, transaction: str, to: str) -> str:
    result = _transact(run, "old", transaction)
    if result.outcome not in {"restored", "unchanged"}:
        raise StepFailedError(result.cause or "the node gave no result")
    runtime = to.partition("://")[0]
    polling.wait_until(
        run,
        lambda: _lacking(run, runtime, since=result.kubelet_started, removed=result.removed),
        f"{run.plan.node} to be Ready on {runtime}",
        seconds=timeouts.PUT_BACK,
    )
    return f"Ready on {_runtime(run)}"


def verify(run: StepContext) -> str:
    """See the node Ready on the new runtime with what stays on it, and prove it as far as was asked for.

    The pods that prove it stay until it serves again.
    """
    return _ready(run) if run.target.proof == "none" else prove(run, stays=True)


def prove(run: StepContext, *, stays: bool = False) -> str:
    """See the same, and prove the node by pods of our own; where they do not stay, see them leave nothing.

    They are asked as soon as its kubelet runs them and what stays: that it is Ready it may say only ten seconds later
    (`nodeStatusUpdateFrequency`), as its first status comes before it has looked at its runtime.
    """

    def wait(running: Callable[[], bool]) -> None:
        _await_ready(run, or_else=running)
        run.progress(f"what stays runs on {_runtime(run)}")

    _await_node(run)
    proved = proof.prove(run, wait=wait, stays=stays)
    return f"{_ready(run)}; {proved}"


def _runtime(run: StepContext) -> str:
    """Read which runtime the node reports."""
    return polling.retry_on_api_error(run, lambda: run.cluster.node(run.plan.node).runtime)


def _ready(run: StepContext) -> str:
    _await_ready(run)
    return f"Ready on {_runtime(run)}, {len(run.plan.staying)} pods that stay run on it"


def _await_node(run: StepContext) -> None:
    """Wait until the Node is there: whoever deletes one may have its kubelet make it anew."""

    def lacking() -> str:
        run.cluster.node(run.plan.node)
        return ""

    polling.wait_until(run, lacking, f"Node {run.plan.node}", seconds=run.target.ready_timeout)


def _await_ready(run: StepContext, or_else: Callable[[], bool] = lambda: False) -> None:
    """Wait until what stays runs on the new runtime, and the node is Ready `or_else` something says as much."""
    scheme = RUNTIMES[run.target.runtime].scheme
    polling.wait_until(
        run,
        lambda: _lacking(run, scheme, or_else=or_else),
        f"{run.plan.node} to be Ready on {scheme}",
        seconds=run.target.ready_timeout,
    )


def reboot(run: StepContext) -> str:
    """Boot the machine, and wait until its kubelet says again that it is Ready."""
    rebooting.reboot(run.hosts, run.cluster, run.clock, host=run.plan.host, node=run.plan.node)
    return "came back and is Ready"


def annotate(run: StepContext) -> str:
    """Tell kubeadm where the runtime's socket is."""
    polling.retry_on_api_error(run, lambda: run.cluster.annotate(run.plan.node, CRI_SOCKET, run.plan.endpoint))
    return run.plan.endpoint


def annotate_back(run: StepContext) -> str:
    """Put the annotation back as it was."""
    polling.retry_on_api_error(run, lambda: run.cluster.annotate(run.plan.node, CRI_SOCKET, run.plan.socket_annotation))
    return run.plan.socket_annotation or "removed"


def retire(run: StepContext) -> str:
    """Stop Docker, keeping its packages and data; leave it running where somebody uses it by now."""
    kept = answer(Retired, play(run, node_requests.Retire()).get(RETIRE_TASK, {})).kept
    if kept:
        return f"Docker stays as it is: {'; '.join(kept)}"
    return "Docker is stopped and disabled; its packages and data stay"


def remove(run: StepContext) -> str:
    """Remove what the plan shows of Docker, and nothing else."""
    removal = run.plan.removal or Removal()
    results = play(run, request(node_requests.Cleanup, state="absent", expected=removal))
    for problem in answer(Told, results.get(REMOVAL_TASK, {})).problems:
        run.progress(problem)
    return f"{len(removal.packages)} packages and {removal.bytes / 1e9:.1f} GB are gone"


def _lacking(
    run: StepContext,
    runtime: str,
    *,
    since: float = 0,
    removed: Collection[str] = (),
    or_else: Callable[[], bool] = lambda: False,
) -> str:
    """Say what keeps the node from being Ready on `runtime` with its staying pods; "" when nothing does.

    A status that the stopped kubelet left behind does not count: it is older than `since`, by the node's clock, or
    shows a container that was `removed`. A node that is not Ready lacks nothing where `or_else` says so.
    """
    node = run.cluster.node(run.plan.node)
    if not node.runtime.startswith(f"{runtime}://"):
        return f"it reports {node.runtime}"
    if not node.ready and not or_else():
        return "it is not Ready"
    if since and _moment(node.heartbeat) < int(since):
        return "its kubelet has not reported yet"
    # From the cache: an older state cannot show containers of a runtime that had none yet, nor hide `removed` ones.
    present = _present(run, cached=True)
    lacking = [name for name, pods in present.items() if _lacks(name, pods, runtime, removed)]
    if not lacking and not all(present.values()):  # it may be behind where a DaemonSet seems to have left the node
        present = _present(run, cached=False)
        lacking = [name for name, pods in present.items() if _lacks(name, pods, runtime, removed)]
    return f"not running there yet: {', '.join(lacking)}" if lacking else ""


def _present(run: StepContext, *, cached: bool) -> dict[str, list[Pod]]:
    """Give the pods that are there of what stays, by name."""
    present: dict[str, list[Pod]] = {name: [] for name in run.plan.staying}
    for pod in run.cluster.pods_on(run.plan.node, cached=cached):
        if pod.stays and not pod.finished and not pod.terminating and pod.lasting in present:
            present[pod.lasting].append(pod)
    return present


def _lacks(name: str, pods: Sequence[Pod], runtime: str, removed: Collection[str]) -> bool:
    """Tell whether none of the pods runs there; a DaemonSet that has none on the node any more has left it."""
    if not pods:
        return "/DaemonSet/" not in name
    return not any(_runs_on(pod, runtime, removed) for pod in pods)


def _moment(heartbeat: str) -> float:
    """Read a time of the API, for example "2026-01-01T00:00:00Z", as seconds since the epoch."""
    return datetime.fromisoformat(heartbeat).timestamp() if heartbeat else 0.0


def _runs_on(pod: Pod, runtime: str, removed: Collection[str]) -> bool:
    containers = [container.partition("://") for container in pod.container_ids]
    return pod.ready and all(scheme == runtime and name not in removed for scheme, _, name in containers)


def _transact(run: StepContext, state: str, name: str) -> Switched:
    """Have the node do its transaction; give what came of it.

    It goes on there when the connection is lost, and the node may be rebooting: it is asked again until it answers, and
    until it is through with a switch that is under way. Raises `LineError`, `BusyError` when that takes too long.
    """
    asked = transaction(run.plan, name, state)
    until = run.clock.now() + timeouts.SWITCH

    while True:
        results = polling.retry_while_unreachable(
            run, lambda: play(run, asked), meanwhile="what the node does goes on, asks it again"
        )
        found = answer(Switched, results.get(_SWITCH_TASK, {}))
        if found.outcome != "busy":
            break
        if run.clock.now() >= until:
            raise BusyError(f"{run.plan.host}: {found.cause}")
        run.progress(f"{found.cause}; asks it again")
        run.clock.sleep(timeouts.EVERY)
    for problem in found.problems:
        run.progress(problem)
    return found


def transaction(plan: NodePlan, name: str, state: str) -> node_requests.Switch:
    """Give what the playbook of the switch takes, forth ("new") or back ("old"). Raises `StepFailedError`."""
    return request(
        node_requests.Switch,
        state=state,
        transaction=name,
        socket=plan.endpoint.removeprefix("unix://"),
        plugins=plan.cni_plugins,
        files=tuple(planned_file(file) for file in plan.files),
        stale_addresses=[{"path": entry.path, "container": entry.container} for entry in plan.stale_addresses],
        arguments=plan.kubelet_arguments,
        about={"source": plan.source, "annotation": plan.socket_annotation},
    )
