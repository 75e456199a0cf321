"""Which version of the new runtime a node has, or would get by its package, and whether a migration may rest on it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from migrator import versions
from migrator.planning.inputs import NodeInputs
from migrator.runtimes.runtime import Runtime, Unfit

_EPOCH = re.compile(r"^\d+:")
"""What may stand before a package's version (deb-version(7), rpm-version(7))."""
PINNED = "migrator_package_version"


@dataclass(frozen=True)
class CandidateVersion:
    """A version of the runtime, there already or not yet."""

    version: str
    """As the program or the package says it, without an epoch; "" when nobody knows what would come."""
    said: str
    """What is known of it, as the beginning of a sentence."""
    there: bool
    """Whether it is installed."""


def find_candidate(now: NodeInputs) -> CandidateVersion:
    """Give the version that is installed, else the pinned one, else what the package manager would take."""
    runtime, target = now.runtime, now.target
    if installed := runtime.installed(now.facts):
        return CandidateVersion(installed, f"{runtime.title} {installed} is installed", there=True)
    if target.package_version:
        pinned = plain(target.package_version)
        return CandidateVersion(pinned, f"{target.package} {pinned} is asked for ({PINNED})", there=False)
    candidate = "" if target.packages else plain(now.facts.candidates.get(target.package, ""))
    if candidate:
        return CandidateVersion(
            candidate, f"{target.package} {candidate} is what the package manager would install", there=False
        )
    return CandidateVersion("", f"which version of {target.package} would come is not known yet", there=False)


def plain(version: str) -> str:
    """Give a package's version without its epoch."""
    return _EPOCH.sub("", version)


def unfit(kubelet: str, runtime: Runtime, version: str, *, digest: bool = False) -> Unfit | None:
    """Say why no node with this kubelet may be moved to this version of a runtime; None where it may.

    `digest` is whether its sandbox image is named by a digest beside its tag.
    """
    title, number, kubelets = runtime.title, versions.release(version), versions.parse(kubelet)
    if not number[0] or kubelets < versions.FIRST_KUBELET:
        return None
    if runtime.cri and not versions.speak(kubelets, runtime.cri, number[:2]):
        theirs, ours = (
            " and ".join(sorted(versions.cri_versions(program, numbers))) or "none that is known"
            for program, numbers in ((runtime.cri, number[:2]), (versions.KUBELET_CRI, kubelets))
        )
        later = "an earlier" if "v1alpha2" in ours else "a later"
        both = f" ({runtime.speaks_both} speak both)" if runtime.speaks_both else ""
        why = f"{title} {version} speaks CRI {theirs}, kubelet {kubelet} {ours}"
        return Unfit("cri-version", why, f"install {later} {title} on this node{both}")
    return runtime.unfit(version, digest)
