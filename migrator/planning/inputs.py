"""Everything that a plan for one node is made from, and what was drafted from it."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as default
from functools import cached_property

from migrator.model.docker_removal import Removal
from migrator.model.facts import NodeFacts
from migrator.model.fate import KeyFate
from migrator.model.host_settings import HostSettings
from migrator.model.kubernetes import Node, Pod
from migrator.model.plan import FileChange
from migrator.nodeconf.settings import RuntimeSettings
from migrator.planning.cluster_capacity import ClusterCapacity
from migrator.runtimes.destination import Destination
from migrator.runtimes.registry import RUNTIMES
from migrator.runtimes.runtime import Runtime


@dataclass(frozen=True)
class NodeInputs:
    """A node as it was observed on both sides, and what is asked for it."""

    host: str
    """Its name in the inventory."""
    target: HostSettings
    facts: NodeFacts
    node: Node
    pods: tuple[Pod, ...] = ()
    """The pods on it."""
    fleet: ClusterCapacity = default(default_factory=ClusterCapacity)
    """The rest of the cluster."""
    observed_at: float = 0.0
    """When the facts arrived, by the clock of the machine that migrator runs on; 0 when that is not known."""
    allow: frozenset[str] = frozenset()
    """Ids of checks that the user waives."""
    removal: Removal | None = None
    """What is left of Docker, where somebody wants it removed."""

    @property
    def runtime(self) -> Runtime:
        """The runtime that is asked for."""
        return RUNTIMES[self.target.runtime]

    @property
    def migrated(self) -> bool:
        """Whether the kubelet already reports the runtime that is asked for."""
        return self.runtime.reported(self.node.runtime)

    @cached_property
    def leaving(self) -> tuple[Pod, ...]:
        """The pods that a drain would evict."""
        return tuple(pod for pod in self.pods if not pod.stays)

    @cached_property
    def evicted(self) -> tuple[Pod, ...]:
        """The pods whose end a drain asks for."""
        return tuple(pod for pod in self.pods if pod.leaves)

    @cached_property
    def staying(self) -> tuple[str, ...]:
        """What a drain leaves and is Ready now, each once."""
        return tuple(sorted({pod.lasting for pod in self.alive if pod.stays and pod.ready}))

    @cached_property
    def alive(self) -> tuple[Pod, ...]:
        """The pods that are not finished."""
        return tuple(pod for pod in self.pods if not pod.finished)

    @cached_property
    def images(self) -> frozenset[str]:
        """The images that pods on the node use, and those that somebody wants there too."""
        return frozenset(self.target.images) | {image for pod in self.alive for image in pod.images}


@dataclass(frozen=True)
class Translation:
    """What was worked out for a node before anything was judged."""

    destination: Destination
    settings: RuntimeSettings | None = None
    """None when a file on the node could not be read for what it is."""
    fates: tuple[KeyFate, ...] = ()
    files: tuple[FileChange, ...] = ()
    images: tuple[str, ...] = ()
    """Images to carry over."""
    kept: tuple[str, ...] = ()
    """Registries whose hosts.toml the user has written already; it is left as it is."""
    problems: tuple[str, ...] = ()
    """Why no files could be drafted: for each the file, the place in it, and what is wrong."""
