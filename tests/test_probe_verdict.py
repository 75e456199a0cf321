"""A verdict is good on every healthy node, sums up job by job, and never takes the unknown for passed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrator.model.evidence import Evidence, Leftover, Outcome, ProbeContainerSpec, RawView, Verdict, Via
from migrator.proof.catalogue import JOBS, RULES
from migrator.proof.spec import ASKED
from migrator.proof.verdict import jobs, judge, rule_id
from tests.fakes.proof import CGROUPS, DRIVERS, MIB, RUNTIMES, acting, blind, good, knowing, spoilt

COMBINATIONS = [
    (runtime, cgroup, driver, via) for runtime in RUNTIMES for cgroup in CGROUPS for driver in DRIVERS for via in Via
]  # fmt: skip
OF_A_REAL_NODE = {"kubelet-service", "runtime-service"}
"""What a session over CRI cannot know: its runtime is one of its own."""


@pytest.mark.parametrize(("runtime", "cgroup", "driver", "via"), COMBINATIONS)
def test_every_healthy_combination_is_good(runtime: str, cgroup: str, driver: str, via: Via) -> None:
    """Nothing fails, all is known that can be, and all eight jobs but what is not the session's are proved."""
    verdict = judge(good(runtime, cgroup, driver, via))
    unknown = {rule_id(entry) for entry in verdict.checks if entry.outcome is Outcome.UNKNOWN}

    assert verdict.good
    assert unknown == (OF_A_REAL_NODE if via is Via.CRI else set())
    assert {outcome for _, outcome, _ in jobs(verdict)} == {Outcome.PASSED}
    assert len({entry.id for entry in verdict.checks}) == len(verdict.checks) > 200


@pytest.mark.parametrize(
    ("runtime", "known"),
    [
        ("cri-o", {"low_level": "crun", "runtime_version": "1.31.0", "kubelet_version": "1.31.0"}),
        ("containerd", {"runtime_version": "2.1.9", "kubelet_version": "1.34.0", "seccomp_default": "RuntimeDefault"}),
        ("containerd", {"cgroup_root": "/on-prem/nodes"}),
        ("docker", {"runtime_version": "19.03.15"}),
        ("containerd", {"cgroup": "hybrid"}),
    ],
)
def test_other_releases_are_good_too(runtime: str, known: dict[str, str]) -> None:
    """Crun below its scope, a kubelet that filters by default, a cgroup root, an old Docker and hybrid cgroups."""
    assert judge(good(runtime, **known)).good


AMOUNTS = st.integers(1, 1 << 40)


@st.composite
def demands(draw: st.DrawFn) -> tuple[ProbeContainerSpec, ...]:
    """Make what could be asked for the four containers."""
    found = []
    for asked in ASKED:
        cpu, memory = draw(st.integers(10, 64_000)), draw(st.integers(4 * MIB, 1 << 38))
        limited = asked.quality != "BestEffort"
        found.append(
            asked.model_copy(
                update={
                    "cpu_limit": cpu if limited else 0,
                    "cpu_request": draw(st.integers(0, cpu)) if limited else 0,
                    "memory_limit": memory if limited else 0,
                    "memory_request": draw(st.integers(1, memory)) if limited else 0,
                }
            )
        )
    return tuple(found)


@settings(max_examples=25)
@given(
    st.sampled_from(COMBINATIONS), demands(), st.dictionaries(st.sampled_from("abc"), st.uuids().map(str)),
    st.sampled_from([4096, 65536]), st.integers(61, 100),
)  # fmt: skip
def test_no_healthy_node_is_accused(
    combination: tuple[str, str, str, Via],
    asked: tuple[ProbeContainerSpec, ...],
    uids: dict[str, str],
    page: int,
    pids: int,
) -> None:
    """Whatever limits were asked for, and whatever the pods' uids and the pages' size, nothing fails."""
    runtime, cgroup, driver, via = combination
    evidence = good(runtime, cgroup, driver, via, asked=asked, uids=uids, page=page, pods_limit=pids)
    evidence = acting(evidence, "fork", facts={"limit": pids})

    assert judge(evidence).failed == ()


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_nothing_seen_is_nothing_proved(runtime: str) -> None:
    """A session that saw nothing is not good, fails nothing, and proves none of the eight jobs."""
    verdict = judge(blind(knowing(good(runtime), security_modules=())).model_copy(update={"containers": ()}))

    assert not verdict.good
    assert verdict.failed == ()
    assert [outcome for _, outcome, _ in jobs(verdict)] == [Outcome.UNKNOWN] * len(JOBS)
    assert all("not proved" in sentence for _, _, sentence in jobs(verdict))


def test_a_job_is_not_proved_while_what_proves_it_is_unknown() -> None:
    """Without a word on a process beyond its limit, the cgroup's job is unknown, whatever else passed."""
    verdict = judge(acting(good(), "memory-over", problem="the connection was lost"))

    assert next(row for row in jobs(verdict) if row[0] == "cgroup")[1:] == (
        Outcome.UNKNOWN, "not proved: memory-enforced: the connection was lost"
    )  # fmt: skip
    assert verdict.good, "an unknown check alone is no fault of the node"


def test_a_failed_job_says_what_and_how_many() -> None:
    """The first failure is told with what was found and expected, the others are counted."""
    left = tuple(Leftover(kind=kind, what=f"{kind} 1") for kind in ("cgroup", "mount", "netns"))
    verdict = judge(good().model_copy(update={"left": left}))

    assert next(row for row in jobs(verdict) if row[0] == "cleanup")[1:] == (
        Outcome.FAILED, "left-cgroup: cgroup 1, expected nothing, and 2 more"
    )  # fmt: skip


def test_every_job_has_something_that_proves_it() -> None:
    """Each of the eight has checks without which it stays unknown."""
    assert {rule.job for rule in RULES.values() if rule.proves} == set(JOBS)


def test_what_the_session_says_of_itself_is_kept() -> None:
    """Trace, problems and duration are the session's own; a problem keeps a verdict from being good."""
    evidence = good().model_copy(update={"problems": ("the runtime died",)})
    verdict = judge(evidence)

    assert (verdict.trace, verdict.problems, verdict.seconds) == (evidence.trace, ("the runtime died",), 12.0)
    assert not verdict.good
    assert jobs(Verdict(circumstances=evidence.circumstances, checks=()))[0] == (
        "cgroup",
        Outcome.UNKNOWN,
        "nothing was checked",
    )


@settings(max_examples=15)
@given(
    st.dictionaries(st.sampled_from(["status", "cgroup", "mountinfo", "limits", "/proc/1/cmdline", "uid_map"]), st.text(max_size=60)),
    st.dictionaries(st.sampled_from(["memory.max", "cpu.max", "pids.max", "cpu.weight"]), st.sampled_from(["", "max", "0", "-1", "x", "0 0", "1 1"])),
    st.dictionaries(st.sampled_from(["said", "connected", "error", "forked", "cpu_ns", "wall_ns"]), st.one_of(st.text(max_size=5), st.integers(-1, 1), st.booleans())),
)  # fmt: skip
def test_no_evidence_makes_a_judge_stumble(
    files: dict[str, str], cgroup: dict[str, str], answer: dict[str, str | int]
) -> None:
    """Broken texts and odd answers give a verdict and no error, and stay differences from a whole session."""
    evidence = good()
    for name in ("one", "two"):
        evidence = spoilt(
            evidence, name, inside={"files": files}, outside={"files": files, "cgroup": cgroup, "parent": cgroup}
        )
    for act in evidence.acts:
        evidence = acting(evidence, act.name, act.container, answer=answer, facts={"lines": "x", "limit": "y"})

    assert judge(evidence, good()).checks
    assert judge(Evidence(circumstances=evidence.circumstances), evidence).checks
    assert judge(
        evidence.model_copy(update={"host": evidence.host.model_copy(update={"raw": RawView(files=files)})})
    ).checks
