"""No rollout takes more than it may, whatever happens: simulated with the code that real ones run."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrator.errors import ClusterError
from migrator.model import maintenance_window
from migrator.model.rollout_policy import Policy, amount
from migrator.rollout.controller import ClusterView, run_rollout
from migrator.rollout.results import Ending
from migrator.rollout.schedule import Group, Member, Schedule, batches, spread

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
RUNS = int(os.environ.get("MIGRATOR_RUNS") or 8 * settings().max_examples)
"""Rollouts that are simulated; thousands before a release."""


@dataclass
class World:
    """A cluster whose nodes are worked on, fail, and go away by themselves; it checks each node that is begun."""

    groups: tuple[Group, ...]
    seed: int
    failing: float = 0.0
    """How likely a node fails. Half of those that do stay unavailable."""
    away: float = 0.0
    """How likely a node of ours, or a neighbour, is unavailable by itself."""
    hurting: float = 0.0
    """How likely another budget is violated after a while."""
    most: int = 0
    serving: bool = False
    fits: int | None = None
    """How many nodes can be worked on at once."""
    interrupted_after: int = 0
    """Ask for an end after so many nodes have ended."""
    told: list[str] = field(default_factory=list)
    together: int = 0
    """The most nodes that were worked on at once."""
    ends: dict[str, Ending] = field(default_factory=dict)
    begun: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin on a Monday."""
        self.random = random.Random(self.seed)  # noqa: S311 - to be repeated, not to be secret
        self.time = 0.0
        self.until: dict[str, float] = {}
        """When each node that is worked on ends."""
        self.broken: set[str] = set()
        self.everyone = sorted(node for group in self.groups for node in group.everyone)
        self.out = self.fate()
        self.hurt: set[str] = {"shop/old"} if self.hurting else set()
        """Budgets that are violated; one of them is from the beginning."""
        self.excused: set[str] | None = None
        self.of = {node: group for group in self.groups for node in group.everyone}
        self.ordered = batches(self.groups, self.most)
        self.batch = {node: batch for batch in self.ordered for node in batch.nodes}
        self.course = Schedule(self.ordered, serving=self.serving, fits=self.fits)

    def run(self) -> World:
        """Roll to the end."""
        run_rollout(
            self.course,
            self,
            ClusterView(
                self.unavailable, self.violated, self.stopping, lambda: self.time, self.moment, self.told.append
            ),
        )
        return self

    def moment(self) -> datetime:
        """Give the time of day."""
        return MONDAY + timedelta(seconds=self.time)

    def stopping(self) -> str:
        """Interrupt, when that was asked for."""
        return "interrupted" if 0 < self.interrupted_after <= len(self.ends) else ""

    def unavailable(self) -> set[str]:
        """Give what is out now; the API server stumbles at times."""
        if self.away and self.random.random() < 0.05:
            raise ClusterError("the API server does not answer")
        return self.out | self.broken | set(self.until)

    def violated(self) -> set[str]:
        """Give what is hurt now, and note what has been all the time."""
        self.excused = set(self.hurt) if self.excused is None else self.excused & self.hurt
        return self.hurt

    def fate(self) -> set[str]:
        """Choose who is out by itself."""
        return {node for node in self.everyone if self.random.random() < self.away} if self.away else set()

    def begin(self, nodes: Sequence[str]) -> None:
        """Check that these may be begun, then work on them for some time."""
        group = self.of[nodes[0]]
        batch = self.batch[nodes[0]]
        working = {*self.until, *nodes}
        failures = Counter(self.of[node].policy.group for node, end in self.ends.items() if end is Ending.FAILED)
        assert not set(nodes) & set(self.begun), "begun twice"
        assert working <= set(batch.nodes), "of two batches at once"
        assert len(working) <= (1 if batch.canary else group.size)
        assert self.fits is None or len(working) <= self.fits
        away = (self.out | self.broken) & group.everyone
        assert (
            self.serving
            or set(nodes) <= away
            or len((working | away) & group.everyone) <= group.most + len(away & set(nodes))
        )
        assert self.serving or not self.hurt - (self.excused or set()), "budgets are violated"
        assert failures[group.policy.group] <= group.policy.failures
        assert not any(end is Ending.FAILED and self.batch[node].canary for node, end in self.ends.items())
        assert not self.stopping()
        assert self.serving or not group.policy.windows or self.opened(group.policy)
        earlier = self.ordered[: self.ordered.index(batch)]
        assert {node for before in earlier for node in before.nodes} <= set(self.ends), "the batch before is not over"
        self.begun += nodes
        self.until |= {node: self.time + self.random.uniform(50, 900) for node in nodes}
        self.together = max(self.together, len(self.until))

    def opened(self, policy: Policy) -> bool:
        """Tell whether a window is open: all here are from 22 to 5 o'clock."""
        return not 5 <= self.moment().hour < 22 and bool(policy.windows)

    def ended(self, seconds: float) -> Mapping[str, Ending]:
        """Let time pass, in longer steps while nothing is worked on."""
        self.time += max(seconds, 20.0 if self.until else 60.0)
        if self.random.random() < 0.2:
            self.out = self.fate()
            self.hurt = {"shop/old"} if self.hurting else set()
            self.hurt |= {"shop/web"} if self.random.random() < self.hurting else set()
        over = [node for node, end in self.until.items() if end <= self.time]
        found = {node: Ending.FAILED if self.random.random() < self.failing else Ending.DONE for node in over}
        for node, end in found.items():
            del self.until[node]
            if end is Ending.FAILED and self.random.random() < 0.5:
                self.broken.add(node)
        self.ends |= found
        return found

    @property
    def members(self) -> list[str]:
        """Name all nodes that were to be worked on."""
        return [node for batch in self.ordered for node in batch.nodes]


def members(count: int, zones: int = 1, prefix: str = "n") -> list[Member]:
    """Give nodes of some zones, zone by zone."""
    return [Member(f"{prefix}{number:04}", f"z{number * zones // max(1, count)}") for number in range(count)]


def group(policy: Policy, found: Sequence[Member], *others: str) -> Group:
    """Give a group of these nodes, and of others that are not worked on."""
    return Group(policy, found, frozenset({entry.node for entry in found} | set(others)))


POLICIES = st.builds(
    Policy,
    canaries=st.integers(0, 3),
    batch=st.sampled_from(("1", "2", "5", "3%", "10%", "50%", "100%")),
    max_unavailable=st.sampled_from(("", "1", "3", "5%", "30%")),
    failures=st.integers(0, 4),
    pause=st.sampled_from((0.0, 60.0)),
    windows=st.sampled_from(((), ("22:00-05:00",))),
)


@st.composite
def fleets(draw: st.DrawFn) -> tuple[Group, ...]:
    """Give one to three groups."""
    found = []
    for number in range(draw(st.integers(1, 3))):
        policy = draw(POLICIES).model_copy(update={"group": f"g{number}"})
        nodes = members(draw(st.integers(1, 25)), draw(st.integers(1, 4)), f"g{number}n")
        marked = draw(st.sampled_from((0, 0, 2)))
        nodes = [Member(entry.node, entry.zone, canary=place < marked) for place, entry in enumerate(nodes)]
        found.append(group(policy, nodes, *(f"g{number}other{other}" for other in range(draw(st.integers(0, 5))))))
    return tuple(found)


@settings(max_examples=RUNS)
@given(
    fleet=fleets(), seed=st.integers(0, 2**32), failing=st.sampled_from((0.0, 0.02, 0.3)),
    away=st.sampled_from((0.0, 0.05, 0.3)), most=st.sampled_from((0, 0, 7)), serving=st.booleans(),
    interrupted=st.sampled_from((0, 0, 3)), fits=st.sampled_from((None, 1, 4)), hurting=st.sampled_from((0.0, 0.0, 0.1, 0.5)),
)  # fmt: skip
def test_no_rollout_takes_more_than_it_may(
    fleet: tuple[Group, ...], *, seed: int, failing: float, away: float, hurting: float, most: int, serving: bool,
    interrupted: int, fits: int | None,
) -> None:  # fmt: skip
    """The world checks each node as it is begun; in the end each has ended or was never begun, and it is said why."""
    world = World(
        fleet, seed, failing=failing, away=away, hurting=hurting, most=most, serving=serving,
        interrupted_after=interrupted, fits=fits,
    ).run()  # fmt: skip

    assert sorted([*world.ends, *world.course.left]) == sorted(world.members)
    assert not world.course.working
    assert bool(world.course.left) <= bool(world.course.stopped)
    assert not most or len(world.members) <= most


@pytest.mark.parametrize("seed", range(10))
def test_a_thousand_nodes(seed: int) -> None:
    """In three zones, with failures, and nodes that go away by themselves."""
    policy = Policy(canaries=2, batch="5%", max_unavailable="7%", failures=20, pause=60)
    world = World((group(policy, members(1000, zones=3)),), seed, failing=0.01, away=0.05).run()

    assert len(world.ends) + len(world.course.left) == 1000
    assert world.course.stopped or len(world.ends) == 1000
    assert world.together > 30 or "canary" in world.course.stopped


def test_a_failed_canary_ends_it_all() -> None:
    """Whatever the budget is: what a canary shows is why there are canaries."""
    policy = Policy(canaries=2, batch="5", failures=9)
    world = World((group(policy, members(10)),), seed=1, failing=1.0).run()

    assert list(world.ends) == ["n0000"]
    assert len(world.course.left) == 9
    assert world.course.stopped == "the canary n0000 failed"


def test_a_host_that_is_marked_is_the_canary() -> None:
    """And not the first ones."""
    nodes = [*members(3), Member("marked", canary=True)]

    assert [batch.nodes for batch in batches([group(Policy(canaries=2, batch="2"), nodes)])] == [
        ("marked",),
        ("n0000", "n0001"),
        ("n0002",),
    ]


def test_no_more_nodes_than_were_asked_for() -> None:
    """Canaries count too."""
    assert [batch.nodes for batch in batches([group(Policy(batch="5"), members(9))], most=4)] == [
        ("n0000",),
        ("n0001", "n0002", "n0003"),
    ]


def test_what_is_worked_on_together_is_of_many_zones() -> None:
    """One of each in turn."""
    mixed = [Member("a1", "a"), Member("a2", "a"), Member("a3", "a"), Member("b1", "b"), Member("c1", "c")]

    assert spread(mixed) == ["a1", "b1", "c1", "a2", "a3"]


def test_a_node_that_is_unavailable_already_may_be_begun() -> None:
    """That makes it no worse, and keeps nobody waiting for itself: a run that was killed has left it so."""
    course = Schedule(batches([group(Policy(canaries=0, batch="3", max_unavailable="1"), members(3))]))

    assert course.begin({"n0001"}) == ("n0001",)
    assert course.begin({"n0001"}) == ()
    assert course.held_up({"n0001"}) == ""
    course.ended("n0001", Ending.DONE, 0)
    assert course.begin({"n0001"}) == ()
    assert course.held_up({"n0001"}) == "1 nodes are unavailable, 1 may be: n0001"
    assert course.begin(()) == ("n0000",)


def test_no_more_are_begun_than_can_be_worked_on() -> None:
    """Those too that are unavailable already; and no other node is blamed for that."""
    course = Schedule(batches([group(Policy(canaries=0, batch="3", max_unavailable="1"), members(3))]), fits=2)
    away = {"n0000", "n0001", "n0002"}

    assert course.begin(away) == ("n0000", "n0001")
    assert course.begin(away) == ()
    assert course.held_up(away) == ""
    course.ended("n0000", Ending.DONE, 0)
    assert course.begin(away) == ("n0002",)


def test_broken_nodes_do_not_keep_themselves_from_being_mended() -> None:
    """More of them are unavailable than may be, and each makes it no worse; a good one waits."""
    course = Schedule(batches([group(Policy(canaries=0, batch="3", max_unavailable="1"), members(3))]))

    assert course.begin({"n0000", "n0002"}) == ("n0000", "n0002")
    course.ended("n0000", Ending.DONE, 0)
    course.ended("n0002", Ending.DONE, 0)
    assert course.begin({"n0002"}) == ()
    assert course.begin({}) == ("n0001",)


def test_a_way_back_waits_for_no_window() -> None:
    """A node that makes trouble makes it now."""
    policy = Policy(windows=("22:00-05:00",))
    world = World((group(policy, members(2)),), seed=1)
    world.time = 6 * 3600.0
    world.course = Schedule(world.ordered, anytime=True)
    world.opened = lambda _: True  # type: ignore[method-assign]

    world.run()

    assert world.time < 8 * 3600


def test_a_neighbour_that_is_not_worked_on_counts() -> None:
    """It is of the same group, and is missed like any other."""
    course = Schedule(batches([group(Policy(), members(1), "neighbour")]))

    assert course.begin({"neighbour"}) == ()
    assert course.begin({"stranger"}) == ("n0000",)


def test_a_pause_is_told_once() -> None:
    """Not at each look; it follows canaries and batches."""
    world = World((group(Policy(canaries=1, batch="2", pause=100), members(3)),), seed=1).run()

    assert [line for line in world.told if "pauses" in line] == ["pauses for 100 s"]


def test_a_window_is_waited_for() -> None:
    """It is told which."""
    policy = Policy(windows=("22:00-05:00",), timezone="UTC")
    world = World((group(policy, members(30)),), seed=1)
    world.time = 6 * 3600.0

    world.run()

    assert world.told[0] == "waits for the window 22:00-05:00 (UTC)"
    assert len(world.ends) == 30


def test_a_cluster_that_stays_unwell_ends_it() -> None:
    """After an hour, with what was waited for."""
    world = World((group(Policy(), members(2), "neighbour"),), seed=1)
    world.broken = {"neighbour"}

    world.run()

    assert world.told == ["waits: 1 nodes are unavailable, 1 may be: neighbour"]
    assert world.course.stopped == "waited an hour in vain: 1 nodes are unavailable, 1 may be: neighbour"
    assert 3600 <= world.time <= 3700


def test_a_budget_that_is_violated_meanwhile_ends_it() -> None:
    """One that was so before does not, as long as it stays so."""
    world = World((group(Policy(), members(2)),), seed=1, hurting=1.0).run()

    assert list(world.ends) == ["n0000"]
    assert world.told == ["waits: PodDisruptionBudgets with too few healthy pods: shop/web"]
    assert world.course.stopped == "waited an hour in vain: PodDisruptionBudgets with too few healthy pods: shop/web"


def test_a_budget_that_was_well_since_is_not_excused() -> None:
    """Whatever it was when the rollout began."""
    world = World((group(Policy(), members(3)),), seed=1)
    world.hurt = {"shop/old"}

    def ended(seconds: float) -> Mapping[str, Ending]:
        found = World.ended(world, seconds)
        world.hurt = set() if len(world.ends) == 1 else {"shop/old"}
        return found

    world.ended = ended  # type: ignore[method-assign]

    world.run()

    assert len(world.ends) == 2
    assert world.told == ["waits: PodDisruptionBudgets with too few healthy pods: shop/old"]


@pytest.mark.parametrize(("text", "of", "found"), [("3", 10, 3), ("10%", 95, 9), ("1%", 10, 1), ("100%", 7, 7)])
def test_amounts(text: str, of: int, found: int) -> None:
    """Shares are rounded down, to one at least."""
    assert amount(text, of) == found


OPEN = {
    "no window": ((), "UTC", "2026-01-05T12:00", 0),
    "open": (("10:00-14:00",), "UTC", "2026-01-05T12:00", 0),
    "opens later today": (("13:30-14:00",), "UTC", "2026-01-05T12:00", 5400),
    "closed for today": (("10:00-12:00",), "UTC", "2026-01-05T12:00", 22 * 3600),
    "over midnight, before it": (("22:00-05:00",), "UTC", "2026-01-05T23:00", 0),
    "over midnight, after it": (("22:00-05:00",), "UTC", "2026-01-06T04:59", 0),
    "a window belongs to the day on which it begins": (("Fri 22:00-05:00",), "UTC", "2026-01-10T04:00", 0),
    "days": (("Sat,Sun 00:00-24:00",), "UTC", "2026-01-05T12:00", (4 * 24 + 12) * 3600),
    "the last minute of Sunday": (("Sat-Sun 0:00-24:00",), "UTC", "2026-01-11T23:59", 0),
    "days over the end of the week": (("Sun-Mon 10:00-11:00",), "UTC", "2026-01-05T09:00", 3600),
    "one of two": (("9:00-9:30", "12:30-13:00"), "UTC", "2026-01-05T12:00", 1800),
    "another clock": (("13:00-14:00",), "Europe/Berlin", "2026-01-05T12:30", 0),
    "a day whose clocks are set forward": (("03:30-04:00",), "Europe/Berlin", "2026-03-29T00:00", 1.5 * 3600),
}  # fmt: skip


@pytest.mark.parametrize(("windows", "zone", "moment", "seconds"), OPEN.values(), ids=OPEN)
def test_windows(windows: tuple[str, ...], zone: str, moment: str, seconds: float) -> None:
    """How long it is until one is open."""
    found = maintenance_window.until_open(
        [maintenance_window.parse(text) for text in windows],
        maintenance_window.timezone(zone),
        datetime.fromisoformat(moment).replace(tzinfo=UTC),
    )

    assert found == seconds


@pytest.mark.parametrize("text", ["", "22:00", "25:00-26:00", "22:60-23:00", "Foo 22:00-23:00", "Mon-Fri", "Mon 22-23"])
def test_what_is_no_window_is_refused(text: str) -> None:
    """With a word about it."""
    with pytest.raises(ValueError, match=r"no window|no day|no clock"):
        maintenance_window.parse(text)
