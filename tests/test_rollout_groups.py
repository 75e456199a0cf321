"""Which nodes count in a rollout, and when it is over well."""

from __future__ import annotations

from typing import Any

import pytest

from migrator.errors import LockedError, MigratorError, StepFailedError, StoppedError
from migrator.inventory import Host
from migrator.model.host_settings import Target
from migrator.model.rollout_policy import Policy
from migrator.planning import plan
from migrator.rollout.groups import groups
from migrator.rollout.results import End, Ended, Rolled
from migrator.rollout.schedule import Course, Group, Member, batches
from tests.fakes.values import node, situation


def host(name: str, **target: Any) -> Host:
    """Give a host of the inventory whose Node has the same name."""
    return Host(name=name, target=Target(**target))


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
    course = Course([])

    assert (course.over, course.left, course.policy, course.begin([]), course.held_up(["n1"])) == (
        True,
        (),
        None,
        (),
        "",
    )


DONE, FAILED = Ended("a", End.DONE, ""), Ended("b", End.FAILED, "", StepFailedError("no"))
OTHER = Ended("c", End.FAILED, "", StepFailedError("no"))
STOPPED = Ended("b", End.STOPPED, "", KeyboardInterrupt())
ROLLED: dict[str, tuple[Rolled, bool, type[BaseException] | None]] = {
    "all done": (Rolled((DONE,)), True, None),
    "nothing to do": (Rolled(()), True, None),
    "none left, and stopped all the same": (Rolled((DONE,), stopped="interrupted"), True, None),
    "some left, as was asked for": (Rolled((DONE,), left=("c",)), True, None),
    "one failed": (Rolled((DONE, FAILED)), False, StepFailedError),
    "two failed": (Rolled((FAILED, OTHER)), False, StepFailedError),
    "one stopped": (Rolled((DONE, STOPPED), interrupted=True), False, StoppedError),
    "not begun": (Rolled((DONE,), left=("c",), stopped="the canary failed"), False, StepFailedError),
    "interrupted": (Rolled((DONE,), interrupted=True), False, StoppedError),
    "lock lost": (Rolled((DONE,), left=("c",), lost=LockedError("ann")), False, LockedError),
    "a bug": (Rolled((DONE,), bug=KeyError("items")), False, KeyError),
    "a bug at a node": (Rolled((DONE, Ended("b", End.FAILED, "", KeyError("items")))), False, KeyError),
}  # fmt: skip


@pytest.mark.parametrize(("rolled", "well", "error"), ROLLED.values(), ids=ROLLED)
def test_what_is_well_raises_nothing(rolled: Rolled, *, well: bool, error: type[BaseException] | None) -> None:
    """And what is not well says why: the end of a program must not say that all is done."""
    assert rolled.well is well
    if error is None:
        rolled.check()
    else:
        with pytest.raises(error):
            rolled.check()


def test_the_one_error_is_raised_as_it_is() -> None:
    """With its own class, by which the program ends; several are counted."""
    only = Rolled((DONE, FAILED))

    with pytest.raises(MigratorError) as raised:
        only.check()
    assert raised.value is FAILED.error
    with pytest.raises(StepFailedError, match="2 of 3 nodes failed: b, c"):
        Rolled((DONE, FAILED, OTHER)).check()
    assert (only.of(End.FAILED), only.of(End.STOPPED)) == ((FAILED,), ())
