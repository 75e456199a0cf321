"""Images are carried from a real dockerd to a real containerd, and a node's inspection says what is there."""

from __future__ import annotations

import time

import pytest

from lab import images
from tests.lab.nodeside import COMMAND, CONFIG, CONFIGURED, FLAGS, LAST, REMOTE, Node, digest, lose

LOCAL = "local/only-here:1"
FULL = f"docker.io/{LOCAL}"


@pytest.fixture
def built(node: Node) -> Node:
    """Have an image that Docker alone has."""
    node.do(f"docker tag {images.BUSYBOX} {LOCAL}")
    return node


def names(node: Node) -> list[str]:
    """Name what containerd has, where CRI looks."""
    return node.do("ctr -n k8s.io images list -q").split()


def alone(node: Node) -> None:
    """See that the node's own containerd is the only one, and that nothing of ours is left."""
    assert node.do("pgrep -x -c containerd").strip() == "1"
    assert node.run("ls -d /run/migrator-carry-*").stdout == ""


def untag(node: Node) -> None:
    """Put the stores back."""
    node.do(f"docker rmi {LOCAL} >/dev/null 2>&1 || true; ctr -n k8s.io images rm {FULL} >/dev/null 2>&1 || true")


def test_an_image_is_carried_once(built: Node) -> None:
    """Under containerd's name, whole enough to run; in check mode only its size is said."""
    size = int(built.do(f"docker image inspect -f '{{{{.Size}}}}' {LOCAL}"))
    try:
        told = built.ask("carry_images", check=True, images=[LOCAL, images.BUSYBOX])
        assert told == {"changed": True, "carried": [{"image": LOCAL, "bytes": size, "why": ""}], "portions": [[LOCAL]]}
        assert FULL not in names(built)

        done = built.ask("carry_images", images=[LOCAL])

        (entry,) = done["carried"]
        assert (done["changed"], entry["image"], entry["why"]) == (True, LOCAL, "")
        assert entry["bytes"] > size
        assert FULL in names(built)
        built.do(f"ctr -n k8s.io images check name=={FULL} | grep -q complete")
        assert built.ask("carry_images", images=[LOCAL]) == {"changed": False, "carried": [], "portions": []}
    finally:
        untag(built)


def test_another_image_of_the_same_name_is_carried_again(built: Node) -> None:
    """A name is not enough."""
    try:
        built.ask("carry_images", images=[LOCAL])
        built.do(f"docker tag {images.PAUSE} {LOCAL}")

        assert [entry["image"] for entry in built.ask("carry_images", images=[LOCAL])["carried"]] == [LOCAL]
        assert built.ask("carry_images", images=[LOCAL])["changed"] is False
    finally:
        untag(built)


def test_an_image_that_docker_has_not_is_named(node: Node) -> None:
    """With Docker's words."""
    answer = node.ask("carry_images", images=["none:1"])

    assert answer["failed"] is True
    assert answer["msg"].startswith("Docker does not give none:1: ")
    assert "none:1" in answer["msg"]


def test_a_containerd_that_does_not_take_it_is_told(built: Node) -> None:
    """With its words, though it ends before all was sent."""
    built.wrap("ctr", 'case "$*" in *import*) echo no room >&2; exit 1;; esac')
    try:
        answer = built.ask("carry_images", images=[LOCAL])
        assert (answer["failed"], answer["msg"]) == (True, f"containerd does not take {LOCAL}: no room")
    finally:
        built.unwrap()
        untag(built)


def test_images_go_where_containerd_will_have_them(built: Node) -> None:
    """A containerd of our own takes them there, and leaves nothing running; the node's own is not disturbed."""
    before = built.show("containerd", "MainPID")
    try:
        done = built.ask("carry_images", images=[LOCAL], root="/data/containerd")

        assert [entry["image"] for entry in done["carried"]] == [LOCAL]
        assert built.lexists("/data/containerd/io.containerd.metadata.v1.bolt/meta.db")
        assert FULL not in names(built)
        assert built.show("containerd", "MainPID") == before
        alone(built)
        assert built.ask("carry_images", images=[LOCAL], root="/data/containerd")["changed"] is False
        assert built.ask("carry_images", check=True, images=[LOCAL], root="/data/containerd")["changed"] is True
    finally:
        built.do("rm -rf /data")
        untag(built)


def test_what_a_killed_carry_leaves_goes_with_the_next_one(built: Node) -> None:
    """Its folder below /run, whatever was in it; its containerd has ended with it."""
    place = "ls -d /run/migrator-carry-*"
    try:
        built.wrap("ctr", 'case "$*" in *import*) touch /run/driven; sleep 60;; esac')
        killed = built.begin("carry_images", {"images": [LOCAL], "root": "/data/containerd"})
        built.until("test -e /run/driven", "an image is on its way")
        assert built.run(f"{place}/containerd.sock").returncode == 0
        lose(killed)
        built.until("test $(pgrep -x -c containerd) = 1", "its containerd has ended")
        assert built.run(place).stdout.count("migrator-carry-") == 1
        built.unwrap()

        assert built.ask("carry_images", check=True, images=[LOCAL])["changed"] is True
        assert built.run(place).returncode == 0, "in check mode nothing is changed"
        assert built.ask("carry_images", images=[LOCAL])["changed"] is True
        alone(built)
    finally:
        built.do("rm -rf /data")
        untag(built)


def test_a_containerd_of_ours_that_does_not_start_is_told_at_once(built: Node) -> None:
    """It is not waited for two minutes."""
    try:
        built.wrap("containerd", "echo the store is locked >&2; exit 1")
        began = time.monotonic()
        answer = built.ask("carry_images", images=[LOCAL], root="/data/containerd")
        assert (answer["failed"], answer["msg"]) == (
            True,
            "a containerd on /data/containerd does not start: the store is locked\n",
        )
        assert time.monotonic() - began < 60
        built.unwrap()
        alone(built)
    finally:
        built.do("rm -rf /data")
        untag(built)


def test_a_node_is_inspected_before_and_after(node: Node) -> None:
    """What the inspection says of runtimes, kubelet and switches is what is there."""
    node.docker_pod()
    before = node.ask("node_facts")["node"]

    node.forth(transaction="20260101-worker-1")
    after = node.ask("node_facts")["node"]

    assert (before["problems"], after["problems"]) == ([], [])
    assert (before["docker"]["root"], before["kubelet"]["version"]) == ("/var/lib/docker", "1.20.2")
    assert before["kubelet"]["unit"]["arguments"] == [*COMMAND, *LAST]
    assert after["kubelet"]["unit"]["arguments"] == [*COMMAND, *REMOTE, *LAST]
    assert images.PAUSE not in before["containerd"]["effective"]
    assert f'sandbox_image = "{images.PAUSE}"' in after["containerd"]["effective"]
    assert (before["transactions"], before["unwritable"]) == ({}, {})
    told = after["transactions"]["20260101-worker-1"]
    assert told.pop("at") > 0
    assert told == {"source": "docker://20.10.24", "number": 1, "last": "done"}
    assert after["files"][CONFIG]["sha256"] == digest(CONFIGURED)
    assert after["files"][FLAGS]["mode"] == "0640"
