"""Which versions of kubelet, runtime, kernel interfaces and packages work together."""

from __future__ import annotations

from collections.abc import Iterator

from migrator import versions
from migrator.model.plan import Finding, Severity
from migrator.planning.candidate_version import PINNED, find_candidate, unfit
from migrator.planning.checks.findings import found
from migrator.planning.checks.lenient_reads import kubelet_config, new_runtime
from migrator.planning.image_names import tagged_digest
from migrator.planning.inputs import NodeInputs, Translation
from migrator.runtimes.registry import RUNTIMES
from migrator.runtimes.runtime import Unfit


def fit(now: NodeInputs, draft: Translation) -> Iterator[Finding]:
    """The runtime, there or yet to come, must suit the kubelet, and its configuration be known here."""
    new = find_candidate(now)
    why = candidate_problem(now, draft)
    if why is not None and new.there:
        yield found(why.id, f"{new.said}: {why.why}" if why.id != "cri-version" else why.why, why.remedy)
    elif why is not None:
        yield found(why.id, f"{new.said}: {why.why}", f"{why.remedy}, by {PINNED}")


def supported(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """The node's side must know how to switch to it."""
    if not now.runtime.switch:
        known = " or ".join(name for name, runtime in RUNTIMES.items() if runtime.switch)
        yield found(
            "runtime-unsupported",
            f"{now.runtime.title} is asked for: its files can be planned, the switch to it cannot be done",
            f"set migrator_runtime to {known}",
        )


def candidate_problem(now: NodeInputs, draft: Translation) -> Unfit | None:
    """Say why no node may be moved to the version that is there, or would come; None where it may."""
    image = draft.settings.pause_image if draft.settings else ""
    version = find_candidate(now).version
    return unfit(now.facts.kubelet.version, now.runtime, version, digest=tagged_digest(image))


def installed(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """The new runtime is there: its version decides on the configuration, and its package brings one of its own."""
    runtime = new_runtime(now)
    if not runtime.version:
        yield found(
            "runtime-install",
            f"no {runtime.title} is installed; {find_candidate(now).said}",
            "`apply` installs it first, beside Docker, then plans the node again",
        )


def cgroup_version(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """The kubelet must be able to live with the host's cgroup hierarchy."""
    text, cgroup = now.facts.kubelet.version, now.facts.host.cgroup
    if versions.parse(text) < versions.FIRST_KUBELET:
        return
    state = versions.cgroup_state(versions.KUBELET_CGROUPS, versions.parse(text), cgroup)
    if state == "refused":
        yield found(
            "cgroup-v2-kubelet",
            f"the host has cgroup {cgroup} alone, which kubelet {text} does not know",
            "upgrade the kubelet to 1.19 or later, or boot with systemd.unified_cgroup_hierarchy=0",
        )
    elif state in {"deprecated", "off"}:
        refused = state == "off" and kubelet_config(now.facts).get("failCgroupV1") is not False
        yield found(
            "cgroup-v1",
            f"the host has cgroup {cgroup}, which kubelet {text} {'refuses' if refused else 'only just tolerates'}",
            "boot the host with cgroup v2 (systemd.unified_cgroup_hierarchy=1)",
            Severity.BLOCKS if refused else Severity.WARNS,
        )
