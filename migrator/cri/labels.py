"""Labels of what we create: those by which a kubelet's objects are known, and the session that they belong to."""

from __future__ import annotations

from migrator.cri import OWNER_LABEL

POD_NAME = "io.kubernetes.pod.name"
POD_NAMESPACE = "io.kubernetes.pod.namespace"
POD_UID = "io.kubernetes.pod.uid"
CONTAINER_NAME = "io.kubernetes.container.name"
"""Keys of Kubernetes, pkg/kubelet/types/labels.go."""


def labels(session: str, *, name: str, uid: str, namespace: str = "migrator", container: str = "") -> dict[str, str]:
    """Give the labels of a pod's sandbox, or of one of its containers when `container` names it."""
    pod = {OWNER_LABEL: session, POD_NAME: name, POD_NAMESPACE: namespace, POD_UID: uid}
    return pod | ({CONTAINER_NAME: container} if container else {})
