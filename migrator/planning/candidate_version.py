"""Which version of the new runtime a node has, or would get by its package, and whether a migration may rest on it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from migrator import versions
from migrator.planning.inputs import NodeInputs
from migrator.runtimes.registry import RUNTIMES

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


@dataclass(frozen=True)
class Unfit:
    """Why no node may be moved to a version."""

    id: str
    """Of the check that says so."""
    why: str
    remedy: str


def find_candidate(now: NodeInputs) -> CandidateVersion:
    """Give the version that is installed, else the pinned one, else what the package manager would take."""
    runtime, target = RUNTIMES[now.target.runtime], now.target
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


def unfit(kubelet: str, runtime: str, version: str, *, digest: bool = False) -> Unfit | None:
    """Say why no node with this kubelet may be moved to this version of "containerd" or "crio"; None where it may.

    `digest` is whether its sandbox image is named by a digest beside its tag.
    """
    title, number, kubelets = RUNTIMES[runtime].title, versions.release(version), versions.parse(kubelet)
    if not number[0] or kubelets < versions.FIRST_KUBELET:
        return None
    if not versions.speak(kubelets, runtime, number[:2]):
        theirs, ours = (
            " and ".join(sorted(versions.cri_versions(program, numbers))) or "none that is known"
            for program, numbers in ((runtime, number[:2]), ("kubelet", kubelets))
        )
        later = "an earlier" if "v1alpha2" in ours else "a later"
        both = " (1.6 and 1.7 speak both)" if runtime == "containerd" else ""
        why = f"{title} {version} speaks CRI {theirs}, kubelet {kubelet} {ours}"
        return Unfit("cri-version", why, f"install {later} {title} on this node{both}")
    if runtime != "containerd":
        return None
    least, most = versions.SUPPORTED_CONTAINERD
    if not least <= number[:2] <= most:  # first: what mends a faulty one may not be configured here either
        span = f"{least[0]}.{least[1]} to {most[0]}.{most[1]}"
        return Unfit("runtime-version", f"this version configures containerd {span}", f"take one of {span}")
    if fatal := [row for row in versions.faults(number, digest=digest) if row.fatal]:
        why = "; ".join(f"{row.what} ({row.source})" for row in fatal)
        sound = ".".join(map(str, max(row.mended for row in fatal)))
        return Unfit("runtime-faulty", f"in containerd {version} {why}", f"take {sound} or later")
    return None
