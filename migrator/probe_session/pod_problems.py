"""What keeps a probe pod from running for good: who is at fault, in whose words, and what to do. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from migrator.model.probe_status import ContainerStatus, PodEvent, ProbePod
from migrator.proof.spec import ASKED, MIB

_WORDS = 300
"""Characters of somebody else's message that are shown."""

_CPU = sum(entry.cpu_request for entry in ASKED)
_MEMORY = sum(entry.memory_request for entry in ASKED) // MIB
_PODS = len({entry.pod for entry in ASKED})

_NEVER = frozenset({"ErrImageNeverPull", "InvalidImageName"})
_PULLED = frozenset({"ErrImagePull", "ImagePullBackOff"})
_TRIED = frozenset({"FailedCreatePodSandBox", "FailedCreatePodContainer", "Failed"})
"""Reasons of events that stand for one try each (pkg/kubelet/events/event.go). Not NetworkNotReady: that ends by
itself when the network's own pods come up."""

_UNADMITTED: Mapping[str, str] = {
    "Evicted": "the node is under pressure: free what is short (disk, memory, process ids), then verify again",
    "OutOfcpu": f"the probe's pods request {_CPU}m of CPU: make room on the node, or drain it first",
    "OutOfmemory": f"the probe's pods request {_MEMORY} MiB of memory: make room on the node, or drain it first",
    "OutOfpods": f"the node has as many pods as it may, and the probe needs {_PODS} more: drain it first",
    "Preempting": "a critical pod took its place: verify again",
    "NodeShutdown": "the node is shutting down",
    "Terminated": "the node is shutting down",
}
"""Reasons for which a kubelet does not admit a pod or ends it, and what to do."""

_REMEDIES: tuple[tuple[str, str], ...] = (
    (r"no space left", "free disk space for the runtime"),
    (
        r"(?i)sandbox image|pause image|pulling image",
        "set the runtime's pause image (sandbox_image, pinned_images.sandbox, pause_image) to one that the node has",
    ),
    (
        r"(?i)slice:prefix:name|cgroup",
        "give kubelet and runtime the same cgroup driver, and see that the kernel has the controllers",
    ),
    (
        r"(?i)\bcni\b|network plugin|\bipam\b|no IP addresses|IP addresses available",
        "look at /etc/cni/net.d, the folder of the CNI plugins, and the reservations in /var/lib/cni/networks",
    ),
    (r"(?i)apparmor", "load the runtime's AppArmor profile: apparmor_parser must be installed"),
    (r"(?i)seccomp", "use a kernel and a low-level runtime with seccomp"),
    (r"(?i)deadline|timed? ?out|connection refused|unavailable", "see why the runtime does not answer: its journal"),
    (
        r"(?i)\brunc\b|\bcrun\b|OCI runtime",
        "try the low-level runtime by itself: it may be missing or broken",
    ),
)
"""Patterns in the words of kubelet and runtime, the telling ones first, and what to do."""


@dataclass(frozen=True)
class Obstacle:
    """Why something of a pod does not run and will not."""

    words: str
    node: bool
    """Whether kubelet or runtime failed at it; otherwise nothing is known of what they can do."""
    silent: bool = False
    """Whether the kubelet, which is well, has not even begun: that says something about the node too."""


def of_pod(pod: ProbePod) -> Obstacle | None:
    """Tell what ended the whole pod."""
    if pod.terminating:
        return Obstacle("somebody deleted it: verify again", node=False)
    if pod.phase == "Failed" and pod.reason:
        told = _sentence(pod.reason, pod.message)
        return Obstacle(f"{told}; {_UNADMITTED.get(pod.reason, 'the kubelet does not admit it')}", node=False)
    return None


def of_container(status: ContainerStatus) -> Obstacle | None:
    """Tell what ended one container, or keeps it from being made however often it is tried."""
    told = _sentence(status.reason, status.message)
    if status.state == "terminated":  # restartPolicy Never
        return Obstacle(f"ended with exit code {status.exit_code}: {told}; {_remedy(told)}", node=True)
    if status.state == "waiting" and status.reason in _NEVER:
        return Obstacle(f"{told}; the kubelet's runtime does not have the image that was imported for it", node=True)
    if status.state == "waiting" and status.reason in _PULLED:
        return Obstacle(
            f"{told}; imagePullPolicy was Never: a webhook that changes it can leave alone what the "
            "kubeconfig's user makes in namespaces migrator-probe-*, for the time of the rollout; the admission plugin "
            "AlwaysPullImages cannot, and needs migrator_proof: none",
            node=False,
        )
    return None


def tried(events: Sequence[PodEvent]) -> Counter[str]:
    """Count what was tried in vain, by the reasons of the events."""
    counts = Counter[str]()
    for event in events:
        if event.type == "Warning" and event.reason in _TRIED:
            counts[event.reason] += event.count
    return counts


def of_events(events: Sequence[PodEvent], *, tries: int, before: Counter[str]) -> Obstacle | None:
    """Tell what was tried at least so many times in vain, beside what was tried `before` it could succeed."""
    counts = tried(events)
    if counts.total() - before.total() < max(tries, 1):
        return None
    last = next(event for event in reversed(events) if event.type == "Warning" and event.reason in _TRIED)
    times = f"{last.reason} ({counts[last.reason]} times)"
    return Obstacle(f"{_sentence(times, last.message)}; {_remedy(last.message)}", node=True)


def of_time(pod: ProbePod, container: str, events: Sequence[PodEvent], seconds: float) -> Obstacle:
    """Tell what was still lacking after so many seconds."""
    if not pod.started:
        return Obstacle(
            f"the kubelet of {pod.node} has not taken it up in {seconds:.0f} s: see journalctl -u kubelet there",
            node=False,
            silent=True,
        )
    status = pod.status(container)
    warnings = [_sentence(event.reason, event.message) for event in events if event.type == "Warning"]
    told = "; ".join(dict.fromkeys(warnings[-2:])) or _sentence(status.reason or "no reason given", status.message)
    return Obstacle(f"not running after {seconds:.0f} s: {told}; {_remedy(told)}", node=True)


def _sentence(reason: str, message: str) -> str:
    # client-go's event correlator puts this before messages that it counts together.
    text = " ".join(message.removeprefix("(combined from similar events): ").split())
    short = text if len(text) <= _WORDS else f"{text[:_WORDS]}…"
    return f"{reason}: {short}" if short else reason


def _remedy(words: str) -> str:
    for pattern, told in _REMEDIES:
        if re.search(pattern, words):
            return told
    return "see the journals of kubelet and runtime"
