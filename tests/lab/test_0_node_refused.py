"""What keeps a switch of a real node from being begun or taken back, and what going back needs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.lab.driving import drive
from tests.lab.nodeside import (
    COMMAND,
    CONFIG,
    JOURNALS,
    LAST,
    OLD,
    REMOTE,
    UNIT,
    Node,
)

FORTH = (
    "begin", "stop the kubelet", "remove Kubernetes' Docker containers", "removed", "write files", "saved", "saved",
    "made folder", "made folder", "saved", "start containerd", "start the kubelet", "done",
)  # fmt: skip
BACK = (
    "undo", "stop the kubelet", "remove Kubernetes' containerd containers", "put files back", "restart containerd",
    "start Docker", "start the kubelet on Docker", "undone",
)  # fmt: skip
BROKEN = "version = 2\nimports = [\n"
"""What no containerd starts with."""


def stale(node: Node, **change: Any) -> dict[str, Any]:
    """Ask for a file otherwise than it is."""
    first, *others = node.files()
    return node.forth(files=[{**first, **change}, *others])


@pytest.mark.parametrize(
    ("setup", "said"),
    [
        ("chattr +i /etc/containerd/config.toml", "/etc/containerd/config.toml is immutable (chattr +i)"),
        ("chattr +i /etc/containerd", "/etc/containerd is immutable (chattr +i)"),
        ("chattr +a /var/lib/kubelet", "/var/lib/kubelet is append-only (chattr +a)"),
        ("chattr +i /etc/systemd/system", "/etc/systemd/system is immutable (chattr +i)"),
        ("chattr +i /etc/systemd/system/kubelet.service.d", "/etc/systemd/system/kubelet.service.d is immutable (chattr +i)"),
        ("chattr +i /etc/systemd/system/multi-user.target.wants", "multi-user.target.wants is immutable (chattr +i)"),
        ("ln /etc/containerd/config.toml /etc/other", "has 2 names (hard links): the others would keep the old file"),
        ("mount --bind /etc/containerd/config.toml /etc/containerd/config.toml", "is mounted there by itself"),
        ("mount --bind /etc/containerd /etc/containerd; mount -o remount,bind,ro /etc/containerd", "is on a file system that is mounted read-only"),
        ("mkdir -p /var/lib/migrator/transactions/other; echo '{\"action\": \"write files\"}' > /var/lib/migrator/transactions/other/journal.jsonl", "the switch other is not over"),
        ("mkdir -p /var/lib/migrator/transactions/other; echo damaged > /var/lib/migrator/transactions/other/journal.jsonl", "the switch other is not over"),
        ("mkdir -p /var/lib/migrator/transactions/other; echo '{\"action\": \"broken\"}' > /var/lib/migrator/transactions/other/journal.jsonl", "the switch other is not over"),
        ("mkdir /var/lib/migrator; touch /var/lib/migrator/transactions", "/var/lib/migrator/transactions: File exists"),
    ],
)  # fmt: skip
def test_what_cannot_be_undone_is_not_begun(setup: str, said: str, node: Node) -> None:
    """It is said what is in the way; the node serves on, and there is nothing to put back."""
    node.docker_pod()
    node.do(setup)
    before = node.state()
    try:
        result = node.forth()

        assert result["failed"] is True
        assert result["msg"].startswith("nothing was changed: ")
        assert said in result["msg"]
        assert node.actions() == []
        assert not node.at(f"{JOURNALS}/t").exists()
        assert node.state() == before
        assert node.starts() == ["docker"]
    finally:
        node.do("umount /etc/containerd/config.toml /etc/containerd 2>/dev/null || true\n"
                "chattr -ia /etc/containerd /etc/containerd/config.toml /var/lib/kubelet /etc/systemd/system "
                "/etc/systemd/system/kubelet.service.d /etc/systemd/system/multi-user.target.wants")  # fmt: skip


@pytest.mark.parametrize("call", ["posix_fallocate", "symlink", "rename", "fsync"])
def test_whatever_fails_before_it_begins_leaves_nothing(call: str, node: Node) -> None:
    """The n-th call of each kind fails: either the switch goes through, or the node is exactly as before."""
    before, refused = node.tree(), 0
    for number in (1, 2, 3, 5, 8, 13, 21, 34, 55, 89):
        result = node.ask("node_switch", state="new", fails=f"{call} {number}", **node.request())
        if "outcome" in result:
            break
        refused += 1
        assert result["msg"].startswith("nothing was changed: "), result
        assert node.tree() == before, number
        assert node.run(f"find {JOURNALS} -mindepth 1 ! -name lock").stdout == "", number
    assert result["outcome"] == "switched"
    assert refused >= 1


def test_a_full_disk_begins_nothing(node: Node) -> None:
    """Neither where the journal would be nor where files are written, and what was set aside is free again."""
    before = node.state()
    try:
        node.fill(spare=2**20)
        result = node.forth()
        assert result["msg"] == f"nothing was changed: [Errno 28] No space left on device: '{JOURNALS}/t'"
        assert node.state() == before
        assert not node.at(f"{JOURNALS}/t").exists()
    finally:
        node.empty()


@pytest.fixture
def other_disk(node: Node) -> Any:
    """Have /etc/containerd on a small file system of its own."""
    node.do(
        "cp -a /etc/containerd /run/kept; mount -t tmpfs -o size=2m none /etc/containerd; cp -a /run/kept/. /etc/containerd"
    )
    yield node
    node.do("umount /etc/containerd; rm -r /run/kept")


def test_every_file_system_keeps_its_own_space(other_disk: Node) -> None:
    """What is put back in /etc needs room there, wherever the journal is, and a full disk is no reason to be stuck."""
    node, kept = other_disk, other_disk.at("/etc/containerd/.migrator-switch.reserve")
    old = node.at(CONFIG).read_text()

    assert node.forth()["outcome"] == "switched"
    assert kept.stat().st_blocks * 512 >= 256 * 2**10
    assert node.journal()[0]["reserves"] == ["/etc/containerd/.migrator-switch.reserve"]
    node.run("cat /dev/zero > /etc/containerd/fill")
    try:
        node.fill()
        assert node.back()["outcome"] == "restored"
    finally:
        node.do("rm -f /etc/containerd/fill")
        node.empty()
    assert not kept.exists()
    assert not node.at(f"{JOURNALS}/t/reserve").exists()
    assert node.at(CONFIG).read_text() == old


def test_no_room_on_another_file_system_begins_nothing(other_disk: Node) -> None:
    """What was set aside elsewhere goes again."""
    node = other_disk
    node.run("cat /dev/zero > /etc/containerd/fill")

    result = node.forth()

    assert result["msg"].startswith("nothing was changed: ")
    assert "No space left on device" in result["msg"]
    assert node.run("find / -xdev -name reserve -path '*migrator*' -o -xdev -name '.migrator*'").stdout == ""


def test_where_nothing_fits_nothing_is_stopped(node: Node) -> None:
    """The way back of a switch that has kept nothing: the node goes on serving until there is room."""
    node.forth()
    node.at(f"{JOURNALS}/t/reserve").unlink()
    try:
        node.fill()
        result = node.back()
        assert result["failed"] is True
        assert result["msg"].startswith("nothing was changed: ")
        assert (node.actions()[-1], node.words()) == ("done", [*COMMAND, *REMOTE, *LAST])
    finally:
        node.empty()
    assert node.back()["outcome"] == "restored"


def test_the_way_back_needs_no_writable_units(node: Node) -> None:
    """The unit is run from where the next boot forgets it, and that is said."""
    node.forth()
    node.do("chattr +i /etc/systemd/system")
    try:
        result = node.back()
    finally:
        node.do("chattr -i /etc/systemd/system")

    assert result["outcome"] == "restored"
    assert "not after a reboot" in result["problems"][0]
    assert result["problems"][0].startswith("/etc/systemd/system: Operation not permitted: ")
    assert node.state() == OLD


def test_back_of_what_only_began_needs_nothing(node: Node) -> None:
    """No unit, no Docker, no room: nothing was done, and that is written down."""
    pod = node.docker_pod()
    node.wrap("systemctl", 'case "$*" in *--no-block*) kill -KILL $PPID; exit 1;; esac')
    process = node.begin("node_switch", {"state": "new", **node.request()})
    process.communicate(timeout=60)
    node.wrap("systemctl", 'case "$*" in start*) exit 1;; esac')

    result = node.back()
    node.unwrap()

    assert (result["outcome"], result["cause"], result["problems"]) == ("restored", "", [])
    assert node.actions() == ["begin", "undone"]
    assert not node.at(f"{JOURNALS}/t/reserve").exists()
    assert not node.at(f"/etc/systemd/system/{UNIT}").exists()
    assert node.state() == {**OLD, "in Docker": ["web", "web-sandbox"]}
    assert node.starts() == ["docker"]
    assert len(pod) == 2


def test_switches_are_counted_by_the_node(node: Node) -> None:
    """Whatever they are called: the order is the node's own."""
    for number, name in enumerate(("20261201-w", "20261130-w", "a"), 1):
        folder = node.at(f"{JOURNALS}/old-{name}")
        folder.mkdir(parents=True)
        lines = [{"action": "begin", "number": 5 * number, "at": 0}, {"action": "undone", "at": 0}]
        (folder / "journal.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    node.forth()

    assert node.journal()[0]["number"] == 16


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda text: text.replace('"action": "begin"', '"action": "gone"'), "has lost its beginning"),
        (lambda text: text.replace('"action": "saved"', '"action": "lost"', 1), "not what they were before: /"),
    ],
    ids=["without its beginning", "without a saved file"],
)
def test_a_journal_that_lost_lines_is_not_believed(spoil: Callable[[str], str], said: str, node: Node) -> None:
    """The node is called broken, never put back; its kubelet may be started."""
    node.forth()
    drive(node, {}, limits={"migrator_switch.AGAIN_SECONDS": 0})
    path = node.at(f"{JOURNALS}/t/journal.jsonl")
    path.write_text(spoil(path.read_text()))

    result = node.back()

    assert result["outcome"] == "broken"
    assert said in result["cause"]


def test_a_damaged_journal_fails_the_module(node: Node) -> None:
    """With its name and the line; nothing is guessed."""
    node.forth()
    path = node.at(f"{JOURNALS}/t/journal.jsonl")
    path.write_text(path.read_text().replace('{"boot"', '{"boot', 1))

    result = node.back()

    assert (result["failed"], result["msg"]) == (True, f"line 1 of the journal {JOURNALS}/t/journal.jsonl is damaged")
    assert node.words() == [*COMMAND, *REMOTE, *LAST]


def test_an_owner_whom_the_node_does_not_know_begins_nothing(node: Node) -> None:
    """He is named."""
    result = stale(node, owner="nobody-at-all")

    assert (result["failed"], result["msg"]) == (True, "this node has no user nobody-at-all")
    assert node.actions() == []


def test_a_saved_file_has_its_bytes(node: Node) -> None:
    """The copy in the journal's folder is what was there."""
    old = node.at(CONFIG).read_bytes()

    node.forth()

    saved = {line["path"]: line for line in node.journal() if line["action"] == "saved"}
    assert node.at(saved[CONFIG]["copy"]).read_bytes() == old
    assert hashlib.sha256(old).hexdigest() == node.file(CONFIG, "")["replaces"]
