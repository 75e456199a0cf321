"""The switch of a real node, forth and back, as Ansible runs it: what it changes, what it says, and what it refuses."""

from __future__ import annotations

import os
from base64 import b64decode
from typing import Any

import pytest

from tests.lab.nodeside import (
    COMMAND,
    CONFIG,
    FLAGS,
    HOSTS,
    JOURNALS,
    LAST,
    NEW,
    OLD,
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


def test_forth_and_back(node: Node) -> None:
    """Each is done once; asked again, the module says what came of it and changes nothing."""
    assert node.back() == {
        "changed": False, "actions": [], "outcome": "unchanged", "cause": "no such switch was begun here",
    }  # fmt: skip
    node.foreign()
    pod = node.docker_pod()
    began = float(node.do("date +%s.%N"))

    done = node.forth()

    at, timings = done.pop("kubelet_started"), done.pop("actions")
    assert done == {"outcome": "switched", "cause": "", "problems": [], "changed": True, "removed": pod}
    assert began < at < float(node.do("date +%s.%N"))
    assert [entry["action"] for entry in timings] == [line for line in FORTH if line in ACTIONS]
    assert tuple(node.actions()) == FORTH
    assert node.state() == {**NEW, "in Docker": ["foreign"]}
    assert node.starts() == ["docker", "containerd"]
    assert (node.tree()[FLAGS].uid, node.tree()[FLAGS].gid, oct(node.tree()[FLAGS].mode)) == (4711, 4712, "0o100640")
    assert oct(node.tree()[HOSTS].mode) == "0o100644"
    again = node.forth()
    assert (again["outcome"], again["changed"], again["removed"]) == ("switched", False, pod)

    gone = node.back()

    later = gone.pop("kubelet_started")
    assert [entry["action"] for entry in gone.pop("actions")] == list(BACK[1:-1])
    assert gone == {"outcome": "restored", "cause": "", "problems": [], "changed": True, "removed": pod}
    assert later > at
    assert tuple(node.actions()) == FORTH + BACK
    assert node.state() == {**OLD, "in Docker": ["foreign"]}
    assert node.starts() == ["docker", "containerd", "docker"]
    again = node.back()
    assert again["cause"] == "it was put back already"
    assert (again["outcome"], again["changed"], again["removed"]) == ("restored", False, pod)
    assert (node.forth()["outcome"], node.forth()["changed"]) == ("rolled-back", False)


ACTIONS = {
    "stop the kubelet",
    "remove Kubernetes' Docker containers",
    "write files",
    "start containerd",
    "start the kubelet",
}


def test_what_it_was_is_written_down(node: Node) -> None:
    """The first line has all that going back and whoever looks later need to know."""
    node.do("systemctl -q disable docker.socket")

    node.forth()

    begin = node.journal()[0]
    assert begin.pop("at") > 0
    assert begin == {
        "action": "begin", "boot": node.lone.boot_id(), "number": 1, "enabled": ["docker.service"],
        "active": [], "healthy": True, "arguments": [*COMMAND, *LAST], "reserves": [], "about": {"source": "docker://20.10.24"},
    }  # fmt: skip
    saved = {line["path"]: line for line in node.journal() if line["action"] == "saved"}
    assert list(saved) == [CONFIG, FLAGS, HOSTS]
    assert saved[HOSTS]["exists"] is False
    assert saved[FLAGS]["exists"] is True
    assert [line["path"] for line in node.journal() if line["action"] == "made folder"] == NEW["changed"][:2]
    folder = node.at(f"{JOURNALS}/t")
    assert oct(folder.stat().st_mode) == oct(folder.parent.stat().st_mode) == "0o40700"
    assert oct((folder / "file-0").stat().st_mode) == "0o100600"
    assert (folder / "reserve").stat().st_blocks * 512 >= 4 * 2**20


def test_files_are_as_they_were(node: Node) -> None:
    """With their owners, modes and attributes, through links, and with what others made in new folders."""
    config, flags = node.at(CONFIG), node.at(FLAGS)
    os.chown(flags, 4713, 4714)
    flags.chmod(0o600)
    os.setxattr(flags, "user.note", b"theirs")
    config.rename(f"{config}.real")
    config.symlink_to("config.toml.real")
    before = node.tree()

    assert node.forth()["outcome"] == "switched"
    assert config.is_symlink()
    assert os.getxattr(flags, "user.note") == b"theirs"
    node.at(HOSTS).parent.joinpath("theirs").touch()
    os.removexattr(flags, "user.note")
    assert node.back()["outcome"] == "restored"

    theirs = node.at(HOSTS).parent.joinpath("theirs")
    assert theirs.exists()
    theirs.unlink()
    theirs.parent.rmdir()
    theirs.parent.parent.rmdir()
    assert node.tree() == before
    assert os.getxattr(flags, "user.note") == b"theirs"


def test_what_others_wrote_since_is_kept(node: Node) -> None:
    """Going back replaces it by what was before the switch, and says where it is; nothing is lost."""
    node.forth()
    node.at(CONFIG).write_text("# theirs\nversion = 2\n")

    result = node.back()

    (line,) = [line for line in node.journal() if line["action"] == "kept"]
    assert result["outcome"] == "restored"
    assert result["problems"] == [f"{CONFIG} had been changed since; that is kept as {line['copy']}"]
    assert (line["path"], node.at(line["copy"]).read_text()) == (CONFIG, "# theirs\nversion = 2\n")
    assert node.state() == OLD


def test_units_are_in_force(node: Node) -> None:
    """What a drop-in says holds for the processes that run, forth and back: systemd has read it before they start."""

    def limits() -> list[str]:
        return [
            node.do(f"grep 'open files' /proc/$(systemctl show {unit} -p MainPID --value)/limits").split()[3]
            for unit in ("containerd", "kubelet")
        ]

    before = limits()
    text = "[Service]\nLimitNOFILE=4096\n"
    files = node.files() + [
        node.file(f"/etc/systemd/system/{unit}.service.d/30-limits.conf", text) for unit in ("containerd", "kubelet")
    ]

    assert node.forth(files=files)["outcome"] == "switched"
    assert limits() == ["4096", "4096"]
    assert node.back(files=files)["outcome"] == "restored"
    assert limits() == before
    assert node.state() == OLD


def test_a_copied_file_has_the_bytes_of_the_other(node: Node) -> None:
    """A file may be made of one that is on the node; its hash is compared."""
    text = node.at("/etc/passwd").read_text()
    copied = {**node.file(HOSTS, text), "content": "", "copies": "/etc/passwd"}

    assert node.forth(files=[*node.files()[:2], copied])["outcome"] == "switched"
    assert node.at(HOSTS).read_text() == text


def test_a_node_that_is_as_planned_is_left_alone(node: Node) -> None:
    """No containers of Kubernetes in Docker, and all files are there already: nothing is begun."""
    node.foreign()
    for entry in node.files():
        path = node.at(entry["path"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b64decode(entry["content"]))

    result = node.forth()

    assert result == {"changed": False, "cause": "", "actions": [], "outcome": "unchanged"}
    node.docker_pod()
    assert node.ask("node_switch", check=True, state="new", **node.request())["changed"] is True
    node.do("docker rm -f web web-sandbox && systemctl stop docker.socket docker")
    assert node.forth()["outcome"] == "unchanged"
    assert node.actions() == []


def test_a_node_whose_files_are_not_as_planned_is_switched_without_docker(node: Node) -> None:
    """No Docker answers; that is no reason to take it for done."""
    assert node.ask("node_switch", check=True, state="new", **node.request())["changed"] is True
    node.do("systemctl stop docker.socket docker")
    answer = node.ask("node_switch", check=True, state="new", **node.request())
    assert (answer["changed"], answer["outcome"]) == (True, "")


def stale(node: Node, **change: Any) -> dict[str, Any]:
    """Ask for a file otherwise than it is."""
    first, *others = node.files()
    return node.forth(files=[{**first, **change}, *others])


@pytest.mark.parametrize(
    ("change", "content"),
    [({}, "theirs\n"), ({"sha256": "0" * 64}, ""), ({"replaces": "0" * 64}, ""), ({"replaces": ""}, "")],
    ids=["somebody changed it", "other bytes than planned", "other bytes were there", "none was there"],
)
def test_what_is_not_as_the_plan_says_is_stale(change: dict[str, str], content: str, node: Node) -> None:
    """Nothing is begun, and the file is named."""
    if content:
        node.at(CONFIG).write_text(content)
    before = node.state()

    result = stale(node, **change)

    assert result == {
        "changed": False, "cause": f"changed since the plan: {CONFIG}", "actions": [], "outcome": "stale",
    }  # fmt: skip
    assert node.actions() == []
    assert node.state() == before


def test_check_mode_does_nothing(node: Node) -> None:
    """Nor does it go on with a switch that was begun, or take one back."""
    node.docker_pod()
    before = node.state()
    asked = {"check": True, **node.request()}

    answer = node.ask("node_switch", state="new", **asked)

    assert (answer["outcome"], answer["changed"]) == ("", True)
    assert (node.state(), node.actions()) == (before, [])
    node.wrap("systemctl", 'case "$*" in *--no-block*) kill -KILL $PPID; exit 1;; esac')
    process = node.begin("node_switch", {"state": "new", **node.request()})
    process.communicate(timeout=60)
    node.unwrap()
    for state in ("new", "old"):
        answer = node.ask("node_switch", state=state, **asked)
        assert (answer["outcome"], answer["changed"]) == ("", True)
    assert node.actions() == ["begin"]
