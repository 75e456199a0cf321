"""What the steps that prove something do: before the switch, beside what serves, and after. Each gives a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from migrator.engine import polling, timeouts
from migrator.engine.context import OpenProbe, ProgressReporter, StepContext
from migrator.errors import ClusterError, CriError, HostUnreachableError, MigratorError, StepFailedError, UnaskedError
from migrator.hosts import HostSession
from migrator.model.evidence import Checked, Evidence, NodeProfile, Outcome, Verdict
from migrator.model.fate import Fate
from migrator.model.plan import NodePlan
from migrator.probe_session import kubelet_session
from migrator.probe_session.api_pods import Wait
from migrator.probe_session.session import ProbeTools
from migrator.proof import verdict
from migrator.proof.spec import ASKED

BASELINE = "baseline"
"""The step whose evidence later ones are compared with. Each step's is kept by its id."""
VERIFY = "verify"
"""The step whose evidence is whole only when somebody has looked for what its pods leave."""


def baseline(run: StepContext) -> str:
    """See how containers are on the old runtime; what is another way afterwards must have been announced."""
    known = _known(run)
    if short := _short(run):
        return f"left out, the node has no room for three more pods: {short}"
    found = _kept(run, _begun(run, known, kubelet_session.at_once).end())
    if found.problems:
        raise StepFailedError("; ".join(found.problems))
    failed = ", ".join(entry.id for entry in found.failed)
    return f"{_counted(found)} on {known.runtime}" + (f"; not right before the migration: {failed}" if failed else "")


def rehearse(run: StepContext) -> str:
    """Prove the planned configuration while the node serves."""
    with run.hosts.line(run.plan.host) as line:
        evidence = run.sessions.rehearsal(
            _bench(run, line), run.plan, _planned(run), kubelet_session.around(run.cluster, cluster_dns=False)
        )
    found = _kept(run, evidence)
    if _new(run, found) or found.problems or not found.passed:
        raise StepFailedError("the planned configuration does not hold:" + _told(found))
    return f"{_counted(found)} in an instance of its own, which is gone again"


def prove(run: StepContext, *, wait: Wait, stays: bool = False) -> str:
    """Prove the node on its new runtime with pods of its kubelet, against what was before; `wait` for it meanwhile.

    Where it `stays`, a good node keeps these pods, for `leavings` to remove when it serves; else they go, and what they
    leave is looked for too. Raises `StepFailedError` for a node that is not what it must be. One that nobody could ask,
    or whose API server nobody could, is asked again; raises `HostUnreachableError`, `ClusterError` or `UnaskedError` in
    the end.
    """
    evidence = _asked(run, wait, stays=stays)
    if evidence.problems:  # once more before that is believed: it takes good nodes back
        run.progress(f"{'; '.join(evidence.problems)}; proves it once more")
        let_go(run)
        wait(lambda: False)  # until the node itself says that it is Ready
        evidence = _asked(run, wait, stays=stays)
    found = _kept(run, evidence, run.seen.get(BASELINE))
    if not _good(run, found):
        if run.ongoing:
            found = _kept(run, _let_go(run, run.ongoing.pop()), run.seen.get(BASELINE))
        raise StepFailedError("containers are not what they must be:" + _told(found))
    return _counted(found)


def leavings(run: StepContext) -> str:
    """Remove the pods that proved the node, and look for what they leave. Raises `StepFailedError` for that.

    The node serves by then, so that nothing is taken back: whoever is told decides. That nobody could look says
    nothing about the node.
    """
    if not run.ongoing:
        return "no pods of ours are there"
    ongoing = run.ongoing.pop()
    ongoing.teller.run = run
    try:
        evidence = ongoing.end()
    except (HostUnreachableError, ClusterError) as error:
        return f"nobody could look for what our pods leave: {error}"
    except CriError as error:
        raise StepFailedError(f"our pods could not be removed: {error}{_advice(run)}") from error
    if evidence.unasked:
        return f"nobody could look for what our pods leave: {'; '.join(evidence.unasked)}"
    found = _kept(run.at(VERIFY), evidence, run.seen.get(BASELINE))
    if not _good(run, found):
        raise StepFailedError(f"our pods leave something behind, and so will others:{_told(found)}{_advice(run)}")
    return _counted(found)


def let_go(run: StepContext) -> None:
    """Remove the pods that proved a node which is not given back after all; what goes wrong is told."""
    while run.ongoing:
        _let_go(run, run.ongoing.pop())


def _advice(run: StepContext) -> str:
    return f"\n`migrator rollback --node {run.plan.node}` takes the node back."


_UNASKED = (HostUnreachableError, ClusterError, UnaskedError)


def _asked(run: StepContext, wait: Wait, *, stays: bool) -> Evidence:
    """Give what a session saw that could be asked; it is over, unless it `stays`."""

    def ask() -> Evidence:
        ongoing = _begun(run, _planned(run), wait)
        run.ongoing.append(ongoing)  # whatever comes now, somebody knows of its pods
        if stays and not ongoing.session.evidence.unasked:
            return ongoing.session.evidence
        try:
            evidence = run.ongoing.pop().end()
        except CriError as error:
            raise StepFailedError(str(error)) from error
        if evidence.unasked:
            _kept(run, evidence)
            raise UnaskedError("; ".join(evidence.unasked))
        return evidence

    return polling.asked_again(run, ask, _UNASKED, seconds=timeouts.AWAY)


def _begun(run: StepContext, known: NodeProfile, wait: Wait) -> OpenProbe:
    with ExitStack() as held:
        line = held.enter_context(run.hosts.line(run.plan.host))
        teller = ProgressReporter(run)
        try:
            session = run.sessions.live(ProbeTools(line=line, clock=run.clock, tell=teller), run.cluster, known, wait)
        except CriError as error:  # the host answered, and its runtime did not
            raise StepFailedError(str(error)) from error
        return OpenProbe(session, held.pop_all(), teller)


def _let_go(run: StepContext, ongoing: OpenProbe) -> Evidence:
    """End a session whose node has been judged; give what was seen. Whatever goes wrong is told, and hides nothing."""
    try:
        return ongoing.end()
    except MigratorError as error:
        run.progress(f"our pods could not be removed: {error}; the next session removes them")
        return ongoing.session.evidence


def _good(run: StepContext, found: Verdict) -> bool:
    return bool(found.passed) and not (_new(run, found) or found.unannounced or found.problems)


def _new(run: StepContext, found: Verdict) -> list[Checked]:
    """Give what failed and had not in the baseline: what was wrong before is not held against the new runtime."""
    before = {entry.id for entry in verdict.judge(run.seen[BASELINE]).failed} if BASELINE in run.seen else set()
    return [entry for entry in found.failed if entry.id not in before]


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


def _planned(run: StepContext) -> NodeProfile:
    """Say what will hold: the same kubelet on the same kernel, with the runtime of the plan and nothing in the old."""
    scheme, _, version = run.plan.target.partition("://")
    return _known(run).model_copy(
        update={
            "runtime": scheme,
            "runtime_version": version,
            "socket": run.plan.endpoint.removeprefix("unix://"),
            "given_up": tuple(sorted(_given_up(run.plan))),
            "elsewhere": (),  # the switch saw to that before it started the kubelet
        }
    )


def _given_up(plan: NodePlan) -> Iterator[str]:
    """Name Docker's settings whose loss the plan announced and nobody refused: what follows from it is expected."""
    yield from {fate.key.partition(".")[0] for fate in plan.fates if fate.fate is Fate.LOST}
    if any(finding.id == "ulimits-change" for finding in plan.findings):
        yield "default-ulimits"


def _known(run: StepContext) -> NodeProfile:
    if run.plan.circumstances is None:
        raise StepFailedError(f"{run.plan.node}: the plan does not say what must hold on this node; make a new plan")
    return run.plan.circumstances


def _bench(run: StepContext, line: HostSession) -> ProbeTools:
    return ProbeTools(line=line, clock=run.clock, tell=run.progress)


def _kept(run: StepContext, evidence: Evidence, before: Evidence | None = None) -> Verdict:
    run.seen[run.step] = evidence
    return verdict.judge(evidence, before)


def _counted(found: Verdict) -> str:
    counts = {outcome: sum(entry.outcome is outcome for entry in found.checks) for outcome in Outcome}
    unknown = f", {counts[Outcome.UNKNOWN]} unknown" if counts[Outcome.UNKNOWN] else ""
    return f"{counts[Outcome.PASSED]} checks passed{unknown}"


def _told(found: Verdict) -> str:
    lines = [*found.problems]
    lines += [f"{entry.id}: expected {entry.expected}, found {entry.found}" for entry in found.failed]
    lines += [f"{entry.what}: was {entry.before}, is {entry.after}" for entry in found.unannounced]
    more = [f"and {len(lines) - _MOST} more"] if len(lines) > _MOST else []
    return "".join(f"\n  {line}" for line in [*lines[:_MOST], *more])


_MOST = 12
"""Lines that a message repeats; the evidence holds all."""
