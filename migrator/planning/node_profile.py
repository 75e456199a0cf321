"""What is right on a node, from the facts of an inspection."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.model.evidence import NodeProfile, Via
from migrator.model.facts import NodeFacts
from migrator.nodeconf import kubelet
from migrator.planning.inputs import NodeInputs
from migrator.runtimes.registry import of_scheme, sources

_LOW_LEVEL = ("runc", "crun")


def circumstances(facts: NodeFacts, node: str, runtime: str) -> NodeProfile:
    """Say what holds for pods of a node's kubelet. `runtime` is what the Node reports, as "containerd://1.6.20".

    Raises `ValueError` when the kubelet's configuration is not YAML.
    """
    name, _, version = runtime.partition("://")
    limit = kubelet.option(facts, "--pod-max-pids", "podPidsLimit") or "-1"
    seccomp = kubelet.enabled(facts, "--seccomp-default", "seccompDefault", default=False)
    low_level, low_level_version = _low_level(facts, name)
    return NodeProfile(
        node=node,
        via=Via.KUBELET,
        runtime=name,
        runtime_version=version,
        socket=_socket(facts, name),
        low_level=low_level,
        low_level_version=low_level_version,
        kubelet_version=facts.kubelet.version,
        cgroup=facts.host.cgroup,
        cgroup_driver=kubelet.cgroup_driver(facts),
        cgroup_root=kubelet.option(facts, "--cgroup-root", "cgroupRoot").strip("/"),
        pods_limit=max(0, int(limit)) if limit.lstrip("-").isdigit() else 0,
        cpu_quota=kubelet.enabled(facts, "--cpu-cfs-quota", "cpuCFSQuota", default=True),
        architecture=facts.host.architecture,
        security_modules=facts.host.security_modules,
        seccomp_default="RuntimeDefault" if seccomp else "",
        cni=facts.cni.config,
        elsewhere=tuple(_elsewhere(facts, name)),
    )


def known(situation: NodeInputs) -> NodeProfile | None:
    """Say the same of a node as it is; None where its files cannot be read: the checks say which, and block."""
    try:
        return circumstances(situation.facts, situation.node.name, situation.node.runtime)
    except ValueError:
        return None


def _elsewhere(facts: NodeFacts, runtime: str) -> Iterator[str]:
    """Name containers that the kubelet neither sees nor ends, because it uses another runtime now."""
    for other in sources():
        if other.scheme != runtime:
            yield from other.kubernetes_containers(facts)


def _socket(facts: NodeFacts, runtime: str) -> str:
    """Give the path that the kubelet was told, else the one that it takes by itself (kubelet 1.20.2, 1.24)."""
    told = kubelet.option(facts, "--container-runtime-endpoint", "containerRuntimeEndpoint")
    if told:
        return told.removeprefix("unix://")
    own = of_scheme(runtime)
    return own.socket if own else ""


def _low_level(facts: NodeFacts, runtime: str) -> tuple[str, str]:
    """Name the low-level runtime that containers get by default, with its version; "" for what is not known."""
    own = of_scheme(runtime)
    wanted = own.low_level(facts) if own else _LOW_LEVEL[0]
    found = {path.rpartition("/")[2]: version for path, version in facts.low_level.items()}
    for name in (wanted, *_LOW_LEVEL):
        if name in found:
            return name, found[name]
    return "", ""
