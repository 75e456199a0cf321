"""Rehearse a migration while the node still serves: the planned configuration in an instance of its own, probed, gone.

The instance has its own data, state, socket and cgroup parent. It shares what it must prove: the programs, the CNI
configuration and plugins, the kernel. Nothing that serves is restarted or asked to change.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import PurePosixPath

from migrator.errors import HostProblemError, StepFailedError
from migrator.model.evidence import ContainerObservation, Evidence, NodeProfile, Via
from migrator.model.plan import MigrationPlan
from migrator.probe_session import cri_containers, session
from migrator.probe_session.exercise import Around
from migrator.probe_session.session import ProbeTools, SessionProblems, Store
from migrator.runtimes import containerd
from migrator.runtimes.containerd import rehearsal
from migrator.runtimes.containerd.runtime import CONTAINERD

_START_SECONDS = 240.0
_PROCESSES = 64
"""Less than the probe tries to start, so that the limit shows."""


def rehearse(bench: ProbeTools, plan: MigrationPlan, known: NodeProfile, around: Around) -> Evidence:
    """Run the probe in a private instance with the plan's configuration, and remove all of it.

    `known` is what will hold for pods of the node's kubelet after the migration. Raises `HostUnreachableError`,
    `CriError` or `StepFailedError` when the instance does not even start: the message is what its runtime said.
    """
    identity = session.new_id()
    began = bench.clock.now()
    session.lock(bench, identity, "a rehearsal")
    for older in bench.line.ask("sessions"):
        bench.tell(f"removes what the rehearsal {older['session']} left")
        for what in bench.line.ask("stop_runtime", session=older["session"])["left"]:
            bench.tell(f"{what} would not go")
    bench.tell("starts a private instance")
    text = _config(plan)
    own = [file for file in plan.files if not file.copies]
    troubles = SessionProblems()
    try:
        started = bench.line.ask(
            "start_runtime", deadline=_START_SECONDS, session=identity, runtime="containerd", program="containerd",
            config=_encoded(rehearsal.private(text, [file.path for file in own], network=plan.network_needs_pods)),
            files={rehearsal.staged(file.path): _encoded(file.content) for file in own}
            | {name: _encoded(text) for name, text in rehearsal.NETWORK.items() if plan.network_needs_pods},
            root=str(PurePosixPath(plan.root or CONTAINERD.root).parent),
        )  # fmt: skip
        if pause := rehearsal.pause_image(text):
            bench.line.ask("carry_image", reference=pause, socket=started["socket"])
        known = known.model_copy(update={"network_expected": not plan.network_needs_pods})
        evidence = _with_instance(bench, known, identity, started["socket"], around, troubles)
    except BaseException:
        _end(bench, identity, troubles)
        session.told(bench, troubles)
        raise
    _end(bench, identity, troubles, cri_containers.identities(evidence.containers)["ids"])
    return troubles.added_to(evidence.model_copy(update={"seconds": bench.clock.now() - began}))


def _with_instance(
    bench: ProbeTools, known: NodeProfile, identity: str, socket: str, around: Around, troubles: SessionProblems
) -> Evidence:
    logs = f"{PurePosixPath(socket).parent}/logs"
    runtime = bench.reach(socket)
    try:
        with session.bundled_image(bench, Store("containerd", socket), troubles) as reference:
            try:
                resting = session.resting(bench)
                bench.tell("starts probe containers in it")
                seen = cri_containers.start(runtime, identity, reference, driver=known.cgroup_driver, logs=logs)
                limited = _limit(bench, seen)
                here = known.model_copy(
                    update={
                        "via": Via.CRI,
                        "cgroup_root": cri_containers.Parents(identity, known.cgroup_driver).root,
                        "pods_limit": limited,
                        "seccomp_default": "",  # a kubelet's doing, as is that it enforces no quota
                        "cpu_quota": True,
                    }
                )
                bench.tell("asks them what they are, and has them act")
                evidence = session.gather(
                    bench,
                    here,
                    identity,
                    runtime,
                    seen,
                    image=reference,
                    around=around,
                    log=lambda entry: _log(bench, entry, logs),
                )
                ends = session.interfaces(bench, evidence.containers)
            finally:
                bench.tell("removes them, and looks for what is left")
                session.guarded(
                    bench,
                    troubles,
                    "probes could not be removed",
                    lambda: troubles.problems.extend(cri_containers.stop(runtime, identity)),
                )
        # What bears the session's name is the instance's own; it goes with it, and whatever stays is told then.
        evidence = session.leftovers(bench, evidence, ends).model_copy(update={"resting": resting})
    finally:
        runtime.close()
    return evidence


def _config(plan: MigrationPlan) -> str:
    """Give the configuration that the runtime will have."""
    for file in plan.files:
        if file.path == containerd.CONFIG:
            return file.content
    if plan.config:
        return plan.config
    raise StepFailedError(f"{plan.node}: the plan has no {containerd.CONFIG}: there is nothing to rehearse")


def _limit(bench: ProbeTools, seen: tuple[ContainerObservation, ...]) -> int:
    """Limit the processes of the first pod, as a kubelet's podPidsLimit would; 0 where that cannot be done."""
    one = next((entry for entry in seen if entry.asked.name == "one" and entry.id), None)
    if one is None:
        return 0
    pid = bench.line.ask("pids", ids=[one.id])[one.id]
    try:
        bench.line.ask("limit_processes", pid=pid, most=_PROCESSES)
    except HostProblemError:
        return 0
    return _PROCESSES


def _log(bench: ProbeTools, entry: ContainerObservation, logs: str) -> str:
    return str(bench.line.ask("log", path=cri_containers.log_path(entry, logs), bytes=65536))


def _end(bench: ProbeTools, identity: str, troubles: SessionProblems, ids: Sequence[str] = ()) -> None:
    """Remove the instance, whatever it is in the middle of, and what is left of the containers with these `ids`."""

    def stop() -> None:
        left = bench.line.ask("stop_runtime", session=identity, ids=list(ids))["left"]
        troubles.problems.extend(f"the rehearsal left behind: {what}" for what in left)

    session.guarded(bench, troubles, "the rehearsal could not be removed", stop)


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
