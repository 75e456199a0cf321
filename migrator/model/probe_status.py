"""What a probe session makes in the cluster, as the API server tells it back.

Times are seconds since the epoch by the clock of whoever wrote them, 0.0 for none.
"""

from __future__ import annotations

from collections.abc import Mapping

from migrator.model.base import Value


class Namespace(Value):
    """A Namespace."""

    name: str
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    created: float = 0.0
    """By the API server's clock, in whole seconds."""
    terminating: bool = False
    held_by: tuple[str, ...] = ()
    """Why its deletion takes long, in the namespace controller's words."""


class ContainerStatus(Value):
    """A container of a pod, in the kubelet's words."""

    name: str
    id: str = ""
    """Without the runtime's scheme."""
    state: str = ""
    """"waiting", "running", "terminated"; "" when the kubelet has not said yet."""
    reason: str = ""
    message: str = ""
    started_at: float = 0.0
    exit_code: int = 0


class ProbePod(Value):
    """A pod of ours."""

    namespace: str
    name: str
    uid: str
    phase: str = ""
    reason: str = ""
    """Of the whole pod, for example "Evicted"."""
    message: str = ""
    address: str = ""
    node: str = ""
    created: float = 0.0
    """By the API server's clock, in whole seconds."""
    started: float = 0.0
    """When the kubelet took it up: by the node's clock, in whole seconds."""
    terminating: bool = False
    statuses: tuple[ContainerStatus, ...] = ()

    def status(self, container: str) -> ContainerStatus:
        """Give what is known of a container; an empty status when that is nothing."""
        return next((entry for entry in self.statuses if entry.name == container), ContainerStatus(name=container))


class PodEvent(Value):
    """Something that the cluster noted about a pod."""

    type: str
    """"Normal" or "Warning"."""
    reason: str
    message: str
    time: float = 0.0
    """When it happened first."""
    count: int = 1
