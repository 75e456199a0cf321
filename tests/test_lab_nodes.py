"""What each node of the lab is, from the environment, and what a folder of Kubernetes' programs lacks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from lab import kubeadm, machines, release
from lab.errors import LabError
from lab.release import CONTROL, ON_NODES, Release
from lab.settings import Node, Settings

ALL = (*CONTROL, *ON_NODES)


def programs(folder: Path, versions: dict[str, str], says: str = "Kubernetes") -> Path:
    """Write programs that say their versions, with the first bytes of this machine's own programs."""
    head = Path("/proc/self/exe").read_bytes()[:20]
    for name, version in versions.items():
        (folder / name).write_bytes(head)
        (folder / name).chmod(0o755)
        (folder / f"{name}.says").write_text(f"{says} {version}")
    return folder


@pytest.fixture(autouse=True)
def _speaking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have programs say what stands beside them."""

    def run(words: Sequence[str | Path], *, timeout: float) -> str:
        assert timeout
        said = Path(f"{words[0]}.says").read_text()
        return json.dumps({"clientVersion": {"gitVersion": said.split()[-1]}}) if "json" in words else said

    monkeypatch.setattr(release.shell, "run", run)


def test_a_folder_is_what_its_programs_say(tmp_path: Path) -> None:
    """A release of that version."""
    folder = programs(tmp_path, dict.fromkeys(ALL, "v1.36.3"))

    found = release.asked(folder, ALL)

    assert (found.version, found.minor, found.name) == ((1, 36, 3), (1, 36), "v1.36.3")


def test_what_a_folder_lacks_is_named(tmp_path: Path) -> None:
    """Each program, and all that are needed."""
    folder = programs(tmp_path, {"kubelet": "v1.31.0", "kubectl": "v1.31.0"})

    with pytest.raises(LabError, match="lacks the programs kubeadm, kube-proxy; it must have kubelet"):
        release.asked(folder, ON_NODES)


def test_programs_of_several_versions_are_told(tmp_path: Path) -> None:
    """With the version of each; a patch level may differ."""
    folder = programs(tmp_path, {**dict.fromkeys(ON_NODES, "v1.31.0"), "kubeadm": "v1.30.4"})
    with pytest.raises(LabError, match=r"several versions.*kubelet 1\.31\.0, kubeadm 1\.30\.4"):
        release.asked(folder, ON_NODES)


def test_another_architecture_is_told(tmp_path: Path) -> None:
    """Before anything is run."""
    folder = programs(tmp_path, dict.fromkeys(ON_NODES, "v1.31.0"))
    head = bytearray((folder / "kubeadm").read_bytes())
    head[18] ^= 0xFF
    (folder / "kubeadm").write_bytes(bytes(head))

    with pytest.raises(LabError, match="kubeadm is no program for this machine's architecture"):
        release.asked(folder, ON_NODES)


def test_a_program_that_does_not_say_its_version_is_told(tmp_path: Path) -> None:
    """With what it says instead."""
    folder = programs(tmp_path, dict.fromkeys(ON_NODES, "unknown"))

    with pytest.raises(LabError, match="kubelet does not say its version, but 'Kubernetes unknown'"):
        release.asked(folder, ON_NODES)


def test_nodes_are_what_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A word for each node in turn; what is left out is as usual: Docker until 1.23, containerd after it."""
    folder = programs(tmp_path, dict.fromkeys(ON_NODES, "v1.36.3"))
    monkeypatch.setenv("MIGRATOR_LAB_WORKERS", "4")
    monkeypatch.setenv("MIGRATOR_LAB_SUITES", "bullseye,,trixie")
    monkeypatch.setenv("MIGRATOR_LAB_RUNTIMES", ",containerd,containerd-2")
    monkeypatch.setenv("MIGRATOR_LAB_KUBELETS", f",,{folder}")

    assert [(node.suite, node.runtime, node.minor, node.dockershim) for node in Settings().nodes] == [
        ("bullseye", "docker", (1, 20), True),
        ("bookworm", "containerd", (1, 20), False),
        ("trixie", "containerd-2", (1, 36), False),
        ("bookworm", "docker", (1, 20), True),
    ]


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"MIGRATOR_LAB_SUITES": "sarge"}, "MIGRATOR_LAB_SUITES: 'sarge' is none of bullseye, bookworm"),
        ({"MIGRATOR_LAB_SUITES": "bookworm,bookworm,trixie"}, "names 3 nodes, and there are 2"),
        (
            {"MIGRATOR_LAB_RUNTIMES": "rkt"},
            "MIGRATOR_LAB_RUNTIMES: 'rkt' is none of docker, containerd, containerd-2, cri-o",
        ),
        ({"MIGRATOR_LAB_RUNTIMES": ",cri-o"}, "worker-2: CRI-O's programs .*MIGRATOR_CRIO"),
        ({"MIGRATOR_LAB_RUNTIMES": "containerd-2"}, "worker-1: containerd 2 runs on trixie only"),
        ({"MIGRATOR_KUBERNETES": "/nowhere"}, "/nowhere lacks the programs kubelet, kubeadm, kubectl, kube-proxy"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_makes_no_sense_is_told(variables: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable, its value and what is allowed."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(LabError, match=told):
        Settings()


def test_docker_needs_cri_dockerd_with_a_newer_kubelet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for, it is refused without the program, and the usual runtime with it."""
    monkeypatch.setenv("MIGRATOR_KUBERNETES", str(programs(tmp_path, dict.fromkeys(ON_NODES, "v1.24.0"))))
    monkeypatch.setenv("MIGRATOR_LAB_RUNTIMES", "docker")
    with pytest.raises(LabError, match=r"worker-1: its kubelet 1\.24 serves Docker through cri-dockerd only"):
        Settings()

    monkeypatch.setenv("MIGRATOR_CRI_DOCKERD", "/programs/cri-dockerd")
    assert [node.socket for node in Settings().nodes] == ["unix:///var/run/cri-dockerd.sock"] * 2


@pytest.mark.parametrize(
    ("node", "socket"),
    [
        (Node(1), "/var/run/dockershim.sock"),
        (Node(1, runtime="containerd"), "/run/containerd/containerd.sock"),
        (Node(1, runtime="containerd", minor=(1, 31)), "unix:///run/containerd/containerd.sock"),
        (Node(1, runtime="cri-o", minor=(1, 31)), "unix:///var/run/crio/crio.sock"),
    ],
    ids=str,
)
def test_kubeadm_is_told_the_socket(node: Node, socket: str) -> None:
    """As a URL since 1.24."""
    assert kubeadm.join_command(node)[-2:] == ["--cri-socket", socket]


@pytest.mark.parametrize(
    ("version", "api", "role", "on_v1", "admins"),
    [
        ((1, 20, 2), "v1beta2", "kubeadm:kubelet-config-1.20", "", ["admin"]),
        ((1, 22, 0), "v1beta3", "kubeadm:kubelet-config-1.22", "", ["admin"]),
        ((1, 24, 0), "v1beta3", "kubeadm:kubelet-config", "", ["admin"]),
        ((1, 29, 0), "v1beta3", "kubeadm:kubelet-config", "", ["admin", "super-admin"]),
        ((1, 36, 3), "v1beta4", "kubeadm:kubelet-config", "told", ["admin", "super-admin"]),
    ],
    ids=str,
)
def test_kubeadm_is_spoken_to_in_the_words_of_its_version(
    version: tuple[int, int, int], api: str, role: str, on_v1: str, admins: list[str]
) -> None:
    """The configuration's API, the name of a role, cgroup v1, and where an administrator's rights come from."""
    one = Release(Path(), version)

    text = kubeadm.config(one, Path("/pki"), "unix:///run/containerd/containerd.sock")

    assert text.count(f"kubeadm.k8s.io/{api}\n") == 2
    assert ("failCgroupV1: false" in text) == bool(on_v1)
    assert (kubeadm.kubelet_role(one), kubeadm.admins(one)) == (role, admins)


def test_nodes_of_another_debian_have_to_be_containers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guests boot the usual one only, and why they are guests is said."""
    monkeypatch.setenv("MIGRATOR_LAB_SUITES", "trixie")
    monkeypatch.setenv("MIGRATOR_LAB_NODES", "guest")

    with pytest.raises(LabError, match="nodes of trixie have to be containers, and here they are guests: MIGRATOR_LAB"):
        machines.kind(Settings())
