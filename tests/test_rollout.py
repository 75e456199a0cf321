"""A rollout never takes more than it may, whatever happens to its nodes."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from contextlib import suppress
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrator.errors import ClusterError, UsageError
from migrator.rollout import Course, Member, Policy, amount, roll, spread


class World:
    """A cluster in which time passes when somebody waits: nodes take their time, some fail, others go away by themselves."""

    def __init__(
        self, members: list[Member], policy: Policy, seed: int, *, failing: float = 0.0, away: float = 0.0
    ) -> None:
        """Decide everything by a seed."""
        self.random = Random(seed)  # noqa: S311 - no secret
        self.members = members
        self.policy = policy
        self.failing = failing
        self.away = away
        self.time = 0.0
        self.course = Course(members, policy)
        self.ends: list[tuple[float, str]] = []
        self.gone: dict[str, float] = {}
        self.begun: list[str] = []
        self.most_at_once = 0
        self.told: list[str] = []
        self.blips = 0

    def unavailable(self) -> set[str]:
        """Give what others took away, and what is worked on; sometimes the API server does not answer."""
        if self.random.random() < 0.02:
            self.blips += 1
            raise ClusterError("no answer")
        if self.away and self.random.random() < self.away:
            self.gone[self.random.choice(self.members).node] = self.time + self.random.uniform(1, 300)
        self.gone = {node: until for node, until in self.gone.items() if until > self.time}
        self.seen = {*self.gone, *self.course.working}
        return set(self.seen)

    def begin(self, node: str) -> None:
        """Begin, and see that it may be."""
        if node in self.begun:
            assert node in self.course.working
            return
        size, limit = self.limits()
        canary = len(self.begun) < self.policy.canaries
        others = [name for name in self.gone if name not in self.course.working]
        worse = node not in self.gone
        assert not worse or len(self.course.working) + len(others) <= limit, "more unavailable than allowed"
        assert len(self.course.working) <= (1 if canary else size), "more at once than a batch has"
        assert len(self.course.failed) <= self.policy.failures, "begun after too many failures"
        if len(self.begun) >= self.policy.canaries:
            assert set(self.begun[: self.policy.canaries]).isdisjoint(self.course.working), "a batch beside a canary"
        self.begun.append(node)
        self.most_at_once = max(self.most_at_once, len(self.course.working))
        heapq.heappush(self.ends, (self.time + self.random.uniform(10, 600), node))

    def limits(self) -> tuple[int, int]:
        """Give the batch and the number that may be unavailable."""
        size = amount(self.policy.batch, len(self.members))
        return size, amount(self.policy.max_unavailable or str(size), len(self.members))

    def wait(self, seconds: float) -> Mapping[str, str]:
        """Let time pass until something ends."""
        if self.random.random() < 0.05:
            raise KeyboardInterrupt
        if self.ends and (self.ends[0][0] <= self.time + seconds or not self.away):
            self.time, node = heapq.heappop(self.ends)
            return {node: "broken" if self.random.random() < self.failing else ""}
        self.time += max(seconds, 30.0)
        return {}

    def run(self) -> Course:
        """Roll to the end, however often it is interrupted."""
        while True:
            with suppress(KeyboardInterrupt):
                roll(self.course, self, unavailable=self.unavailable, now=lambda: self.time, tell=self.told.append)
                return self.course


def members(count: int, zones: int = 1) -> list[Member]:
    """Give nodes of some zones, zone by zone."""
    return [Member(f"n{number:04}", f"z{number * zones // max(1, count)}") for number in range(count)]


POLICIES = st.builds(
    Policy,
    canaries=st.integers(0, 3),
    batch=st.sampled_from(("1", "2", "5", "3%", "10%", "50%", "100%")),
    max_unavailable=st.sampled_from(("", "1", "3", "5%", "30%")),
    failures=st.integers(0, 4),
    pause=st.sampled_from((0.0, 60.0)),
)


@settings(max_examples=3000, deadline=None)
@given(
    policy=POLICIES, count=st.integers(1, 40), zones=st.integers(1, 4), seed=st.integers(0, 2**32),
    failing=st.sampled_from((0.0, 0.02, 0.3)), away=st.sampled_from((0.0, 0.05, 0.3)),
)  # fmt: skip
def test_no_rollout_takes_more_than_it_may(
    policy: Policy, count: int, zones: int, seed: int, failing: float, away: float
) -> None:
    """The world checks each node as it is begun; in the end each is done, failed, or was never begun."""
    world = World(members(count, zones), policy, seed, failing=failing, away=away)

    course = world.run()

    assert sorted([*course.done, *course.failed, *course.left]) == [member.node for member in world.members]
    assert not course.working
    assert bool(course.left) <= bool(course.stopped)
    assert (len(course.failed) > policy.failures) == bool(course.stopped)


@pytest.mark.parametrize("seed", range(20))
def test_a_thousand_nodes(seed: int) -> None:
    """In three zones, with failures and nodes that go away by themselves."""
    policy = Policy(canaries=2, batch="5%", max_unavailable="7%", failures=20, pause=60)
    world = World(members(1000, zones=3), policy, seed, failing=0.01, away=0.05)

    course = world.run()

    assert len(course.done) + len(course.failed) + len(course.left) == 1000
    assert world.most_at_once == 50
    assert course.stopped or not course.left


def test_canaries_come_first_and_alone() -> None:
    """One after the other; a failed one ends it all."""
    world = World(members(10), Policy(canaries=2, batch="5"), seed=1, failing=1.0)

    course = world.run()

    assert (list(course.failed), len(course.left), course.stopped) == (["n0000"], 9, "1 failed, 0 may")


def test_what_is_worked_on_together_is_of_many_zones() -> None:
    """One of each in turn."""
    mixed = [Member("a1", "a"), Member("a2", "a"), Member("a3", "a"), Member("b1", "b"), Member("c1", "c")]

    assert spread(mixed) == ["a1", "b1", "c1", "a2", "a3"]


def test_a_node_that_is_unavailable_already_is_begun_first() -> None:
    """That makes it no worse, and keeps nobody waiting for itself: a run that was killed has left it so."""
    course = Course(members(3), Policy())

    assert course.begin(0, {"n0001"}) == "n0001"
    assert course.begin(0, {"n0001"}) == ""
    course.ended("n0001", 0)
    assert course.begin(0, {"n0001"}) == ""
    assert course.waits == "waits, 1 of 1 nodes are unavailable: n0001"
    assert course.begin(0, {}) == "n0000"


def test_a_pause_and_what_is_waited_for_are_told_once() -> None:
    """Not at each look."""
    world = World(members(3), Policy(canaries=1, batch="2", pause=100), seed=1)
    world.run()

    assert [line for line in world.told if "pauses" in line] == ["pauses for another 100 s"]


@pytest.mark.parametrize(("text", "of", "found"), [("3", 10, 3), ("10%", 95, 9), ("1%", 10, 1), ("100%", 7, 7)])
def test_amounts(text: str, of: int, found: int) -> None:
    """Shares are rounded down, to one at least."""
    assert amount(text, of) == found


@pytest.mark.parametrize("text", ["", "0", "0%", "101%", "-1", "1.5", "a", "1 %", "١"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    """With what would be one."""
    with pytest.raises(UsageError, match="such as 3 or 10%"):
        amount(text, 10)
