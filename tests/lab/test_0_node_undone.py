"""A real switch in which something fails: the node has its old runtime afterwards, and says what it was."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.lab.driving import KILL, drive, undriven
from tests.lab.nodeside import (
    COMMAND,
    CONFIG,
    CONFIGURED,
    FLAGGED,
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
    folder = "/run/systemd/system/docker.service.d"
    limit = "[Unit]\\nStartLimitBurst=1\\nStartLimitIntervalSec=600\\n"
    node.do(f"mkdir -p {folder}; printf '{limit}' > {folder}/limit.conf; systemctl daemon-reload")
    stopped = "for _ in 1 2 3; do systemctl stop docker.socket docker; systemctl start docker; done"
    drive(node, {"before start Docker": stopped})

    result = failing(config=BROKEN)(node)

    assert (result["outcome"], node.active("docker")) == ("rolled-back", True)
    assert node.actions().count("start Docker") == 1


@pytest.mark.parametrize(
    "words", ["stop kubelet.service", "daemon-reload", "enable containerd.service", "restart containerd.service", "restart kubelet.service"],
)  # fmt: skip
def test_whatever_systemd_refuses_once_is_undone(words: str, node: Node) -> None:
    """The node goes back, and the kubelet serves on Docker; nothing of the fault is left."""
    node.do("systemctl -q disable containerd")
    drive(node, {"after stop the kubelet": REFUSED.format(words)}, limits={"migrator_switch.AGAIN_SECONDS": 0})

    result = node.forth()
    node.unwrap()

    assert result["outcome"] == "rolled-back"
    assert f"`systemctl {words}` failed: not now" in str(result["cause"])
    node.do("systemctl -q enable containerd")
    assert {**node.state(), "changed": []} == OLD


REFUSED = (
    'printf \'#!/bin/sh\ncase "$*" in "{}") rm $0; echo not now >&2; exit 1;; esac\n'
    'exec /usr/bin/systemctl "$@"\n\' > /usr/local/sbin/systemctl; chmod +x /usr/local/sbin/systemctl'
)
"""Makes a program that refuses some words once."""


@pytest.mark.parametrize(
    "words", ["stop kubelet.service", "daemon-reload", "disable containerd.service", "restart containerd.service", "start docker.service", "restart kubelet.service"],
)  # fmt: skip
def test_whatever_systemd_refuses_once_on_the_way_back_is_tried_again(words: str, node: Node) -> None:
    """It ends wholly old."""
    node.do("systemctl -q disable containerd")
    node.forth()
    drive(node, {"after stop the kubelet": REFUSED.format(words)}, limits={"migrator_switch.AGAIN_SECONDS": 0})

    result = node.back()
    node.unwrap()

    assert (result["outcome"], result["cause"]) == ("restored", "")
    node.do("systemctl -q enable containerd")
    assert {**node.state(), "changed": []} == OLD


@pytest.mark.parametrize("call", ["open", "rename", "unlink", "fsync"])
def test_whatever_fails_before_the_way_back_begins_is_refused(call: str, node: Node) -> None:
    """The node goes on serving on the new runtime until it is asked again, or it is put back."""
    node.forth()
    for number in (1, 2, 4, 8, 16, 32, 64):
        result = node.ask("node_switch", state="old", fails=f"{call} {number}", **node.request())
        if "outcome" in result:
            break
        assert node.actions()[-1] == "done"
        assert node.words() == [*COMMAND, *REMOTE, *LAST]
    assert result["outcome"] == "restored"
    assert node.state() == OLD


@pytest.mark.parametrize("unit", ["containerd.service", "kubelet.service"])
def test_a_restart_must_give_another_process(unit: str, node: Node) -> None:
    """A start does nothing to a service that runs, with other files."""
    drive(node, {"after start the kubelet": "systemctl start --no-block kubelet; sleep 0.2"})
    node.wrap("systemctl", f'case "$*" in "restart {unit}") test -e /run/once || {{ touch /run/once; exit 0; }};; esac')

    result = node.forth()
    node.unwrap()
    node.do("rm /run/once")

    assert result["outcome"] == "rolled-back"
    # A kubelet that somebody was about to start may not have got so far.
    never = "|.*it does not run.*" if unit == "kubelet.service" else ""
    same = rf"{unit} was not restarted: its process \d+ is the one of before"
    assert re.fullmatch(same + never, str(result["cause"]), re.DOTALL)
    undriven(node)
    assert node.state() == OLD


@pytest.mark.parametrize("script", [f"echo theirs > {CONFIG}", f"rm {CONFIG}"], ids=["changed", "gone"])
def test_a_file_that_others_change_after_the_beginning_is_what_it_was_then(script: str, node: Node) -> None:
    """Going back makes it what it was when it was replaced."""
    drive(node, {"before write files": script, "after start containerd": KILL})

    result = node.forth()

    assert result["outcome"] == "rolled-back"
    assert node.lexists(CONFIG) is script.startswith("echo")
    assert not node.lexists(CONFIG) or node.at(CONFIG).read_text() == "theirs\n"


def test_a_user_that_goes_after_the_beginning_keeps_nothing_from_going_on(node: Node) -> None:
    """The request has numbers since then."""
    node.do("useradd -r -u 4799 passing")
    drive(node, {"before write files": "userdel passing"})
    first, *others = node.files()

    result = node.forth(files=[{**first, "owner": "passing"}, *others])

    assert result["outcome"] == "switched"
    assert node.tree()[CONFIG].uid == 4799
    assert node.back()["outcome"] == "restored"
    assert node.tree()[CONFIG].uid == 0


@pytest.mark.parametrize(
    "printed", ["", "{", "null", "[]", '{"Spec": null}', '{"Spec": {"linux": {"namespaces": [1]}}}']
)
def test_a_client_that_prints_something_else_keeps_nothing_from_going_back(printed: str, node: Node) -> None:
    """A container that is gone has no namespace to unmount."""
    node.forth()
    node.cri_pod()
    node.wrap("ctr", f"case \"$*\" in *info*) echo '{printed}'; exit;; esac")

    result = node.back()
    node.unwrap()

    assert (result["outcome"], result["problems"]) == ("restored", [])
    assert node.state() == OLD


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
