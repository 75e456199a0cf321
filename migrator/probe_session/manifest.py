"""The probe's pods as manifests: the containers of `proof.spec.ASKED` in the API's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from migrator import versions
from migrator.model.evidence import ProbeContainerSpec
from migrator.model.kubernetes import Node
from migrator.proof.spec import ASKED

MANAGED = {"app.kubernetes.io/managed-by": "migrator"}
NAMES: Mapping[str, str] = {entry.pod: f"probe-{entry.pod}" for entry in ASKED}
"""Names of the pods, by `ProbeContainerSpec.pod`."""
GRACE_SECONDS = 5
DEADLINE_SECONDS = 3600
_SECCOMP_FIELD = (1, 19)
"""Kubelets from here on read the field (KEP-135); older ones an annotation, which API servers have from the field's
name on kept in step for them."""
_ANNOTATION = "container.seccomp.security.alpha.kubernetes.io"
_PROFILES = {"RuntimeDefault": "runtime/default", "Unconfined": "unconfined"}


def pods(namespace: str, node: Node, reference: str) -> dict[str, dict[str, Any]]:
    """Give the manifests by `ProbeContainerSpec.pod`, pinned to the node.

    No scheduler takes part, so a cordon does not matter; no image is pulled.
    """
    field = versions.parse(node.kubelet_version) >= _SECCOMP_FIELD
    return {
        letter: _pod(namespace, node.name, reference, [entry for entry in ASKED if entry.pod == letter], field=field)
        for letter in NAMES
    }


def _pod(
    namespace: str, node: str, reference: str, asked: Sequence[ProbeContainerSpec], *, field: bool
) -> dict[str, Any]:
    annotations = {f"{_ANNOTATION}/{entry.name}": _PROFILES[entry.seccomp] for entry in asked if entry.seccomp}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": NAMES[asked[0].pod],
            "namespace": namespace,
            # Without OWNER_LABEL: the kubelet hands a pod's labels to the runtime, where whoever sweeps over CRI
            # would take its sandbox for one of theirs.
            "labels": dict(MANAGED),
            "annotations": {} if field else annotations,
        },
        "spec": {
            "nodeName": node,
            "containers": [_container(entry, reference, field=field) for entry in asked],
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": GRACE_SECONDS,
            # They end by themselves where whoever started them was killed; no session takes half as long.
            "activeDeadlineSeconds": DEADLINE_SECONDS,
            "tolerations": [{"operator": "Exists"}],
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "dnsPolicy": "ClusterFirst",
        },
    }


def _container(asked: ProbeContainerSpec, reference: str, *, field: bool) -> dict[str, Any]:
    return {
        "name": asked.name,
        "image": reference,
        "imagePullPolicy": "Never",
        "args": [
            "wait",
            *(("--lines", str(asked.lines)) if asked.lines else ()),
            *(("--port", str(asked.port)) if asked.port else ()),
        ],
        "resources": {
            "requests": _quantities(asked.cpu_request, asked.memory_request),
            "limits": _quantities(asked.cpu_limit, asked.memory_limit),
        },
        "securityContext": _security(asked, field=field),
    }


def _quantities(cpu: int, memory: int) -> dict[str, str]:
    return {name: text for name, text, value in (("cpu", f"{cpu}m", cpu), ("memory", str(memory), memory)) if value}


def _security(asked: ProbeContainerSpec, *, field: bool) -> dict[str, Any]:
    """Say only what is asked for: what a container gets without a word is to be proved too."""
    context: dict[str, Any] = {}
    if asked.privileged:
        context["privileged"] = True
    if asked.no_new_privileges:
        context["allowPrivilegeEscalation"] = False
    capabilities = {key: list(names) for key, names in (("add", asked.added), ("drop", asked.dropped)) if names}
    if capabilities:
        context["capabilities"] = capabilities
    if asked.seccomp and field:
        context["seccompProfile"] = {"type": asked.seccomp}
    return context
