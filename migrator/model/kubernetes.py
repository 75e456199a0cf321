"""What the API server says of the cluster: nodes, pods, the budgets that protect them, and who reaches into hosts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from migrator.model.base import Value

CORDONED = "migrator/cordoned"
"""Annotation of a Node that we have cordoned, so that a later run can tell our cordon from somebody else's."""
PROBES = re.compile(r"migrator-probe-[0-9a-f]{8}")
"""Namespaces of our own probe pods."""
PROGRESS = "migrator/progress"
"""Annotation of a Node that a run is at work on, or that it failed on: the step, and since when."""
_SET = "ReplicaSet/"
_OF_SEVERAL = tuple(f"{kind}{end}" for kind in ("ReplicaSet", "ReplicationController", "StatefulSet") for end in "/.")
"""How owners of these kinds begin, whatever their group."""
_TEMPLATE = "pod-template-hash"
"""Label of a Deployment's pods (k8s.io/api/apps/v1, DefaultDeploymentUniqueLabelKey)."""
CRI_SOCKET = "kubeadm.alpha.kubernetes.io/cri-socket"
"""Node annotation that `kubeadm upgrade` and `kubeadm reset` read (kubeadm 1.20.2 constants.go)."""


NO_SCALE_DOWN = "cluster-autoscaler.kubernetes.io/scale-down-disabled"
"""Node annotation that keeps the autoscaler from removing it (kubernetes/autoscaler, cluster-autoscaler/FAQ.md)."""
NO_DISRUPTION = "karpenter.sh/do-not-disrupt"
"""Likewise for Karpenter (its docs, Disruption)."""
MACHINES = ("cluster.x-k8s.io/machine", "machine.openshift.io/machine")
"""Node annotations that name the Machine which a node was made from (cluster-api api/core, machine-api-operator)."""


class Node(Value):
    """A Node of the cluster."""

    name: str
    machine_id: str
    runtime: str
    """`status.nodeInfo.containerRuntimeVersion`, for example "docker://20.10.24"."""
    kubelet_version: str
    ready: bool
    unschedulable: bool
    heartbeat: str = ""
    """When the kubelet last reported the node's condition, by its own clock (RFC 3339)."""
    zone: str = ""
    """Where it stands, by its label; "" when it has none."""
    control_plane: bool = False
    """Whether its labels say so."""
    addresses: tuple[str, ...] = ()
    annotations: Mapping[str, str] = {}
    pressures: tuple[str, ...] = ()
    """Conditions of type …Pressure that are true, for example "DiskPressure"."""
    tainted: bool = False
    """Whether a taint keeps ordinary pods away (NoSchedule or NoExecute), other than those that follow from a cordon or
    from not being ready."""
    cpu: int = 0
    """Allocatable, in thousandths of a core."""
    memory: int = 0
    """Allocatable, in bytes."""
    room: int = 0
    """Pods that it may run."""
    volumes: tuple[str, ...] = ()
    """Attachable volumes that its kubelet reports to be in use."""

    @property
    def cordoned_by_us(self) -> bool:
        """Whether a run of ours has cordoned it, which may have ended too early to take that back."""
        return self.unschedulable and CORDONED in self.annotations

    @property
    def cordoned_by_others(self) -> bool:
        """Whether somebody else has: it stays so."""
        return self.unschedulable and CORDONED not in self.annotations


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Pod:
    """A pod, with what a drain and a migration must know of it.

    No `Value`, because a cluster has tens of thousands of them: this way one takes half of the memory.
    """

    namespace: str
    name: str
    uid: str
    node: str
    phase: str
    owner: str = ""
    """"Kind/name" of the controlling owner, "Kind.group/name" where another group of the API has a kind of the name
    of one that we know; empty when nobody would create the pod again."""
    mirror: bool = False
    """Whether it mirrors a static pod of the kubelet."""
    terminating: bool = False
    grace: int = 0
    """Seconds that it has to end since it was told to (metadata.deletionGracePeriodSeconds)."""
    ends_within: int = 30
    """Seconds that its containers have to end by themselves (spec.terminationGracePeriodSeconds)."""
    ready: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    empty_dirs: tuple[str, ...] = ()
    host_paths: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    """PersistentVolumeClaims that it uses."""
    images: tuple[str, ...] = ()
    container_ids: tuple[str, ...] = ()
    """For example "docker://6f1c…"."""
    runtime_class: str = ""
    priority: int = 0
    cpu: int = 0
    """Requested by its containers together, in thousandths of a core."""
    memory: int = 0
    """Requested, in bytes."""
    host_ports: tuple[int, ...] = ()
    capabilities: tuple[str, ...] = ()
    """Added by name in a container's security context, without "CAP_"."""
    privileged: bool = False
    host_network: bool = False

    @property
    def full_name(self) -> str:
        """Namespace and name, as people write them."""
        return f"{self.namespace}/{self.name}"

    @property
    def finished(self) -> bool:
        """Whether it ended for good; it blocks nothing and is not waited for."""
        return self.phase in {"Succeeded", "Failed"}

    @property
    def stays(self) -> bool:
        """Whether a drain leaves it on the node: DaemonSet pods and mirrors of static pods."""
        return self.mirror or self.owner.startswith("DaemonSet/")

    @property
    def probes(self) -> bool:
        """Whether it is one of our own: somebody's `verify` is no workload, and no reason to refuse a plan."""
        return PROBES.fullmatch(self.namespace) is not None

    @property
    def leaves(self) -> bool:
        """Whether a drain asks for its end, with the consent that this needs: one that ends already needs none."""
        return not (self.stays or self.finished or self.terminating or self.probes)

    @property
    def serves(self) -> bool:
        """Whether it counts for whoever uses its workload: ready, and told by nobody to end."""
        return self.ready and not (self.finished or self.terminating)

    @property
    def replicated(self) -> bool:
        """Whether others are meant to stand in for it; a Job's pods are not."""
        return self.owner.startswith(_OF_SEVERAL)

    @property
    def workload(self) -> str:
        """What it is a part of, as "Kind/name": its owner, or the Deployment that the owner is one of several of.

        A Deployment calls a ReplicaSet by its own name and the hash of the pod template, which all pods have as a
        label (kubernetes pkg/controller/deployment/sync.go, getNewReplicaSet).
        """
        mark = f"-{self.labels.get(_TEMPLATE, '')}"
        if len(mark) > 1 and self.owner.startswith(_SET) and self.owner.endswith(mark):
            return f"Deployment/{self.owner[len(_SET) : -len(mark)]}"
        return self.owner

    @property
    def lasting(self) -> str:
        """What a pod that stays is called for longer than its own life: a DaemonSet's next one has another name."""
        return self.full_name if self.mirror else f"{self.namespace}/{self.owner}"


class Requirement(Value):
    """One expression of a selector (apimachinery, LabelSelectorRequirement)."""

    key: str
    operator: str
    """"In", "NotIn", "Exists", "DoesNotExist"."""
    values: tuple[str, ...] = ()

    def met(self, labels: Mapping[str, str]) -> bool:
        """Tell whether labels meet it; "NotIn" is met by what has no such label."""
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
            case _:
                return self.key not in labels


OPERATORS = frozenset({"In", "NotIn", "Exists", "DoesNotExist"})


class Budget(Value):
    """A PodDisruptionBudget as its status has it."""

    namespace: str
    name: str
    match_labels: Mapping[str, str]
    expressions: tuple[Requirement, ...] = ()
    disruptions_allowed: int
    never: bool = False
    """Whether all of its pods must always be there, so that it never allows an eviction."""
    violated: bool = False
    """Whether fewer of its pods are healthy than it wants."""
    simple: bool = True
    """False when its selector selects nothing, or in a way that is not known here."""

    def covers(self, pod: Pod) -> bool:
        """Tell whether the budget protects `pod`."""
        return (
            self.simple
            and self.namespace == pod.namespace
            and all(pod.labels.get(key) == value for key, value in self.match_labels.items())
            and all(requirement.met(pod.labels) for requirement in self.expressions)
        )


class RuntimeClass(Value):
    """A name that pods use for a handler of the runtime."""

    name: str
    handler: str


class DaemonSet(Value):
    """A DaemonSet that reaches into the hosts' file systems."""

    namespace: str
    name: str
    host_paths: tuple[str, ...] = ()
    images: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        """Namespace and name, as people write them."""
        return f"{self.namespace}/{self.name}"


class ClusterFacts(Value):
    """Everything that was read from the API server for a plan."""

    nodes: tuple[Node, ...] = ()
    pods: tuple[Pod, ...] = ()
    budgets: tuple[Budget, ...] = ()
    runtime_classes: tuple[RuntimeClass, ...] = ()
    daemon_sets: tuple[DaemonSet, ...] = ()
    api_servers: tuple[str, ...] = ()
    """Addresses behind the service default/kubernetes."""
