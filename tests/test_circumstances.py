"""What must hold for pods of a node, read off the facts of an inspection."""

from __future__ import annotations

from typing import Any

import pytest

from migrator.model.evidence import Via
from migrator.model.facts import NodeFacts
from migrator.planning.node_profile import circumstances
from tests.fakes import values
from tests.fakes.values import docker, facts, kubelet

DOCKER, CONTAINERD, CRIO = "docker://20.10.24", "containerd://1.6.20", "cri-o://1.24.6"


def told(*flags: str, config: str = "", **update: Any) -> NodeFacts:
    """Give the facts of a node whose kubelet has more flags, and this configuration."""
    arguments = (*kubelet().unit.arguments, *flags)
    files = values.files(config=config) if config else values.files()
    return facts(**{"kubelet": kubelet(arguments=arguments), "files": files, **update})


def test_a_healthy_node() -> None:
    """Everything that the facts tell is in it, and what only a session can know is not."""
    found = circumstances(facts(), "worker-1", CONTAINERD)

    assert found.model_dump(exclude_defaults=True) == {
        "node": "worker-1",
        "via": Via.KUBELET,
        "runtime": "containerd",
        "runtime_version": "1.6.20",
        "socket": "/run/containerd/containerd.sock",
        "low_level": "runc",
        "low_level_version": "1.1.5",
        "kubelet_version": "1.20.2",
        "cgroup_driver": "systemd",
        "architecture": "x86_64",
        "security_modules": ("apparmor",),
        "cni": "10-lab.conflist",
        "elsewhere": ("docker: k8s_web",),
    }


FLAG = "--container-runtime-endpoint=unix://"
# facts, runtime as the Node reports it, path of the socket
SOCKETS: dict[str, tuple[NodeFacts, str, str]] = {
    "docker": (facts(), DOCKER, "/var/run/dockershim.sock"),
    "containerd": (facts(), CONTAINERD, "/run/containerd/containerd.sock"),
    "CRI-O": (facts(), CRIO, "/var/run/crio/crio.sock"),
    "cri-dockerd": (told(f"{FLAG}/run/cri-dockerd.sock"), DOCKER, "/run/cri-dockerd.sock"),
    "another place": (told(f"{FLAG}/run/k3s/containerd/containerd.sock"), CONTAINERD, "/run/k3s/containerd/containerd.sock"),
    "without its scheme": (told("--container-runtime-endpoint=/run/x.sock"), CONTAINERD, "/run/x.sock"),
    "in the configuration": (told(config="containerRuntimeEndpoint: unix:///run/y.sock\n"), CONTAINERD, "/run/y.sock"),
    "a runtime that is unknown": (facts(), "rkt://1.30", ""),
}  # fmt: skip


@pytest.mark.parametrize(("known", "runtime", "path"), SOCKETS.values(), ids=SOCKETS)
def test_the_socket_is_the_kubelets(known: NodeFacts, runtime: str, path: str) -> None:
    """What it was told by flag or configuration; else where it looks by itself."""
    found = circumstances(known, "n", runtime)

    assert (found.socket, f"{found.runtime}://{found.runtime_version}") == (path, runtime)


BOTH = {"/usr/bin/crun": "1.8", "/usr/sbin/runc": "1.1.5"}
# facts, runtime, low-level runtime with its version
LOW_LEVEL: dict[str, tuple[NodeFacts, str, tuple[str, str]]] = {
    "runc": (facts(), CONTAINERD, ("runc", "1.1.5")),
    "runc before crun": (facts(low_level=BOTH), CONTAINERD, ("runc", "1.1.5")),
    "crun alone": (facts(low_level={"/usr/bin/crun": "1.8"}), CRIO, ("crun", "1.8")),
    "Docker's default": (facts(low_level=BOTH, docker=docker(default_runtime="crun")), DOCKER, ("crun", "1.8")),
    "Docker's default is not the new one's": (facts(low_level=BOTH, docker=docker(default_runtime="crun")), CONTAINERD, ("runc", "1.1.5")),
    "none is known": (facts(low_level={"/opt/kata": "3.0"}), CONTAINERD, ("", "")),
    "Docker is gone": (facts(docker=None), DOCKER, ("runc", "1.1.5")),
}  # fmt: skip


@pytest.mark.parametrize(("known", "runtime", "expected"), LOW_LEVEL.values(), ids=LOW_LEVEL)
def test_the_low_level_runtime_is_the_default_one(known: NodeFacts, runtime: str, expected: tuple[str, str]) -> None:
    """That which a container gets without a runtime class; "" where none that we know is there."""
    found = circumstances(known, "n", runtime)

    assert (found.low_level, found.low_level_version) == expected


# what the kubelet is told, field, value
OPTIONS: dict[str, tuple[NodeFacts, str, object]] = {
    "driver in the configuration": (told(config="cgroupDriver: systemd\n"), "cgroup_driver", "systemd"),
    "driver by flag": (told("--cgroup-driver=cgroupfs"), "cgroup_driver", "cgroupfs"),
    "no driver": (told(config="kind: KubeletConfiguration\n"), "cgroup_driver", "cgroupfs"),
    "processes by flag": (told("--pod-max-pids=256"), "pods_limit", 256),
    "processes in the configuration": (told(config="podPidsLimit: 4096\n"), "pods_limit", 4096),
    "no limit of processes": (told(config="podPidsLimit: -1\n"), "pods_limit", 0),
    "no such number": (told("--pod-max-pids=many"), "pods_limit", 0),
    "profile by flag": (told("--seccomp-default=true"), "seccomp_default", "RuntimeDefault"),
    "profile by a bare flag": (told("--seccomp-default", config="seccompDefault: false\n"), "seccomp_default", "RuntimeDefault"),
    "no profile by flag": (told("--seccomp-default=F", config="seccompDefault: true\n"), "seccomp_default", ""),
    "profile in the configuration": (told(config="seccompDefault: true\n"), "seccomp_default", "RuntimeDefault"),
    "no profile": (told(config="seccompDefault: false\n"), "seccomp_default", ""),
    "quotas": (told(), "cpu_quota", True),
    "no quotas by flag": (told("--cpu-cfs-quota=false"), "cpu_quota", False),
    "no quotas, as Go reads it": (told("--cpu-cfs-quota=0"), "cpu_quota", False),
    "no quotas in the configuration": (told(config="cpuCFSQuota: false\n"), "cpu_quota", False),
    "root by flag": (told("--cgroup-root=/kube/"), "cgroup_root", "kube"),
    "root in the configuration": (told(config="cgroupRoot: /a/b\n"), "cgroup_root", "a/b"),
    "the whole tree": (told(config="cgroupRoot: /\n"), "cgroup_root", ""),
}  # fmt: skip


@pytest.mark.parametrize(("known", "field", "value"), OPTIONS.values(), ids=OPTIONS)
def test_what_the_kubelet_is_told_counts(known: NodeFacts, field: str, value: object) -> None:
    """A flag counts before the configuration, and nothing said is the kubelet's own default."""
    assert getattr(circumstances(known, "n", CONTAINERD), field) == value


# facts, runtime, containers that it does not run
ELSEWHERE: dict[str, tuple[NodeFacts, str, tuple[str, ...]]] = {
    "Docker's, where the kubelet uses Docker": (facts(), DOCKER, ()),
    "Docker's, where it uses another": (facts(), CRIO, ("docker: k8s_web",)),
    "containerd's, where it uses Docker": (facts(containerd=values.containerd(containers=3)), DOCKER, ("containerd: 3 containers",)),
    "containerd's, where it uses that": (facts(docker=None, containerd=values.containerd(containers=3)), CONTAINERD, ()),
    "none": (facts(docker=None), CRIO, ()),
}  # fmt: skip


@pytest.mark.parametrize(("known", "runtime", "names"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_containers_that_the_kubelet_does_not_see_are_named(
    known: NodeFacts, runtime: str, names: tuple[str, ...]
) -> None:
    """Those of Kubernetes, that run in another runtime than the kubelet's."""
    assert circumstances(known, "n", runtime).elsewhere == names


def test_a_configuration_that_is_not_yaml_is_told() -> None:
    """With its path: nothing is guessed."""
    with pytest.raises(ValueError, match="/var/lib/kubelet/config.yaml"):
        circumstances(told(config="a: [\n"), "n", CONTAINERD)
