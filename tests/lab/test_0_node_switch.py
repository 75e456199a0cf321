"""The switch of a real node, forth and back, as Ansible runs it: what it changes, what it says, and what it refuses."""

from __future__ import annotations

from tests.lab.nodeside import COMMAND, CONFIG, FLAGS, HOSTS, LAST, REMOTE, Node

FORTH = (
    "begin", "stop the kubelet", "remove Kubernetes' Docker containers", "removed", "write files", "saved", "saved",
    "made folder", "made folder", "saved", "start containerd", "start the kubelet", "done",
)  # fmt: skip


def test_forth_and_back(node: Node) -> None:
    """Each is done once; asked again, the module says what came of it."""
    pod = node.docker_pod()
    foreign = node.foreign()
    before = node.state()

    done = node.forth()

    print(done, node.actions())
    print(node.state())
    back = node.back()
    print(back, node.state(), before)
    assert 0
