"""The unit that carries a switch out, as systemd has it in force: when it runs, who waits for it, and what is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.lab.driving import POWER, drive
from tests.lab.nodeside import COMMAND, JOURNALS, LAST, NEW, OLD, REMOTE, UNIT, Node, ended, lose

HELD = "/etc/systemd/system/kubelet.service.d/zz-migrator-switch.conf"
WAIT = "touch /run/waits; until test -e /run/goes-on; do sleep 0.05; done; rm /run/waits /run/goes-on"


@contextmanager
def waiting_at(node: Node, line: str, state: str = "new", **more: str) -> Iterator[dict[str, object]]:
    """Have a switch wait at a line; it goes on afterwards, and its result is what is given."""
    result: dict[str, object] = {}
    node.do("rm -f /run/waits /run/goes-on")
    drive(node, {line: WAIT, **more}, wait="2s")
    process = node.begin("node_switch", {"state": state, **node.request()})
    try:
        node.until("test -e /run/waits", f"it waits {line}")
        yield result
    finally:
        node.at("/run/goes-on").touch()
        result.update(ended(process))


def test_the_unit_in_force(node: Node) -> None:
    """It comes before the kubelet, takes the time that it takes, and is run again whatever ended it."""
    with waiting_at(node, "after write files") as result:
        shown = node.show(
            UNIT, "Type", "Before", "After", "Restart", "RestartForceExitStatus", "TimeoutStartUSec", "OOMScoreAdjust",
            "StartLimitIntervalUSec", "WantedBy", "ActiveState", "SubState", "FragmentPath", "UnitFileState",
        )  # fmt: skip
        running = node.do(f"systemctl show {UNIT} -p ExecStartPre --value")
        text = node.at(f"/etc/systemd/system/{UNIT}").read_text()
        mode = node.at(f"/etc/systemd/system/{UNIT}").stat().st_mode

    assert result["outcome"] == "switched"
    before, after = shown.pop("Before").split(), shown.pop("After").split()
    assert "kubelet.service" in before
    assert {"containerd.service", "docker.service"} <= set(after)
    assert shown == {
        "Type": "notify", "Restart": "on-failure", "RestartForceExitStatus": "HUP INT PIPE TERM",
        "TimeoutStartUSec": "infinity", "OOMScoreAdjust": "-900", "StartLimitIntervalUSec": "0",
        "WantedBy": "multi-user.target", "ActiveState": "activating", "SubState": "start",
        "FragmentPath": f"/etc/systemd/system/{UNIT}", "UnitFileState": "enabled",
    }  # fmt: skip
    assert "ignore_errors=yes" in running
    assert f"ExecStart=/usr/bin/python3 -B {JOURNALS}/t/program {JOURNALS}/t\n" in text
    assert "RestartSec=2\n" in text
    assert oct(mode) == "0o100644"


def test_nothing_of_it_stays(node: Node) -> None:
    """Neither the unit nor what held the kubelet, on the disk or in systemd."""
    assert node.forth()["outcome"] == "switched"

    assert node.state() == NEW
    assert node.show(UNIT, "LoadState") == {"LoadState": "not-found"}
    assert HELD not in node.show("kubelet", "DropInPaths")["DropInPaths"]
    folder = node.at(f"{JOURNALS}/t")
    assert {path.name for path in folder.iterdir()} == {
        "file-0",
        "file-1",
        "journal.jsonl",
        "program",
        "request.json",
        "reserve",
    }
    assert node.back()["outcome"] == "restored"
    assert "reserve" not in {path.name for path in folder.iterdir()}


@pytest.mark.parametrize(
    "line", ["after stop the kubelet", "before write files", "after saved", "after start containerd"]
)
def test_nobody_starts_the_kubelet_meanwhile(line: str, node: Node) -> None:
    """A watchdog or a person may try at any moment: it runs with one runtime's flags in the end."""
    with waiting_at(node, line) as result:
        if line != "after stop the kubelet":
            node.do("systemctl stop kubelet; systemctl start --no-block kubelet; sleep 0.3")
            assert node.words() == []
    assert result["outcome"] == "switched"
    assert node.words() == [*COMMAND, *REMOTE, *LAST]
    # Whoever asked meanwhile may be served right before it is started anew.
    assert (node.starts()[0], set(node.starts()[1:])) == ("docker", {"containerd"})


def test_nobody_starts_the_kubelet_on_the_way_back(node: Node) -> None:
    """Likewise."""
    node.forth()
    with waiting_at(node, "after put files back", "old"):
        node.do("systemctl start --no-block kubelet; sleep 0.3")
        assert node.words() == []
    assert node.words() == [*COMMAND, *LAST]
    assert node.starts()[:2] == ["docker", "containerd"]
    assert set(node.starts()[2:]) == {"docker"}


def test_a_hold_that_is_not_in_force_begins_nothing_else(node: Node) -> None:
    """The drop-in must have been read; otherwise anybody could start the kubelet, and the node is as it was."""
    pod = node.docker_pod()
    node.wrap("systemctl", 'case "$*" in *DropInPaths*) echo DropInPaths=; exit;; esac')

    result = node.forth()
    node.unwrap()

    assert result["outcome"] == "rolled-back"
    assert "systemd does not read kubelet.service.d/zz-migrator-switch.conf" in str(result["cause"])
    assert result["removed"] == []
    assert len(result["problems"]) == 1
    assert node.state() == {**OLD, "in Docker": ["web", "web-sandbox"]}
    assert len(pod) == 2


def test_a_hold_that_was_not_read_is_read(node: Node) -> None:
    """Something has put a condition of its own after ours: it is told, and the drop-in is read again."""
    with waiting_at(node, "before stop the kubelet") as result:
        node.do(f"mv {HELD} /run/held; systemctl daemon-reload; mv /run/held {HELD}")
    assert result["outcome"] == "switched"
    assert node.starts() == ["docker", "containerd"]


def test_a_kubelet_that_runs_all_the_same_is_seen(node: Node) -> None:
    """Stopped means stopped: what systemd says of it is looked at."""
    drive(node, {}, limits={"migrator_switch.AGAIN_SECONDS": 0})
    node.wrap("systemctl", 'case "$*" in "stop kubelet.service") exit 0;; esac')

    result = node.forth()
    node.unwrap()

    assert result["outcome"] == "broken"  # nothing stops it on the way back either
    assert str(result["cause"]).startswith("the kubelet runs although it was stopped")


def test_at_boot_the_kubelet_waits_for_it(node: Node) -> None:
    """A node whose power went in the middle starts its kubelet when it was put back, once, on Docker."""
    node.foreign(more="--restart=always")
    boot = node.lone.boot_id()
    drive(node, {"after saved": WAIT.replace("rm /run", f"{POWER}; sleep 60; rm /run")})
    process = node.begin("node_switch", {"state": "new", **node.request()})
    node.until("test -e /run/waits", "it waits")
    lose(process)
    assert node.at(f"{JOURNALS}/t/kubelet-held").exists()
    node.at("/run/goes-on").touch()

    from lab import waiting

    waiting.until(lambda: node.lone.boot_id() not in {"", boot}, "it boots", seconds=30, every=0.05)
    node.lone.await_boot()
    node.until(f"test ! -e /etc/systemd/system/{UNIT}", "it was put back")
    node.until("systemctl is-active -q kubelet", "the kubelet runs")

    assert node.actions()[-1] == "undone"
    shown = node.do("journalctl -b -u kubelet -u migrator-switch -o cat --no-pager")
    first = shown.index("Started kubelet")
    assert shown.index("Starting migrator-switch") < first
    assert node.starts() == ["docker", "docker"]


def test_at_boot_it_is_held_before_the_program_runs(node: Node) -> None:
    """Killed before it has said that it is ready, the unit lets the kubelet's start go on; the mark is there by then."""
    with waiting_at(node, "after write files"):
        command = node.at(f"/etc/systemd/system/{UNIT}").read_text().partition("ExecStartPre=-")[2].splitlines()[0]
        mark = node.at(f"{JOURNALS}/t/kubelet-held")
        assert mark.exists()
        mark.unlink()
        node.do(command)
        assert mark.exists()
        assert f"ConditionPathExists=!{JOURNALS}/t/kubelet-held" in node.at(HELD).read_text()
    assert not mark.exists()
    assert not node.at(f"{JOURNALS}/t/kubelet-to-hold").exists()


def test_a_unit_without_a_journal_goes_at_the_next_boot(node: Node) -> None:
    """The module was killed before it wrote the first line: nothing was begun, and nothing is done."""
    node.wrap("systemctl", 'case "$*" in daemon-reload) kill -KILL $PPID; exit 1;; esac')
    process = node.begin("node_switch", {"state": "new", **node.request()})
    process.communicate(timeout=60)
    node.unwrap()
    assert node.at(f"/etc/systemd/system/{UNIT}").exists()
    assert node.actions() == []

    node.do("systemctl daemon-reload; systemctl start migrator-switch")
    node.until("! systemctl is-active -q migrator-switch", "it ends")

    assert node.state() == OLD
    assert node.actions() == []
    assert node.starts() == ["docker"]


# Who asks, and what is answered.


def test_another_switch_waits_and_is_told_when_that_takes_too_long(node: Node) -> None:
    """It says busy instead of failing: whoever asks asks again; two never run at once."""
    with waiting_at(node, "after removed") as result:
        busy = node.forth(transaction="other", limits={"migrator_switch.FORTH_SECONDS": -59})
        assert busy == {
            "outcome": "busy", "cause": "another switch is at work on this node, for more than 1 s", "actions": [],
            "changed": False,
        }  # fmt: skip
        assert node.actions("other") == []
        same = node.forth(limits={"migrator_switch.FORTH_SECONDS": -59})
        assert same["outcome"] == "busy"
    assert result["outcome"] == "switched"


def test_two_at_once_do_it_once(node: Node) -> None:
    """Both say what came of it."""
    node.docker_pod()
    answers: list[dict[str, object]] = []
    threads = [threading.Thread(target=lambda: answers.append(node.forth())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [answer["outcome"] for answer in answers] == ["switched", "switched"]
    assert sorted(bool(answer["changed"]) for answer in answers) == [False, True]
    assert node.actions().count("begin") == 1


def test_whoever_waits_gives_up_in_time(node: Node) -> None:
    """The switch goes on; whoever asks next hears its end."""
    drive(node, {"after removed": WAIT})
    node.do("rm -f /run/waits /run/goes-on")

    answer = node.forth(limits={"migrator_service.WAIT_SECONDS": 2})

    assert answer["outcome"] == "busy"
    assert str(answer["cause"]).startswith("migrator-switch.service is under way, for more than ")
    node.at("/run/goes-on").touch()
    assert node.forth()["outcome"] == "switched"


def test_a_systemd_that_is_silent_is_no_proof_of_rest(node: Node) -> None:
    """Nothing is believed to be over that may be under way; once it answers it goes on."""
    node.wrap("systemctl", 'case "$*" in *ActiveState*) exit 1;; esac')

    answer = node.forth(limits={"migrator_switch.FORTH_SECONDS": -59})

    assert answer["outcome"] == "busy"
    assert node.actions() == []
    node.unwrap()
    assert node.forth()["outcome"] == "switched"


def test_a_job_that_waits_for_others_is_under_way(node: Node) -> None:
    """At boot the unit may have to wait before it starts."""
    folder = f"/etc/systemd/system/{UNIT}.d"
    node.do(f"printf '[Service]\\nType=oneshot\\nExecStart=/bin/sleep 60\\n' > /run/systemd/system/slow.service\n"
            f"mkdir -p {folder}; printf '[Unit]\\nAfter=slow.service\\nWants=slow.service\\n' > {folder}/slow.conf")  # fmt: skip
    try:
        answer = node.forth(limits={"migrator_service.WAIT_SECONDS": 3, "migrator_service.GONE_SECONDS": 0})
        assert answer["outcome"] == "busy", answer
        assert node.show(UNIT, "ActiveState") == {"ActiveState": "inactive"}
    finally:
        node.do("systemctl stop slow.service; rm /run/systemd/system/slow.service")
    assert node.forth()["outcome"] == "switched"


def test_one_that_somebody_stops_is_told(node: Node) -> None:
    """It goes back at the next boot, or when it is asked to."""
    node.do("rm -f /run/waits /run/goes-on")
    drive(node, {"after removed": WAIT})
    process = node.begin("node_switch", {"state": "new", **node.request()}, limits={"migrator_service.GONE_SECONDS": 1})
    node.until("test -e /run/waits", "it waits")
    node.do(f"systemctl stop {UNIT}")

    answer = ended(process)

    assert answer["failed"] is True
    assert answer["msg"] == "migrator-switch.service was stopped in its middle; it goes back at the next boot"
    assert node.words() == []
    assert node.back()["outcome"] == "restored"
    assert node.words() == [*COMMAND, *LAST]


def test_one_that_ends_before_it_has_done_anything_is_told(node: Node) -> None:
    """Its program cannot be run: it is not waited for the whole time."""
    node.wrap("systemctl", f'case "$*" in *--no-block*) echo broken > {JOURNALS}/t/program/__main__.py;; esac')

    answer = node.forth(limits={"migrator_service.STUCK_SECONDS": 3})
    node.unwrap()

    assert answer["failed"] is True
    assert answer["msg"] == (
        "migrator-switch.service ends before it has done anything (journalctl -u migrator-switch.service)"
    )
    assert node.actions() == ["begin"]
    node.do(f"systemctl stop {UNIT}")
    assert node.back()["outcome"] == "restored"


def test_a_slow_one_is_waited_for(node: Node) -> None:
    """A program that is run again and gets on is not stuck, however often."""
    drive(node, {f"after {line}": "kill -KILL $PPID; sleep 60" for line in
                 ("write files", "put files back", "restart containerd", "start Docker")}, wait="1500ms")  # fmt: skip

    answer = node.forth(limits={"migrator_service.STUCK_SECONDS": 3, "migrator_service.GONE_SECONDS": 1})

    assert answer["outcome"] == "rolled-back"
