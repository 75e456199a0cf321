"""The switch of a real node, forth and back, as Ansible runs it: what it changes, what it says, and what it refuses."""

from __future__ import annotations

import hashlib
import json
import os
from base64 import b64decode
from collections.abc import Callable
from typing import Any

import pytest

from tests.lab.driving import drive
from tests.lab.nodeside import (
    COMMAND,
    CONFIG,
    CONFIGURED,
    FLAGGED,
    FLAGS,
    HOSTS,
    JOURNALS,
    LAST,
    NEW,
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
        "action": "begin", "boot": node.lone.boot_id(), "number": 1, "enabled": ["docker.service"], "healthy": True,
        "arguments": [*COMMAND, *LAST], "reserves": [], "about": {"source": "docker://20.10.24"},
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


# What fails is undone.


def failing(**change: str) -> Callable[[Node], dict[str, Any]]:
    """Ask for a switch with other contents of files."""
    return lambda node: node.forth(files=node.files(**change))


def test_a_containerd_that_does_not_start_is_no_switch(node: Node) -> None:
    """The node is as it was, with the cause."""
    node.foreign()
    pod = node.docker_pod()

    result = failing(config=BROKEN)(node)

    assert (result["outcome"], result["removed"], result["changed"]) == ("rolled-back", pod, True)
    assert result["cause"].startswith(
        "`systemctl restart containerd.service` failed: Job for containerd.service failed"
    )
    assert node.state() == {**OLD, "in Docker": ["foreign"]}
    assert node.starts() == ["docker", "docker"]


def test_a_kubelet_that_ends_at_once_is_no_switch(node: Node) -> None:
    """For systemd a process is started before it has read its command line."""
    flags = FLAGGED.replace("--network", "--no-such-flag --network")
    arguments = [*COMMAND[:3], "--no-such-flag", *COMMAND[3:], *REMOTE, *LAST]

    result = node.forth(files=node.files(flags=flags), arguments=arguments)

    assert result["outcome"] == "rolled-back"
    assert result["cause"] in {
        "the kubelet does not stay up (journalctl -u kubelet.service)",
        "the kubelet was not started as the plan says: it does not run",
    }
    assert node.state() == OLD


def test_a_kubelet_that_does_not_get_well_is_no_switch(node: Node) -> None:
    """It was well before; what is not well afterwards would leave the node without one."""
    drive(node, {"before start the kubelet": "touch /run/kubelet-is-sick", "before put files back": "rm /run/kubelet-is-sick"},
          limits={"migrator_switch.START_SECONDS": 4})  # fmt: skip

    result = node.forth()

    assert result["outcome"] == "rolled-back"
    assert result["cause"].startswith("the kubelet is not well after ")


def test_a_kubelet_that_was_not_well_before_is_not_waited_for(node: Node) -> None:
    """It may answer elsewhere, or not be set up yet."""
    node.at("/run/kubelet-is-sick").touch()

    result = node.forth()

    assert (result["outcome"], node.journal()[0]["healthy"]) == ("switched", False)


def test_a_kubelet_with_other_words_than_planned_is_no_switch(node: Node) -> None:
    """Something else sets its flags; which ones differ is said, without their values."""
    result = node.forth(arguments=["--token=secret", *COMMAND[1:], *REMOTE, *LAST])

    assert result["outcome"] == "rolled-back"
    assert result["cause"] == "the kubelet was not started as the plan says: --bootstrap-kubeconfig, --token"
    assert node.state() == OLD


def test_without_words_none_are_looked_at(node: Node) -> None:
    """An older control host gives none."""
    result = node.forth(arguments=[])

    assert result["outcome"] == "switched"
    assert node.words() == [*COMMAND, *REMOTE, *LAST]


def test_a_socket_that_is_not_there_is_no_switch(node: Node) -> None:
    """Containerd listens elsewhere than the kubelet would ask."""
    result = node.forth(socket="/run/elsewhere.sock")

    assert result["outcome"] == "rolled-back"
    assert result["cause"] == "containerd runs, but its socket /run/elsewhere.sock is not there"
    assert node.state() == OLD


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('disabled_plugins = ["io.containerd.grpc.v1.cri"]\n', "silent"),
        ('[plugins."io.containerd.grpc.v1.cri".containerd]\nsnapshotter = "none"\n', "error"),
    ],
    ids=["switched off", "failing"],
)
def test_a_cri_plugin_that_does_not_answer_is_no_switch(more: str, said: str, node: Node) -> None:
    """A runtime that runs is not enough."""
    drive(node, {}, limits={"migrator_switch.START_SECONDS": 5, "migrator_switch.FAILED_SECONDS": 2})

    result = failing(config=f"version = 2\n{more}")(node)

    assert result["outcome"] == "rolled-back"
    assert result["cause"] == f"containerd runs, but its CRI plugin is {said} after the restart"


def test_a_folder_that_cannot_be_written_any_more_is_no_switch(node: Node) -> None:
    """Which action it was is said with what the system said."""
    drive(node, {
        "after write files": "chattr +i /var/lib/kubelet", "before put files back": "chattr -i /var/lib/kubelet",
    })  # fmt: skip

    result = node.forth()

    assert result["outcome"] == "rolled-back"
    assert result["cause"].startswith("write files: [Errno 1] Operation not permitted: ")


def test_containers_that_come_back_are_no_switch(node: Node) -> None:
    """The new kubelet would not see them."""
    drive(
        node,
        {
            "after start the kubelet": "docker run -d --name late --label io.kubernetes.pod.uid=x registry.lab:5000/pause:3.2"
        },
    )

    result = node.forth()

    assert (result["outcome"], result["cause"]) == ("rolled-back", "Docker has containers of Kubernetes again")
    assert node.starts() == ["docker", "docker"]


def test_a_switch_that_takes_too_long_goes_back(node: Node) -> None:
    """Nothing more is begun after its time; the way back takes as long as it takes."""
    drive(node, {}, limits={"migrator_switch.FORTH_SECONDS": 0})

    result = node.forth()

    assert (result["outcome"], result["cause"]) == ("rolled-back", "the switch has taken more than 0 s")
    assert result["actions"][0]["action"] == "stop the kubelet"


def test_one_that_cannot_be_put_back_is_broken_and_tried_again(node: Node) -> None:
    """Both causes are said, and the kubelet may be started by a person; the next boot tries again."""
    drive(node, {"before start Docker": "chmod -x /usr/sbin/dockerd; systemctl stop docker docker.socket"},
          limits={"migrator_switch.AGAIN_SECONDS": 0})  # fmt: skip
    node.foreign(more="--restart=always")
    try:
        result = failing(config=BROKEN)(node)
        assert result["outcome"] == "broken"
        first, _, second = result["cause"].partition("; then putting it back failed: ")
        assert first.startswith("`systemctl restart containerd.service` failed")
        assert second.startswith("`systemctl start docker.service` failed")
        assert node.actions().count("start Docker") == 3
        assert not node.at(f"{JOURNALS}/t/kubelet-held").exists()
        assert not node.at(f"{JOURNALS}/t/kubelet-to-hold").exists()
        assert node.at(f"/etc/systemd/system/{UNIT}").exists()
    finally:
        node.do("chmod +x /usr/sbin/dockerd")
    drive(node, {})

    node.lone.reset()
    node.until(f"test ! -e /etc/systemd/system/{UNIT}", "it was tried again")

    assert node.actions()[-1] == "undone"
    node.do("rm -r /etc/systemd/system/migrator-switch.service.d")
    assert node.state() == {**OLD, "in Docker": ["foreign"]}


def test_what_the_new_runtime_leaves_does_not_keep_the_old_one_from_serving(node: Node) -> None:
    """It is told, and the rest is done."""
    node.forth()
    node.cri_pod()
    node.wrap("ctr", "exit 1")
    node.wrap("systemctl", 'case "$*" in "restart containerd.service") echo not now >&2; exit 1;; esac')

    result = node.back()
    node.unwrap()

    assert result["outcome"] == "restored"
    assert result["problems"] == ["`systemctl restart containerd.service` failed: not now"]
    assert node.state()["kubelet"] == OLD["kubelet"]


def test_a_docker_that_does_not_start_is_no_way_back(node: Node) -> None:
    """That is found before anything is stopped: the node goes on serving."""
    node.forth()
    node.do("systemctl stop docker.socket docker; chmod -x /usr/sbin/dockerd")
    try:
        result = node.back()
        assert result["failed"] is True
        assert result["msg"].startswith("`systemctl start docker.service` failed: ")
        assert (node.actions()[-1], node.words()) == ("done", [*COMMAND, *REMOTE, *LAST])
    finally:
        node.do("chmod +x /usr/sbin/dockerd; systemctl reset-failed")
    assert node.back()["outcome"] == "restored"


def test_docker_is_started_however_often_it_was(node: Node) -> None:
    """Restarts of containerd may have taken it with them, more often than systemd allows."""
    folder = "/etc/systemd/system/docker.service.d"
    node.do(f"mkdir -p {folder}; printf '[Unit]\\nPartOf=containerd.service\\nStartLimitBurst=2\\n"
            f"StartLimitIntervalSec=600\\n' > {folder}/limit.conf; systemctl daemon-reload")  # fmt: skip

    result = failing(config=BROKEN)(node)

    assert (result["outcome"], node.active("docker")) == ("rolled-back", True)


def test_docker_starts_at_boot_again_where_it_did_before(node: Node) -> None:
    """It was retired after the switch; going back makes it what it was."""
    node.forth()
    node.do("systemctl -q disable --now docker.socket docker.service")

    assert node.back()["outcome"] == "restored"
    assert node.state() == OLD


def test_containerd_starts_at_boot_afterwards(node: Node) -> None:
    """And no more when it is put back, where it did not before."""
    node.do("systemctl -q disable containerd")
    before = node.state()

    assert node.forth()["outcome"] == "switched"
    assert node.enabled("containerd")
    assert "enable containerd at boot" in node.actions()
    assert node.back()["outcome"] == "restored"
    assert node.state() == before


def test_a_docker_that_cannot_start_at_boot_any_more_is_told(node: Node) -> None:
    """It serves now."""
    node.forth()
    node.do("systemctl -q disable docker.service")
    node.wrap("systemctl", 'case "$*" in "enable docker.service") echo no such luck >&2; exit 1;; esac')

    result = node.back()
    node.unwrap()

    assert result["outcome"] == "restored"
    assert result["problems"] == ["docker.service does not start at boot any more: no such luck"]


def test_a_file_that_somebody_else_has_written_as_planned_is_no_reason_to_break(node: Node) -> None:
    """What was there before the switch is what was there, whatever the plan had seen."""
    node.at(CONFIG).write_text(CONFIGURED)
    node.do("systemctl restart containerd")

    result = node.forth(socket="/run/elsewhere.sock")

    assert result["outcome"] == "rolled-back"
    assert node.at(CONFIG).read_text() == CONFIGURED


def test_a_kubelet_that_had_other_words_than_its_files_say_is_told(node: Node) -> None:
    """Somebody had changed them before the switch without a restart."""
    extra = node.at("/etc/default/kubelet")
    extra.write_text(extra.read_text().replace("cni-bin-dir=", "v=2 --cni-bin-dir="))

    result = node.forth(arguments=[*COMMAND, *REMOTE, "--v=2", *LAST])
    assert result["outcome"] == "switched", result
    drive(node, {}, limits={"migrator_units.COMMAND_SECONDS": 1})
    result = node.back()

    assert result["outcome"] == "restored"
    assert result["problems"] == ["the kubelet does not run as before the switch: --v"]


# What is refused before anything is begun.


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


@pytest.mark.parametrize("call", ["open", "posix_fallocate", "symlink", "rename", "fsync"])
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
    free = node.do("df --output=avail / | tail -1").strip()
    node.do(f"fallocate -l {int(free) - 3000}K /fill")
    before = node.state()
    try:
        result = node.forth()
        assert result["msg"] == f"nothing was changed: [Errno 28] No space left on device: '{JOURNALS}/t'"
        assert node.state() == before
        assert not node.at(f"{JOURNALS}/t").exists()
    finally:
        node.do("rm /fill")


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
    node.do("fallocate -l $(($(df --output=avail / | tail -1) - 8))K /fill")
    try:
        assert node.back()["outcome"] == "restored"
    finally:
        node.do("rm -f /fill /etc/containerd/fill")
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
    node.do("fallocate -l $(($(df --output=avail / | tail -1) - 8))K /fill")
    try:
        result = node.back()
        assert result["failed"] is True
        assert result["msg"].startswith("nothing was changed: ")
        assert (node.actions()[-1], node.words()) == ("done", [*COMMAND, *REMOTE, *LAST])
    finally:
        node.do("rm /fill")
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
