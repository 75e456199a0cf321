"""Which versions of kubelet, runtime, kernel interfaces and packages work together."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from migrator import versions
from migrator.model.plan import Finding, Severity
from migrator.planning.candidate_version import PINNED, Unfit, find_candidate, unfit
from migrator.planning.checks.findings import found
from migrator.planning.checks.lenient_reads import kubelet_config, new_runtime
from migrator.planning.image_names import tagged_digest
from migrator.planning.inputs import NodeInputs, Translation

CNI_BUGS: tuple[versions.Release, versions.Release] = ((1, 6, 0), (1, 6, 3))
"""First and last containerd with them (kubernetes.io, Troubleshooting CNI plugin-related errors)."""

APPARMOR_FIXED = (1, 7, 19)
"""A containerd whose profile lets a confined runc stop containers: 1.7.19 has containerd#10129. Not verified: the
first one of 1.7, and which of 1.6 (containerd#10123 was meant for both)."""
APPARMOR_CONFINES_RUNC = (23, 10, 0)
"""First Ubuntu whose AppArmor confines runc (containerd#10123)."""


def fit(now: NodeInputs, draft: Translation) -> Iterator[Finding]:
    """The runtime, there or yet to come, must suit the kubelet, and its configuration be known here."""
    new = find_candidate(now)
    why = _unfit(now, draft)
    if why is not None and new.there:
        yield found(why.id, f"{new.said}: {why.why}" if why.id != "cri-version" else why.why, why.remedy)
    elif why is not None:
        yield found(why.id, f"{new.said}: {why.why}", f"{why.remedy}, by {PINNED}")


def _unfit(now: NodeInputs, draft: Translation) -> Unfit | None:
    image = draft.settings.pause_image if draft.settings else ""
    version = find_candidate(now).version
    return unfit(now.facts.kubelet.version, now.target.runtime, version, digest=tagged_digest(image))


def installed(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """The new runtime is there: its version decides on the configuration, and its package brings one of its own."""
    runtime = new_runtime(now)
    if not runtime.version:
        yield found(
            "runtime-install",
            f"no {runtime.title} is installed; {find_candidate(now).said}",
            "`apply` installs it first, beside Docker, then plans the node again",
        )


def crio(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """CRI-O follows Kubernetes' versions."""
    if now.target.runtime != "crio":
        return
    yield found(
        "runtime-unsupported",
        "CRI-O is asked for: its files can be planned, the switch to it cannot be done",
        "set migrator_runtime to containerd",
    )
    version, kubelet = versions.release(new_runtime(now).version), versions.release(now.facts.kubelet.version)
    if version[0] and kubelet[0] and (version[0] != kubelet[0] or abs(version[1] - kubelet[1]) > 1):
        yield found(
            "crio-minor",
            f"CRI-O {new_runtime(now).version} does not belong to kubelet {now.facts.kubelet.version}",
            f"install CRI-O {kubelet[0]}.{kubelet[1]}",
        )


def cgroup_version(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """The kubelet must be able to live with the host's cgroup hierarchy."""
    text, cgroup = now.facts.kubelet.version, now.facts.host.cgroup
    if versions.parse(text) < versions.FIRST_KUBELET:
        return
    state = versions.cgroup_state("kubelet", versions.parse(text), cgroup)
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


def known_bugs(now: NodeInputs, draft: Translation) -> Iterator[Finding]:
    """Versions of containerd that are known to fail; one that is refused as a whole has another way to go."""
    text, host = find_candidate(now).version, now.facts.host
    if now.target.runtime != "containerd" or not text or _unfit(now, draft):
        return
    for row in versions.faults(versions.release(text)):
        if not row.fatal:
            mended = ".".join(map(str, row.mended))
            yield found(
                "runtime-faulty", f"in containerd {text} {row.what} ({row.source})", f"take {mended} or later",
                Severity.WARNS,
            )  # fmt: skip
    if CNI_BUGS[0] <= versions.release(text) <= CNI_BUGS[1]:
        yield found(
            "cni-version-bugs",
            f"containerd {text} refuses network plugins and configurations of other CNI versions",
            "upgrade it to 1.6.4 or later first",
        )
    confined = (
        host.os_id == "ubuntu"
        and versions.release(host.os.removeprefix("Ubuntu ")) >= APPARMOR_CONFINES_RUNC
        and "apparmor" in host.security_modules
    )
    if confined and versions.release(text) < APPARMOR_FIXED:
        yield found(
            "apparmor-signals",
            f"{host.os} confines runc, and the profile of containerd {text} may not let it stop containers: "
            "pods would stay Terminating",
            "upgrade containerd to 1.7.19 or later, or see that the distribution's package has containerd#10123",
        )


def support(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """A runtime without security updates should not be moved to unknowingly."""
    text = find_candidate(now).version
    if now.target.runtime != "containerd" or not text or not now.observed_at:
        return
    line = versions.parse(text)
    ends = versions.end_of_life(line)
    today = dt.datetime.fromtimestamp(now.observed_at, dt.UTC).date()
    if ends and today > ends:
        yield found(
            "runtime-eol",
            f"upstream's support of containerd {line[0]}.{line[1]} ended by {ends.isoformat()}",
            "see whether the distribution still mends it, or plan its upgrade",
        )
