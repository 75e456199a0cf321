"""Each check finds what it is for, and nothing on a healthy node."""

from __future__ import annotations

import pytest

from migrator.model.facts import CniFacts, ContainerdFacts
from migrator.model.objects import Budget
from migrator.model.plan import Severity
from migrator.planning import checks
from migrator.planning.situation import Situation
from tests.fakes import values
from tests.fakes.values import facts, node, pod, situation


def kubelet(**update: object) -> object:
    """Give facts with another kubelet."""
    return facts(kubelet=facts().kubelet.model_copy(update=update))


def docker(**update: object) -> object:
    """Give facts with another Docker."""
    return facts(docker=facts().docker.model_copy(update=update))


def budget(name: str, **update: object) -> Budget:
    """Give a budget for pods with the label app=web."""
    plain = Budget(namespace="shop", name=name, match_labels={"app": "web"}, disruptions_allowed=1)
    return plain.model_copy(update=update)


WARN, BLOCK, INFORM = Severity.WARNS, Severity.BLOCKS, Severity.INFORMS
NO_PLUGIN = ("--config=/var/lib/kubelet/config.yaml",)
CASES = {
    "another machine": (situation(facts=facts(machine_id="f" * 32)), "wrong-machine", BLOCK),
    "control plane": (situation(node=node(control_plane=True)), "control-plane", BLOCK),
    "not Docker": (situation(node=node(runtime="cri-o://1.20.0")), "source-runtime", BLOCK),
    "cri-dockerd": (situation(facts=kubelet(version="1.24.0")), "cri-dockerd", BLOCK),
    "NotReady": (situation(node=node(ready=False)), "node-not-ready", BLOCK),
    "kubelet stopped": (situation(facts=kubelet(active=False)), "kubelet-stopped", BLOCK),
    "Docker stopped": (situation(facts=facts(docker=None)), "docker-stopped", BLOCK),
    "no systemd": (situation(facts=facts(systemd=False)), "no-systemd", BLOCK),
    "containerd 2 with an old kubelet": (situation(facts=facts(containerd=ContainerdFacts(version="2.1.0"))), "cri-version", BLOCK),
    "containerd too old": (situation(facts=facts(containerd=ContainerdFacts(version="1.2.13"))), "runtime-version", BLOCK),
    "no containerd": (situation(facts=facts(containerd=ContainerdFacts(version=""))), "runtime-install", INFORM),
    "containerd config broken": (situation(facts=facts(files=values.files(containerd="x = ["))), "unreadable-file", BLOCK),
    "kubelet config broken": (situation(facts=facts(files=values.files(config="a: [\n"))), "unreadable-file", BLOCK),
    "credentials": (
        situation(facts=facts(files=values.files(containerd='version = 2\n[plugins.x.auth]\npassword = "p"\n'))),
        "containerd-credentials", BLOCK,
    ),
    "a flag from nowhere": (
        situation(facts=kubelet(arguments=("--network-plugin=cni", "--docker-endpoint=unix:///x"))), "kubelet-flags", BLOCK,
    ),
    "not kubeadm": (
        situation(facts=kubelet(arguments=()).model_copy(update={"files": values.files(kubeadm_env="")})), "kubelet-layout", BLOCK,
    ),
    "no CNI plugin flag": (situation(facts=kubelet(arguments=NO_PLUGIN)), "no-cni", BLOCK),
    "no CNI configuration": (situation(facts=facts(cni=CniFacts())), "no-cni", BLOCK),
    "a CNI plugin missing": (
        situation(facts=facts(cni=CniFacts(config="a", plugins=("bridge", "calico"), folders={"/b": ("bridge",)}))), "cni-plugins", BLOCK,
    ),
    "mirrors in daemon.json": (
        situation(facts=facts(files=values.files(daemon='{"registry-mirrors": ["https://m"]}'))), "docker-settings", BLOCK,
    ),
    "daemon.json broken": (situation(facts=facts(files=values.files(daemon="{\n'a'}"))), "unreadable-file", BLOCK),
    "containerd image store": (situation(facts=docker(containerd_store=True)), "docker-image-store", BLOCK),
    "drivers differ": (situation(facts=docker(cgroup_driver="cgroupfs")), "cgroup-driver", BLOCK),
    "docker.sock": (situation(pods=(pod("ci", host_paths=("/var/run/docker.sock",)),)), "docker-socket-mounts", BLOCK),
    "a parent of docker.sock": (situation(pods=(pod("ci", host_paths=("/var/run",)),)), "docker-socket-mounts", BLOCK),
    "the whole host": (situation(pods=(pod("ci", host_paths=("/",)),)), "docker-socket-mounts", BLOCK),
    "a folder inside Docker's": (
        situation(pods=(pod("log", host_paths=("/var/lib/docker/containers",)),)), "docker-socket-mounts", BLOCK,
    ),
    "a foreign container": (situation(), "foreign-containers", INFORM),
    "an emptyDir": (situation(pods=(pod("cache", empty_dirs=("data",)),)), "local-storage", BLOCK),
    "a bare pod": (situation(pods=(pod("toolbox", owner=""),)), "unmanaged-pods", BLOCK),
    "an exhausted budget": (situation(budgets=(budget("b", disruptions_allowed=0),)), "budget-exhausted", WARN),
    "two budgets on a pod": (situation(budgets=(budget("b"), budget("c"))), "several-budgets", BLOCK),
}  # fmt: skip


@pytest.mark.parametrize(("now", "check", "severity"), CASES.values(), ids=CASES)
def test_a_danger_has_a_name(now: Situation, check: str, severity: Severity) -> None:
    """The check of that id fires with that severity, and says what to do."""
    found = {finding.id: finding for finding in checks.findings(now)}

    assert check in found, f"only {sorted(found)}"
    assert found[check].severity is severity
    assert found[check].evidence
    assert found[check].remedy


def test_a_healthy_node_is_not_accused() -> None:
    """Nothing blocks the node that the lab's workers are like."""
    assert [finding for finding in checks.findings(situation()) if finding.severity is not INFORM] == []


HARMLESS = {
    "a mount beside Docker's": pod("log", host_paths=("/var/log",)),
    "a finished pod with an emptyDir": pod("job", empty_dirs=("tmp",), phase="Succeeded"),
    "a finished bare pod": pod("once", owner="", phase="Failed"),
    "a static pod": pod("edge", owner="", mirror=True),
    "a DaemonSet's pod with an emptyDir": pod("agent", owner="DaemonSet/agent", empty_dirs=("tmp",)),
}


@pytest.mark.parametrize("harmless", HARMLESS.values(), ids=HARMLESS)
def test_harmless_pods_block_nothing(harmless: object) -> None:
    """Pods that a drain leaves, or that ended, need no consent."""
    assert not [finding for finding in checks.findings(situation(pods=(harmless,))) if finding.severity is BLOCK]


@pytest.mark.parametrize("check", sorted(checks.waivable_ids()))
def test_every_waivable_check_can_be_waived_alone(check: str) -> None:
    """`--allow <id>` turns exactly this check into a warning."""
    now = next(now for now, identity, _ in CASES.values() if identity == check)
    allowed = now.model_copy(update={"allow": frozenset({check})})

    severities = {finding.id: finding.severity for finding in checks.findings(allowed)}

    assert severities[check] is WARN


def test_the_right_machine_cannot_be_waived() -> None:
    """No consent makes it right to switch another machine than the drained one."""
    now, check, _ = CASES["another machine"]
    allowed = now.model_copy(update={"allow": frozenset({check})})

    assert next(finding for finding in checks.findings(allowed) if finding.id == check).severity is BLOCK


def test_daemon_json_errors_name_the_line() -> None:
    """A broken daemon.json is named with the line of the mistake."""
    now, check, _ = CASES["daemon.json broken"]

    finding = next(finding for finding in checks.findings(now) if finding.id == check)

    assert "/etc/docker/daemon.json, line 2" in finding.evidence
