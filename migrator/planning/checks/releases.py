"""Which versions of kubelet, runtime, kernel interfaces and packages work together."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from migrator.model.plan import Finding, Severity
from migrator.planning import versions
from migrator.planning.checks.finding import found
from migrator.planning.checks.reading import kubelet_config, new_runtime
from migrator.planning.situation import Draft, Situation

CNI_BUGS: tuple[versions.Release, versions.Release] = ((1, 6, 0), (1, 6, 3))
"""First and last containerd with them (kubernetes.io, Troubleshooting CNI plugin-related errors)."""

APPARMOR_FIXED = (1, 7, 19)
"""A containerd whose profile lets a confined runc stop containers: 1.7.19 has containerd#10129. Not verified: the
first one of 1.7, and which of 1.6 (containerd#10123 was meant for both)."""
APPARMOR_CONFINES_RUNC = (23, 10, 0)
"""First Ubuntu whose AppArmor confines runc (containerd#10123)."""


def common_cri(now: Situation, _: Draft) -> Iterator[Finding]:
    """Kubelet and runtime must speak the same CRI version, and we the configuration's dialect."""
    runtime, kubelet = new_runtime(now), versions.parse(now.facts.kubelet.version)
    version = versions.parse(runtime.version)
    if not runtime.version or kubelet < versions.FIRST_KUBELET:
        return
    least, most = versions.SUPPORTED_CONTAINERD
    if not versions.speak(kubelet, now.target.runtime, version):
        theirs, ours = (
            " and ".join(sorted(versions.cri_versions(program, number))) or "none that is known"
            for program, number in ((now.target.runtime, version), ("kubelet", kubelet))
        )
        later = "an earlier" if "v1alpha2" in ours else "a later"
        yield found(
            "cri-version",
            f"{runtime.title} {runtime.version} speaks CRI {theirs}, kubelet {now.facts.kubelet.version} {ours}",
            f"install {later} {runtime.title} on this node"
            + (" (1.6 and 1.7 speak both)" if now.target.runtime == "containerd" else ""),
        )
    elif now.target.runtime == "containerd" and not least <= version <= most:
        yield found(
            "runtime-version",
            f"containerd {runtime.version} is installed",
            f"this version configures {least[0]}.{least[1]} to {most[0]}.{most[1]}",
        )


def installed(now: Situation, _: Draft) -> Iterator[Finding]:
    """The new runtime is there: its version decides on the configuration, and its package brings one of its own."""
    runtime = new_runtime(now)
    if not runtime.version:
        yield found(
            "runtime-install",
            f"no {runtime.title} is installed",
            "`apply` installs it first, beside Docker, then plans the node again",
        )


def crio(now: Situation, _: Draft) -> Iterator[Finding]:
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


def cgroup_version(now: Situation, _: Draft) -> Iterator[Finding]:
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


def known_bugs(now: Situation, _: Draft) -> Iterator[Finding]:
    """Versions of containerd that are known to fail."""
    text, host = now.facts.containerd.version, now.facts.host
    if now.target.runtime != "containerd" or not text:
        return
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


def support(now: Situation, _: Draft) -> Iterator[Finding]:
    """A runtime without security updates should not be moved to unknowingly."""
    text = now.facts.containerd.version
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
