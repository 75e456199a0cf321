"""What the steps that prove something share: sessions on the node, what must hold there, and the judgement."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from migrator.engine import polling, timeouts
from migrator.engine.context import OpenProbe, ProgressReporter, StepContext
from migrator.errors import ClusterError, CriError, HostUnreachableError, MigratorError, StepFailedError, UnaskedError
from migrator.model.evidence import Checked, Evidence, NodeProfile, Outcome, Verdict
from migrator.model.fate import Fate
from migrator.model.plan import CleanupPlan, MigrationPlan, NodePlan
from migrator.probe_session.api_pods import Wait
from migrator.probe_session.session import ProbeTools
from migrator.proof import verdict

BASELINE = "baseline"
"""The step whose evidence later ones are compared with. Each step's is kept by its id."""
VERIFY = "verify"
"""The step whose evidence is whole only when somebody has looked for what its pods leave."""


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
    found = keep_and_judge(run, evidence, run.seen.get(BASELINE))
    if not is_good(run, found):
        if run.ongoing:
            found = keep_and_judge(run, _let_go(run, run.ongoing.pop()), run.seen.get(BASELINE))
        raise StepFailedError("containers are not what they must be:" + describe(found))
    return summarize(found)


def let_go(run: StepContext) -> None:
    """Remove the pods that proved a node which is not given back after all; what goes wrong is told."""
    while run.ongoing:
        _let_go(run, run.ongoing.pop())


_UNASKED = (HostUnreachableError, ClusterError, UnaskedError)


def _asked(run: StepContext, wait: Wait, *, stays: bool) -> Evidence:
    """Give what a session saw that could be asked; it is over, unless it `stays`."""

    def ask() -> Evidence:
        ongoing = begin_session(run, planned_profile(run), wait)
        run.ongoing.append(ongoing)  # whatever comes now, somebody knows of its pods
        if stays and not ongoing.session.evidence.unasked:
            return ongoing.session.evidence
        try:
            evidence = run.ongoing.pop().end()
        except CriError as error:
            raise StepFailedError(str(error)) from error
        if evidence.unasked:
            keep_and_judge(run, evidence)
            raise UnaskedError("; ".join(evidence.unasked))
        return evidence

    return polling.asked_again(run, ask, _UNASKED, seconds=timeouts.AWAY)


def begin_session(run: StepContext, known: NodeProfile, wait: Wait) -> OpenProbe:
    """Begin a session on the node. Raises `StepFailedError` where the host answers and its runtime does not."""
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


def is_good(run: StepContext, found: Verdict) -> bool:
    """Tell whether the node is what it must be, as far as anybody proved it."""
    return bool(found.passed) and not (newly_failed(run, found) or found.unannounced or found.problems)


def newly_failed(run: StepContext, found: Verdict) -> list[Checked]:
    """Give what failed and had not in the baseline: what was wrong before is not held against the new runtime."""
    before = {entry.id for entry in verdict.judge(run.seen[BASELINE]).failed} if BASELINE in run.seen else set()
    return [entry for entry in found.failed if entry.id not in before]


def planned_profile(run: StepContext) -> NodeProfile:
    """Say what will hold: the same kubelet on the same kernel, with the runtime of the plan and nothing in the old."""
    scheme, _, version = run.plan.target.partition("://")
    return node_profile(run).model_copy(
        update={
            "runtime": scheme,
            "runtime_version": version,
            "socket": _proved(run).endpoint.removeprefix("unix://"),
            "given_up": tuple(sorted(_given_up(run.plan))),
            "elsewhere": (),  # the switch saw to that before it started the kubelet
        }
    )


def _given_up(plan: NodePlan) -> Iterator[str]:
    """Name Docker's settings whose loss the plan announced and nobody refused: what follows from it is expected."""
    fates = plan.fates if isinstance(plan, MigrationPlan) else ()
    yield from {fate.key.partition(".")[0] for fate in fates if fate.fate is Fate.LOST}
    if any(finding.id == "ulimits-change" for finding in plan.findings):
        yield "default-ulimits"


def node_profile(run: StepContext) -> NodeProfile:
    """Give what must hold for containers of this node. Raises `StepFailedError` for a plan that does not say it."""
    found = _proved(run).circumstances
    if found is None:
        raise StepFailedError(f"{run.plan.node}: the plan does not say what must hold on this node; make a new plan")
    return found


def _proved(run: StepContext) -> MigrationPlan | CleanupPlan:
    return run.plan if isinstance(run.plan, CleanupPlan) else run.migration


def keep_and_judge(run: StepContext, evidence: Evidence, before: Evidence | None = None) -> Verdict:
    """Keep a step's evidence for those that come later, and judge it."""
    run.seen[run.step] = evidence
    return verdict.judge(evidence, before)


def summarize(found: Verdict) -> str:
    """Say how many checks passed."""
    counts = {outcome: sum(entry.outcome is outcome for entry in found.checks) for outcome in Outcome}
    unknown = f", {counts[Outcome.UNKNOWN]} unknown" if counts[Outcome.UNKNOWN] else ""
    return f"{counts[Outcome.PASSED]} checks passed{unknown}"


def describe(found: Verdict) -> str:
    """Name what is wrong, a line each."""
    lines = [*found.problems]
    lines += [f"{entry.id}: expected {entry.expected}, found {entry.found}" for entry in found.failed]
    lines += [f"{entry.what}: was {entry.before}, is {entry.after}" for entry in found.unannounced]
    more = [f"and {len(lines) - _MOST} more"] if len(lines) > _MOST else []
    return "".join(f"\n  {line}" for line in [*lines[:_MOST], *more])


_MOST = 12
"""Lines that a message repeats; the evidence holds all."""
