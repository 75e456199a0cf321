"""Which nodes count in a rollout, and when it is over well."""

from __future__ import annotations

from typing import Any

import pytest

from migrator.errors import LockedError, MigratorError, StepFailedError, StoppedError
from migrator.inventory import Host
from migrator.model.host_settings import HostSettings
from migrator.model.rollout_policy import Policy
from migrator.planning import plan
from migrator.rollout.groups import groups
from migrator.rollout.results import Ending, NodeResult, RolloutResult
from migrator.rollout.schedule import Group, Member, Schedule, batches
from tests.fakes.values import node, situation


def host(name: str, **target: Any) -> Host:
    """Give a host of the inventory whose Node has the same name."""
    return Host(name=name, target=HostSettings(**target))


def test_all_nodes_of_a_group_count() -> None:
    """Those too that are not worked on: of them so many may be unavailable. One that is in no cluster does not."""
    workers = [host(name, group="workers") for name in ("w1", "w2", "w3", "planned")]
    others = [host("gpu", group="gpus", canary=True), host("idle", group="idle"), host("gone", group="workers")]
    todo = [plan.make(situation(host=name), ()) for name in ("w2", "gpu", "planned")]
    nodes = [node(name=name, zone=f"zone-{name}") for name in ("w1", "w2", "w3", "gpu", "idle")]

    found = groups(todo, [*workers, *others], nodes)

    assert [(group.policy.group, sorted(group.everyone)) for group in found] == [
        ("workers", ["planned", "w1", "w2", "w3"]),
        ("gpus", ["gpu"]),
    ]
    assert [list(group.members) for group in found] == [
        [Member("w2", "zone-w2"), Member("planned", "")],
        [Member("gpu", "zone-gpu", canary=True)],
    ]


@pytest.mark.parametrize(
    ("policy", "size", "most"),
    [
        (Policy(batch=""), 1, 1), (Policy(batch="3"), 3, 3), (Policy(batch="50%"), 5, 5),
        (Policy(batch="3", max_unavailable="1"), 3, 1), (Policy(batch="1", max_unavailable="40%"), 1, 4),
    ],
)  # fmt: skip
def test_limits_are_of_everyone(policy: Policy, size: int, most: int) -> None:
    """A share is one of all nodes of the group, however few of them are worked on."""
    group = Group(policy, [Member("n1")], frozenset(f"n{number}" for number in range(10)))

    assert (group.size, group.most) == (size, most)


def test_canaries_are_canaries_with_a_limit_too() -> None:
    """Or one that fails would be counted like any other."""
    members = [Member(f"n{number}") for number in range(6)]
    group = Group(Policy(canaries=2, batch="5"), members, frozenset(entry.node for entry in members))

    found = batches([group], most=4)

    assert [(batch.nodes, batch.canary) for batch in found] == [
        (("n0",), True),
        (("n1",), True),
        (("n2", "n3"), False),
    ]


def test_a_course_of_nothing_is_over() -> None:
    """There is nothing to begin, and nobody to wait for."""
    course = Schedule([])

    assert (course.over, course.left, course.policy, course.begin([]), course.held_up(["n1"])) == (
        True,
        (),
        None,
        (),
        "",
    )


DONE, FAILED = NodeResult("a", Ending.DONE, ""), NodeResult("b", Ending.FAILED, "", StepFailedError("no"))
OTHER = NodeResult("c", Ending.FAILED, "", StepFailedError("no"))
STOPPED = NodeResult("b", Ending.STOPPED, "", KeyboardInterrupt())
ROLLED: dict[str, tuple[RolloutResult, bool, type[BaseException] | None]] = {
    "all done": (RolloutResult((DONE,)), True, None),
    "nothing to do": (RolloutResult(()), True, None),
    "none left, and stopped all the same": (RolloutResult((DONE,), stopped="interrupted"), True, None),
    "some left, as was asked for": (RolloutResult((DONE,), left=("c",)), True, None),
    "one failed": (RolloutResult((DONE, FAILED)), False, StepFailedError),
    "two failed": (RolloutResult((FAILED, OTHER)), False, StepFailedError),
    "one stopped": (RolloutResult((DONE, STOPPED), interrupted=True), False, StoppedError),
    "not begun": (RolloutResult((DONE,), left=("c",), stopped="the canary failed"), False, StepFailedError),
    "interrupted": (RolloutResult((DONE,), interrupted=True), False, StoppedError),
    "lock lost": (RolloutResult((DONE,), left=("c",), lost=LockedError("ann")), False, LockedError),
    "a bug": (RolloutResult((DONE,), bug=KeyError("items")), False, KeyError),
    "a bug at a node": (RolloutResult((DONE, NodeResult("b", Ending.FAILED, "", KeyError("items")))), False, KeyError),
}  # fmt: skip


@pytest.mark.parametrize(("rolled", "well", "error"), ROLLED.values(), ids=ROLLED)
def test_what_is_well_raises_nothing(rolled: RolloutResult, *, well: bool, error: type[BaseException] | None) -> None:
    """And what is not well says why: the end of a program must not say that all is done."""
    assert rolled.well is well
    if error is None:
        rolled.check()
    else:
        with pytest.raises(error):
            rolled.check()


def test_the_one_error_is_raised_as_it_is() -> None:
    """With its own class, by which the program ends; several are counted."""
    only = RolloutResult((DONE, FAILED))

    with pytest.raises(MigratorError) as raised:
        only.check()
    assert raised.value is FAILED.error
    with pytest.raises(StepFailedError, match="2 of 3 nodes failed: b, c"):
        RolloutResult((DONE, FAILED, OTHER)).check()
    assert (only.of(Ending.FAILED), only.of(Ending.STOPPED)) == ((FAILED,), ())
