"""What is known of single releases of containerd, and of the packages that bring it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from migrator import versions
from migrator.model.plan import Finding, Severity
from migrator.planning.candidate_version import find_candidate
from migrator.planning.checks.findings import found, listed, of
from migrator.planning.checks.next_kubernetes import aim, dotted
from migrator.planning.checks.versions import candidate_problem
from migrator.planning.inputs import NodeInputs, Translation
from migrator.runtimes.containerd.runtime import CONTAINERD, DISTRIBUTIONS_PACKAGE

CNI_BUGS: tuple[versions.Release, versions.Release] = ((1, 6, 0), (1, 6, 3))
"""First and last containerd with them (kubernetes.io, Troubleshooting CNI plugin-related errors)."""

APPARMOR_FIXED = (1, 7, 19)
"""A containerd whose profile lets a confined runc stop containers: 1.7.19 has containerd#10129. Not verified: the
first one of 1.7, and which of 1.6 (containerd#10123 was meant for both)."""
APPARMOR_CONFINES_RUNC = (23, 10, 0)
"""First Ubuntu whose AppArmor confines runc (containerd#10123)."""


@of(CONTAINERD)
def known_bugs(now: NodeInputs, draft: Translation) -> Iterator[Finding]:
    """Versions of containerd that are known to fail; one that is refused as a whole has another way to go."""
    text, host = find_candidate(now).version, now.facts.host
    if not text or candidate_problem(now, draft):
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


@of(CONTAINERD)
def support(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """A runtime without security updates should not be moved to unknowingly."""
    text = find_candidate(now).version
    if not text or not now.observed_at:
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


@of(CONTAINERD)
def next_kubernetes(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """The runtime must be new enough for the next kubelet."""
    wanted, text = aim(now), now.facts.containerd.version
    if wanted is None or not text:
        return
    here = versions.parse(now.facts.kubelet.version)
    rows = (row for row in versions.CONTAINERD_FOR if here < row.kubernetes <= wanted)
    breaks = next((row for row in rows if not versions.is_recommended(row.kubernetes, versions.release(text))), None)
    if breaks:
        needed = ", ".join(".".join(map(str, versions.sound(release))) for release in breaks.containerd)
        yield found(
            "kubernetes-target-runtime",
            f"Kubernetes {dotted(breaks.kubernetes)} asks for containerd {needed} or a later patch of these; {text} "
            "is installed",
            f"upgrade containerd before Kubernetes {dotted(breaks.kubernetes)}",
        )
    if not versions.speak(wanted, versions.CONTAINERD_CRI, versions.parse(text)):
        yield found(
            "kubernetes-target-cri",
            f"kubelets from {dotted(versions.CRI_V1_ONLY)} on speak CRI v1 only, which containerd {text} does not",
            f"upgrade containerd to 1.7 or later before Kubernetes {dotted(versions.CRI_V1_ONLY)}",
        )


OF_DOCKER = ("containerd.io", "docker-ce")
"""Packages that installing a distribution's containerd would remove."""


@of(CONTAINERD)
def docker_packages(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """A distribution's containerd cannot be installed beside Docker's packages."""
    docker = [package.name for package in now.facts.packages if package.name in OF_DOCKER]
    if now.target.package == DISTRIBUTIONS_PACKAGE and not now.facts.containerd.version and docker:
        yield found(
            "package-conflict",
            f"containerd is missing, and installing the distribution's would remove {listed(docker)}",
            "set migrator_package to containerd.io, where the node has Docker's repository",
        )
