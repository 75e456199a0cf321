"""CRI-O's own: its versions, and the capabilities that it does not give."""

from __future__ import annotations

from collections.abc import Iterator

from migrator import versions
from migrator.model.plan import Finding
from migrator.planning.checks.findings import found, listed, named, of
from migrator.planning.checks.lenient_reads import new_runtime
from migrator.planning.inputs import NodeInputs, Translation
from migrator.runtimes.crio.runtime import CRIO
from migrator.runtimes.traits import LACKING


@of(CRIO)
def version(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """CRI-O follows Kubernetes' versions."""
    version, kubelet = versions.release(new_runtime(now).version), versions.release(now.facts.kubelet.version)
    if version[0] and kubelet[0] and (version[0] != kubelet[0] or abs(version[1] - kubelet[1]) > 1):
        yield found(
            "crio-minor",
            f"CRI-O {new_runtime(now).version} does not belong to kubelet {now.facts.kubelet.version}",
            f"install CRI-O {kubelet[0]}.{kubelet[1]}",
        )


@of(CRIO)
def capabilities(now: NodeInputs, draft: Translation) -> Iterator[Finding]:
    """Programs such as ping fail without a capability that they had."""
    texts = [change.content for change in draft.files]
    lost = [
        name for name in sorted(LACKING) if not any("default_capabilities" in text and name in text for text in texts)
    ]
    pods = [pod for pod in now.alive if not pod.privileged and not set(lost) <= set(pod.capabilities)]
    if lost and pods:
        yield found(
            "crio-capabilities",
            f"containers get no {listed(lost)} from CRI-O by default; pods that had them: {named(pods)}",
            "see which need them (ping needs NET_RAW) and add them to their security context",
        )
