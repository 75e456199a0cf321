"""What the package manager would do to the runtime's packages, or has done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from migrator import versions
from migrator.model.plan import Finding, Severity
from migrator.planning.checks.findings import found, listed
from migrator.planning.checks.lenient_reads import new_runtime
from migrator.planning.inputs import NodeInputs, Translation
from migrator.runtimes.containerd.runtime import PACKAGES

EXCLUDES: Mapping[str, tuple[str, ...]] = {"containerd.io": ("containerd", "runc")}
"""Docker's package replaces and conflicts with the distributions' (docker/containerd-packaging)."""
_PROGRAMS = "/usr"
"""Where packages have their programs."""
LONG_TERM: frozenset[versions.Version] = frozenset({(1, 7), (2, 3)})
"""Lines between which containerd may be upgraded at once (containerd docs/containerd-2.0.md, RELEASES.md)."""


def conflicts(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """One vendor's packages own the runtime; changing the vendor is another job."""
    names = {package.name for package in now.facts.packages}
    for package, others in EXCLUDES.items():
        clash = names & set(others)
        if package in names and clash:
            yield found(
                "package-conflict",
                f"{package} and {listed(clash)} are installed, which own the same programs",
                "keep one vendor's packages",
            )


def held(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """A held package is installed or upgraded by nobody."""
    names = [entry.name for entry in now.facts.packages if entry.held and entry.name in now.runtime.packages]
    if not names:
        return
    if new_runtime(now).version:
        yield found(
            "package-held",
            f"the package manager holds {listed(names)}",
            "nothing has to be installed now; security updates will not come either",
        )
    else:
        yield found(
            "package-held",
            f"{new_runtime(now).title} has to be installed, and the package manager holds {listed(names)}",
            "release the hold (apt-mark unhold, or versionlock delete)",
            Severity.BLOCKS,
        )


def place(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """A system that is updated as a whole takes no package by itself."""
    runtime, why = new_runtime(now), now.facts.unwritable.get(_PROGRAMS, "")
    if why and not (now.migrated or runtime.version):
        yield found(
            "unwritable",
            f"{runtime.title} has to be installed, and {why}",
            "bring its package with the system's own means (rpm-ostree, transactional-update, the image)",
        )


def jump(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """The switch restarts containerd: what the package manager put there meanwhile takes over."""
    running = versions.parse(now.facts.containerd.version)
    for package in now.facts.packages:
        after = versions.parse(package.version.partition(":")[2] or package.version)
        if package.name not in PACKAGES or (0, 0) in {running, after} or running >= after:
            continue
        if not _supported(running, after):
            yield found(
                "runtime-jump",
                f"containerd is {now.facts.containerd.version}, and its package is {package.version} already",
                "containerd supports upgrades by one minor version, or from one long-term line to the next: "
                "restart it on a drained node and see it work first",
            )


def _supported(before: versions.Version, after: versions.Version) -> bool:
    order = [(1, 6), (1, 7), (2, 0), (2, 1), (2, 2), (2, 3), (2, 4)]
    if before in order and after in order:
        return order.index(after) - order.index(before) == 1 or {before, after} <= LONG_TERM
    return before[0] == after[0] and after[1] - before[1] == 1
