"""A real switch that something ends in its middle: the node has its old runtime or its new one, and says which."""

from __future__ import annotations

import pytest

from lab import waiting
from tests.lab.driving import KILL, POWER, drive, met, undriven
from tests.lab.nodeside import NEW, OLD, UNIT, Node, ended, lose

LINES = (
    "stop the kubelet", "remove Kubernetes' Docker containers", "removed", "write files", "saved", "made folder",
    "start containerd", "start the kubelet", "done",
)  # fmt: skip
BACK = (
    "stop the kubelet", "remove Kubernetes' containerd containers", "put files back", "restart containerd",
    "start Docker", "start the kubelet on Docker", "undone",
)  # fmt: skip
THERE = {
    ("after", "stop the kubelet"), ("before", "remove Kubernetes' Docker containers"),
    ("after", "remove Kubernetes' Docker containers"), ("before", "removed"), ("after", "removed"),
}  # fmt: skip
"""Where it is cut short before the old runtime's containers are gone."""


def whole(node: Node) -> dict[str, object]:
    """Give the node's state without what the test has put there, once its unit has come to rest."""
    undriven(node)
    return node.state()


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("line", LINES)
def test_killed_anywhere_it_is_wholly_old_or_wholly_new(line: str, moment: str, node: Node) -> None:
    """Systemd runs it again, which puts the node back and says after what it was cut short; or it was through."""
    node.foreign()
    kept = node.docker_pod()
    drive(node, {f"{moment} {line}": KILL})

    result = node.forth()

    assert met(node) == 1
    first = (moment, line) == ("before", "stop the kubelet")  # nothing had happened: it goes on
    if first or (moment, line) == ("after", "done"):
        assert (result["outcome"], result["cause"]) == ("switched", "")
        assert whole(node) == {**NEW, "in Docker": ["foreign"]}
        assert node.starts() == ["docker", "containerd"]
    else:
        assert result["outcome"] == "rolled-back"
        assert result["cause"].startswith("the switch was killed in the middle of the switch, after ")
        there = (moment, line) in THERE
        assert whole(node) == {**OLD, "in Docker": ["foreign", *(["web", "web-sandbox"] if there else [])]}
        assert set(result["removed"]) == (set() if there else set(kept))
        assert node.starts()[-1] == "docker"
    assert result["problems"] == []


def test_killed_at_every_line_of_the_way_back_it_goes_back(node: Node) -> None:
    """Each action of going back can be done again, whatever was done already."""
    node.foreign()
    assert node.forth()["outcome"] == "switched"
    node.cri_pod()
    drive(node, {f"{moment} {line}": KILL for line in BACK for moment in ("before", "after")})

    result = node.back()

    assert met(node) == 2 * len(BACK)
    assert (result["outcome"], result["cause"], result["problems"]) == ("restored", "", [])
    assert whole(node) == {**OLD, "in Docker": ["foreign"]}
    assert node.starts()[-1] == "docker"


@pytest.mark.parametrize("number", ["TERM", "INT", "HUP"])
def test_a_signal_that_asks_it_to_end_makes_it_go_back(number: str, node: Node) -> None:
    """For systemd that is no failure, and it would leave the node as it is."""
    drive(node, {"after write files": f"kill -{number} $PPID; sleep 60"})

    result = node.forth()

    assert result["outcome"] == "rolled-back"
    assert whole(node) == OLD


@pytest.mark.parametrize(
    ("line", "how"), [("removed", POWER), ("saved", "systemctl reboot"), ("start the kubelet", POWER)],
)  # fmt: skip
def test_after_a_reboot_it_goes_back(line: str, how: str, node: Node) -> None:
    """By itself, whoever is connected; no kubelet runs before that is done."""
    node.foreign(more="--restart=always")
    node.docker_pod()

    cut(node, "new", f"after {line}", how)

    assert node.actions()[-1] == "undone"
    # A reboot that is asked for ends the program first, and systemd may run it again before it ends itself.
    assert "in the middle of the switch, after " in node.journal()[-1]["cause"]
    left = ["web", "web-sandbox"] if line == "removed" else []
    assert whole(node) == {**OLD, "in Docker": ["foreign", *left]}
    assert node.starts()[-1] == "docker"
    assert node.back()["cause"] == "it was put back already"


@pytest.mark.parametrize("line", ["before put files back", "after start Docker"])
def test_a_power_cut_on_the_way_back_is_gone_on_with(line: str, node: Node) -> None:
    """Likewise."""
    node.foreign(more="--restart=always")
    assert node.forth()["outcome"] == "switched"

    cut(node, "old", line, POWER)

    assert node.actions()[-1] == "undone"
    assert node.journal()[-1]["cause"] == ""
    assert whole(node) == {**OLD, "in Docker": ["foreign"]}


def test_a_power_cut_after_the_end_changes_nothing(node: Node) -> None:
    """What is done is done; the unit is taken away at the next boot."""
    node.foreign(more="--restart=always")

    cut(node, "new", "after done", POWER)

    assert node.actions()[-1] == "done"
    assert whole(node) == {**NEW, "in Docker": ["foreign"]}
    assert node.forth()["outcome"] == "switched"


def cut(node: Node, state: str, line: str, how: str) -> None:
    """Ask for a state, lose the connection, and reboot at a line; return when the switch is over."""
    boot = node.lone.boot_id()
    drive(node, {line: f"until test -e /run/cut; do sleep 0.05; done; {how}; sleep 60"})
    process = node.begin("node_switch", {"state": state, **node.request()})
    waiting.until(lambda: met(node) == 1, "it is there", seconds=30, every=0.05)
    lose(process)  # systemd would wait for it: it is no child of anybody there
    node.at("/run/cut").touch()
    waiting.until(lambda: node.lone.boot_id() not in {"", boot}, "it boots", seconds=30, every=0.05)
    node.lone.await_boot()
    node.until(f"! systemctl is-active -q {UNIT} && test ! -e /etc/systemd/system/{UNIT}", "the switch is over")
    node.until("systemctl is-active -q kubelet", "the kubelet runs")


def test_a_module_that_is_killed_is_asked_again(node: Node) -> None:
    """What was written down is done by whoever asks next."""
    node.wrap("systemctl", 'case "$*" in *--no-block*) kill -KILL $PPID; exit 1;; esac')
    process = node.begin("node_switch", {"state": "new", **node.request()})
    process.communicate(timeout=60)
    node.unwrap()
    assert node.actions() == ["begin"]

    assert node.forth()["outcome"] == "switched"


def test_a_lost_connection_ends_nothing(node: Node) -> None:
    """The switch goes on; another one waits for its end, and the same one says what came of it."""
    node.docker_pod(grace="4", end="true")
    process = node.begin("node_switch", {"state": "new", **node.request()})
    node.until("grep -q 'remove Kub' /var/lib/migrator/transactions/t/journal.jsonl", "it is under way")
    lose(process)

    other = node.begin("node_switch", {"state": "new", **node.request(transaction="other")})
    same = node.begin("node_switch", {"state": "new", **node.request()})

    assert ended(other)["outcome"] == "unchanged"
    assert node.actions("other") == []
    assert ended(same)["outcome"] == "switched"
