"""Whether a node has a part of the control plane, by what runs on it: with a lost label etcd would be stopped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from migrator.model.facts import NodeFacts
from migrator.model.kubernetes import Node, Pod
from migrator.model.plan import Finding
from migrator.planning.addresses import parsed
from migrator.planning.checks.findings import found, listed
from migrator.planning.image_names import last_part
from migrator.planning.inputs import NodeInputs, Translation

_COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
"""Without the node's proxy: it runs on workers too, in places as a static pod (roles/inspect has the same list)."""
_ANY = "|".join(_COMPONENTS)
_IMAGE = re.compile(rf"(?:{_ANY})(?:-manager)?(?:-(?:amd64|arm64|arm|ppc64le|s390x))?")
_POD = re.compile(rf"(?:.+-)?(?:{_ANY})(?:-manager(?:-\w+)?|-server|-main|-events|-\d+)?")
"""Names of static pods, of kubeadm, kops (etcd-manager-main) and OpenShift (openshift-kube-scheduler)."""


def worker(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """Control-plane nodes are left out until a control plane in the lab proves them."""
    reasons = known_by(now.facts, now.node, now.pods, now.fleet.api_servers)
    if reasons:
        yield found(
            "control-plane",
            f"{now.node.name} is a control-plane node, known by {'; '.join(reasons)}",
            "leave it out: only workers yet",
        )


def known_by(facts: NodeFacts, node: Node, pods: Iterable[Pod], api_servers: Iterable[str]) -> tuple[str, ...]:
    """Say what tells that a node has a part of the control plane; nothing for a worker.

    `api_servers` are the addresses behind the service default/kubernetes. The node's own list of addresses counts and
    not all of the host's, which may have addresses of services on it (kube-proxy with IPVS).
    """
    mirrors = [pod.full_name for pod in pods if pod.mirror and _controls(pod, node.name)]
    parts = [f"{part.name} ({part.where})" for part in facts.control_plane]
    answering = parsed(node.addresses) & parsed(api_servers)
    reasons = {
        "its Node's labels": node.control_plane,
        f"static pods: {listed(mirrors)}": mirrors,
        f"what its host runs: {listed(parts)}": parts,
        f"an address of the API server's: {listed(map(str, answering))}": answering,
    }
    return tuple(reason for reason, holds in reasons.items() if holds)


def _controls(pod: Pod, node: str) -> bool:
    """Tell whether a static pod is a part of the control plane, by its labels, its name or its images."""
    component = pod.labels.get("component", "")
    if component in _COMPONENTS or (pod.labels.get("tier") == "control-plane" and component != "kube-proxy"):
        return True
    names = map(last_part, pod.images)
    return bool(_POD.fullmatch(pod.name.removesuffix(f"-{node}"))) or any(map(_IMAGE.fullmatch, names))
