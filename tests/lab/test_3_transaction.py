"""The switch on real nodes, cut short: it goes back by itself, whoever is connected or not."""

from __future__ import annotations

import pytest

from tests.lab.conftest import Lab
from tests.lab.transactions import Cut, Subject, back, forth

NODE = "worker-2"
CUTS = (
    Cut("kill", "after", "removed"),
    Cut("kill", "before", "start containerd"),
    Cut("power", "after", "write files"),
    Cut("power", "after", "start the kubelet"),
)
"""Some of all: `make chaos` does the rest."""


@pytest.fixture(scope="module")
def subject(fresh_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """Give a node."""
    return Subject(fresh_lab, NODE, tmp_path_factory.mktemp("plan"))


@pytest.mark.parametrize("cut", CUTS, ids=str)
def test_a_switch_that_is_cut_short_goes_back(cut: Cut, subject: Subject) -> None:
    """The node is as it was, its pods run in Docker alone, and the cause is said."""
    how = {"kill": "the switch was killed", "power": "the node was rebooted"}[cut.how]

    outcome, cause = forth(subject, cut)

    assert outcome == "rolled-back"
    assert cause.startswith(f"{how} in the middle of the switch, after ")


def test_going_back_that_is_cut_short_goes_on(subject: Subject) -> None:
    """By a power cut, with the new files half put back."""
    assert back(subject, Cut("power", "after", "put files back")) == ("restored", "")
