"""What the witness finds of removed containers, and what it must not take for theirs."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from tests.witness_parts import put

base: Any = importlib.import_module("witness_base")
remains: Any = importlib.import_module("witness_remains")

ID, OTHER = "ab12cd34ef56" + "07" * 26, "ab12cd34ef99" + "07" * 26
UID, OTHER_UID = "11111111-2222-3333-4444-555555555555", "11111111-2222-3333-4444-555555555556"
MOUNTED = "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
ASKED = {
    "ids": [ID], "uids": [UID], "netns": [4026532999], "interfaces": ["veth1234"], "addresses": ["10.1.0.5"], "words": ["probe-77777"],
}  # fmt: skip


def mounts(*lines: str) -> dict[str, str]:
    """Give what is mounted, the same for everybody."""
    text = MOUNTED + "".join(line + "\n" for line in lines)
    return {"/proc/self/mountinfo": text, "/proc/1/mountinfo": text}


def left(root: Path, files: dict[str, str], **asked: Any) -> list[tuple[str, str]]:
    """Ask what is left on a host with these files."""
    place = put(root, {**mounts(), **files})
    return [(entry["kind"], entry["what"]) for entry in remains.left(**{**ASKED, **asked}, at=place)]


OURS: dict[str, tuple[dict[str, str], list[tuple[str, str]]]] = {
    "nothing": ({}, []),
    "a container's cgroup": (
        {f"/sys/fs/cgroup/kubepods/x/{ID}/memory.max": ""}, [("cgroup", f"/kubepods/x/{ID}")],
    ),
    "a pod's cgroup, once": (
        {f"/sys/fs/cgroup/kubepods.slice/kubepods-pod{UID.replace('-', '_')}.slice/crio-{ID}.scope/x": ""},
        [("cgroup", f"/kubepods.slice/kubepods-pod{UID.replace('-', '_')}.slice")],
    ),
    "a process": (
        {"/proc/7/cgroup": f"0::/a/cri-containerd-{ID}.scope\n", "/proc/7/comm": "probe\n"}, [("process", "7 probe")],
    ),
    "a shim": (
        {"/proc/7/cgroup": "0::/system.slice\n", "/proc/7/cmdline": f"/usr/bin/containerd-shim-runc-v2\0-id\0{ID}\0"}, [("process", "7")],
    ),
    "a monitor": (
        {"/proc/7/cgroup": "0::/x\n", "/proc/7/cmdline": f"/usr/bin/conmon\0-c\0{ID}\0"}, [("process", "7")],
    ),
    "an interface": ({"/sys/class/net/veth1234/ifindex": "9"}, [("interface", "veth1234")]),
    "a mounted namespace": (
        mounts("50 27 0:4 net:[4026532999] /run/netns/cni-1 rw - nsfs nsfs rw"), [("netns", "/run/netns/cni-1")],
    ),
    "a root filesystem": (
        mounts(f"50 27 0:4 / /run/containerd/x/{ID}/rootfs rw - overlay overlay rw"), [("mount", f"/run/containerd/x/{ID}/rootfs")],
    ),
    "a mount by our word": (mounts("50 27 0:4 / /mnt rw - tmpfs probe-77777 rw"), [("mount", "/mnt")]),
    "a reservation by id": (
        {"/var/lib/cni/networks/n/10.1.0.9": f"{ID}\r\neth0"}, [("address", "/var/lib/cni/networks/n/10.1.0.9")],
    ),
    "a reservation in a folder of its own": (
        {"/etc/cni/net.d/1.conf": '{"ipam": {"dataDir": "/run/ipam"}}', "/run/ipam/n/fd00::5": f"{ID}\neth0"},
        [("address", "/run/ipam/n/fd00::5")],
    ),
    "a reservation that names nobody": (
        {"/var/lib/cni/networks/n/10.1.0.5": ""}, [("address", "/var/lib/cni/networks/n/10.1.0.5")],
    ),
    "logs": (
        {f"/var/log/pods/ns_pod_{UID}/one/0.log": "", f"/var/log/containers/p_ns_one-{ID}.log": ""},
        [("log", f"/var/log/pods/ns_pod_{UID}"), ("log", f"/var/log/containers/p_ns_one-{ID}.log")],
    ),
    "a runtime's state": (
        {f"/run/containerd/io.containerd.runtime.v2.task/k8s.io/{ID}/config.json": ""},
        [("state", f"/run/containerd/io.containerd.runtime.v2.task/k8s.io/{ID}")],
    ),
    "a shortened name": ({f"/run/docker/netns/{ID[:12]}": ""}, [("netns", f"/run/docker/netns/{ID[:12]}")]),
    "a pod's folder": ({f"/var/lib/kubelet/pods/{UID}/etc-hosts": ""}, [("state", f"/var/lib/kubelet/pods/{UID}")]),
}  # fmt: skip


@pytest.mark.parametrize(("files", "expected"), OURS.values(), ids=OURS)
def test_what_names_them_is_found(tmp_path: Path, files: dict[str, str], expected: list[tuple[str, str]]) -> None:
    """Each kind of thing, once."""
    assert left(tmp_path, files) == expected


@pytest.mark.parametrize(
    "target", ["/run/containers/{}/userdata", "../containers/{}/userdata"], ids=["whole", "relative"]
)
def test_a_link_to_nothing_is_called_one(tmp_path: Path, target: str) -> None:
    """While its target is there it is state like any other."""
    link = tmp_path / f"run/crio/{ID}"
    link.parent.mkdir(parents=True)
    link.symlink_to(target.format("gone"))
    assert left(tmp_path, {}) == [("state", f"/run/crio/{ID} (a link to nothing)")]

    (tmp_path / "run/containers/gone/userdata").mkdir(parents=True)
    assert left(tmp_path, {}) == [("state", f"/run/crio/{ID}")]


THEIRS: dict[str, dict[str, str]] = {
    "another id that begins alike": {f"/sys/fs/cgroup/kubepods/{OTHER}/x": "", f"/run/containerd/{OTHER}/x": ""},
    "too short a beginning": {f"/run/docker/{ID[:11]}/x": ""},
    "a longer name with ours in it": {f"/run/containerd/{ID}0/x": "", f"/run/containerd/0{ID}/x": ""},
    "another pod": {f"/sys/fs/cgroup/kubepods/pod{OTHER_UID}/x": "", f"/var/log/pods/n_p_{OTHER_UID}/0.log": ""},
    "a word in a word": {"/run/containerd/probe-777777/x": "", "/run/containerd/xprobe-77777/x": ""},
    "an operator's command": {"/proc/9/cgroup": "0::/user.slice\n", "/proc/9/cmdline": f"crictl\0inspect\0{ID}\0"},
    "our address, given anew": {"/var/lib/cni/networks/n/10.1.0.5": f"{OTHER}\r\neth0"},
    "an address that begins alike": {"/var/lib/cni/networks/n/10.1.0.55": ""},
    "what host-local keeps besides": {"/var/lib/cni/networks/n/last_reserved_ip.0": "10.1.0.5", "/var/lib/cni/networks/n/lock": ""},
    "an interface that begins alike": {"/sys/class/net/veth12345/ifindex": "9"},
    "a mount that is named alike": mounts("50 27 0:4 / /mnt rw - tmpfs probe-777777 rw"),
    "another namespace": mounts("50 27 0:4 net:[40265329990] /run/netns/cni-1 rw - nsfs nsfs rw"),
}  # fmt: skip


@pytest.mark.parametrize("files", THEIRS.values(), ids=THEIRS)
def test_what_others_have_is_not_ours(tmp_path: Path, files: dict[str, str]) -> None:
    """A name counts whole, or by twelve digits and more of its beginning."""
    assert left(tmp_path, files) == []


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/init", [("netns", "net:[4026532999] of process 7")]), (f"/kubepods/{OTHER}", [])],
    ids=["nobody's process", "another container's"],
)
def test_a_namespaces_number_is_given_again(tmp_path: Path, path: str, expected: list[tuple[str, str]]) -> None:
    """The kernel does that at once: with another container's processes in it, it is that one's."""
    (tmp_path / "proc/7/ns").mkdir(parents=True)
    (tmp_path / "proc/7/ns/net").symlink_to("net:[4026532999]")
    mounted = mounts("50 27 0:4 net:[4026532999] /run/netns/cni-1 rw - nsfs nsfs rw") if not expected else {}

    assert left(tmp_path, {"/proc/7/cgroup": f"0::{path}\n", **mounted}) == expected


def test_the_hosts_own_network_is_nothing_left(tmp_path: Path) -> None:
    """A container of the host network was in it, and everybody else is."""
    (tmp_path / "proc/self/ns").mkdir(parents=True)
    (tmp_path / "proc/self/ns/net").symlink_to("net:[4026532999]")

    assert left(tmp_path, mounts("50 27 0:4 net:[4026532999] /run/netns/host rw - nsfs nsfs rw")) == []


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ({"ids": ["web"]}, "'web' is not a container id"),
        ({"uids": ["1"]}, "'1' is not a pod's UID"),
        ({"words": ["probe"]}, "'probe' is not a name of eight signs or more"),
    ],
)
def test_names_that_could_be_anybodys_are_refused(tmp_path: Path, asked: dict[str, list[str]], complaint: str) -> None:
    """Nothing found for a name like that would prove nothing, and something found might be somebody else's."""
    with pytest.raises(base.WitnessError, match=complaint):
        left(tmp_path, {}, **asked)
    assert left(tmp_path, {}, ids=[""], uids=[""], words=[""], netns=["", 0]) == []
