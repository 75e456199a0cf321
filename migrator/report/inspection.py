"""What was read of hosts, for a terminal: a few lines each. The JSON form has everything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from migrator.model.facts import DockerFacts, NodeFacts, UnitFacts
from migrator.model.kubernetes import ClusterFacts, Node
from migrator.model.observation import Observation
from migrator.report.escape import visible


def text(seen: Sequence[Observation], cluster: ClusterFacts) -> str:
    """Give a block for each host, and a line about the cluster when it was asked."""
    nodes = {node.name: node for node in cluster.nodes}
    blocks = ["\n".join(_host(entry, nodes.get(entry.node))) for entry in seen]
    if cluster.nodes:
        blocks.append(
            f"Cluster: {len(cluster.nodes)} nodes, {len(cluster.pods)} pods, {len(cluster.budgets)} disruption budgets,"
            f" {len(cluster.runtime_classes)} runtime classes, {len(cluster.daemon_sets)} DaemonSets with host paths."
        )
    return "\n\n".join(blocks)


def _host(entry: Observation, node: Node | None) -> Iterator[str]:
    if entry.facts is None:
        yield visible(entry.host)
        yield f"  ✗ cannot be read: {visible(entry.problem)}"
        return
    runtime = visible(node.runtime) if node else "the cluster was not asked, or has no such Node"
    yield f"{visible(entry.host)}: {runtime}"
    for what, line in _lines(entry.facts):
        if line:
            yield f"  {what:<12} {visible(line)}"


def _lines(facts: NodeFacts) -> Iterator[tuple[str, str]]:
    host = facts.host
    yield "host", f"{host.os}, kernel {host.kernel} {host.architecture}, cgroup {host.cgroup}"
    yield (
        "kubelet",
        f"{facts.kubelet.version or 'none'}, {_state(facts.kubelet.unit)}, set up by {facts.kubelet.installation}",
    )
    yield "Docker", _docker(facts.docker) if facts.docker else facts.docker_problem or "none"
    yield "cri-dockerd", facts.cri_dockerd.version if facts.cri_dockerd else ""
    containerd = facts.containerd
    cri = f", CRI plugin {containerd.cri}" if containerd.cri else ""
    yield "containerd", f"{containerd.version}, {_state(containerd.unit)}{cri}" if containerd.version else "none"
    yield "CRI-O", f"{facts.crio.version}, {_state(facts.crio.unit)}" if facts.crio else ""
    yield "low level", ", ".join(f"{path} {version}" for path, version in sorted(facts.low_level.items()))
    yield "network", f"{facts.cni.config or 'no configuration'} ({', '.join(facts.cni.plugins)})"
    yield (
        "disks",
        "; ".join(f"{disk.path} {disk.free / 1e9:.1f} of {disk.size / 1e9:.1f} GB free" for disk in host.disks),
    )
    yield "credentials", ", ".join(f"{entry.path} ({', '.join(entry.registries)})" for entry in facts.credentials)
    yield "certificates", ", ".join(sorted({entry.registry for entry in facts.certificates}))
    yield (
        "packages",
        ", ".join(f"{entry.name} {entry.version}{' (held)' if entry.held else ''}" for entry in facts.packages),
    )
    yield "leftovers", ", ".join(facts.leftovers)


def _state(unit: UnitFacts) -> str:
    return f"{'runs' if unit.active else 'does not run'}{'' if unit.enabled else ', not enabled'}"


def _docker(docker: DockerFacts) -> str:
    pods = sum(bool(entry.pod_uid) for entry in docker.containers)
    size = sum(image.size for image in docker.images)
    return (
        f"{docker.version}, {docker.root} ({docker.storage_driver}), cgroup driver {docker.cgroup_driver}; "
        f"{len(docker.containers)} containers, {pods} of them Kubernetes'; "
        f"{len(docker.images)} images, {size / 1e6:.0f} MB"
    )
