"""The switch on real nodes, cut short: it goes back by itself, whoever is connected or not, and a later run goes on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path

import pytest

from tests.lab.chaos import RUNS, SOME, Ended, cut_short, expected
from tests.lab.conftest import Lab
from tests.lab.faults import NODE, SAVED, begun, killed, running, went_back
from tests.lab.test_3_faults import subject
from tests.lab.test_5_migration import CONSENT
from tests.lab.transactions import Subject

__all__ = ["subject"]


@pytest.fixture(scope="module")
def outcomes(fresh_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Future[Ended]]:
    """Have some cut short, all of them before it is told; `make chaos` has every line in every manner."""
    with cut_short(SOME, fresh_lab, tmp_path_factory.mktemp("plans")) as futures:
        pass
    return futures


@pytest.mark.parametrize("name", SOME)
def test_a_switch_that_is_cut_short_goes_back(name: str, outcomes: Mapping[str, Future[Ended]]) -> None:
    """The node is as it was, its pods run in Docker alone, and the cause is said."""
    how = {"kill": "the switch was killed", "power": "the node was rebooted"}

    ended = outcomes[name].result()

    cut = RUNS[name][1]
    assert ended.outcome == expected(name)
    if ended.outcome == "rolled-back":
        assert ended.cause.startswith(f"{how[cut.how]} in the middle of the switch, after ")


def test_a_killed_run_is_gone_on_with_and_taken_back(subject: Subject, tmp_path: Path) -> None:
    """The node ends its switch alone; `apply` proves it and gives it back; `rollback` makes it what it was."""
    lab = subject.lab
    inventory = lab.configured(tmp_path / "inventory.yml", proof="none")
    lab.all_available()
    killed_in_the_switch(lab, inventory)

    lab.ready_on(NODE, "containerd")
    assert lab.node(NODE)["unschedulable"]
    told = lab.migrator("status", "--node", NODE, inventory).stdout
    assert re.search(r"Ready, cordoned  switched by 20\S+; at switch \(20\S+Z, run 20\S+\)$", told.rstrip()), told
    again = lab.migrator("apply", "--node", NODE, "--yes", inventory)
    if again.returncode == 15:  # the dead holder is not forgotten yet
        lab.kubectl("-n", "kube-system", "delete", "lease", "migrator")
        again = lab.migrator("apply", "--node", NODE, "--yes", inventory)
    assert again.returncode == 0, again.stderr
    subject.runs_on("containerd")
    assert not lab.node(NODE)["unschedulable"]
    told = lab.migrator("status", "--node", NODE, inventory).stdout
    assert re.search(r"Ready  switched by 20\S+$", told.rstrip()), told

    gone = lab.migrator("rollback", "--node", NODE, "--yes", inventory)
    assert gone.returncode == 0, gone.stderr
    went_back(subject)
    assert lab.node(NODE)["annotations"]["kubeadm.alpha.kubernetes.io/cri-socket"] == "/var/run/dockershim.sock"
    assert "Ready  put back by 20" in lab.migrator("status", "--node", NODE, inventory).stdout


def killed_in_the_switch(lab: Lab, inventory: Path) -> None:
    """Run `apply`, and kill it and all that it has started as soon as the node has stopped its kubelet.

    Meanwhile a second operator is kept out, from the other node too.
    """
    stops = f"cat {SAVED}/*/journal.jsonl 2>/dev/null | grep -c '\"stop the kubelet\"' || true"
    before = int(lab.on(NODE, stops))
    with running(lab, inventory) as run:
        for step in begun(run, []):
            if step == "stage":
                # The first one's node may be cordoned by the time when the second one plans.
                words = ("--node", "worker-1", "--yes", *CONSENT, "--allow", "capacity")
                second = lab.migrator("apply", *words, inventory)
                assert second.returncode == 15, second.stderr
                assert f"(process {run.pid}," in second.stderr
            if step == "switch":
                break
        lab.until(lambda: int(lab.on(NODE, stops)) > before, "the kubelet is stopped")
        killed(lab, run)
