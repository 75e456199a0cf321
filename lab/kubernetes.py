"""Kubernetes 1.20.2 with dockershim, built from the distribution's own source package.

Debian's `kubernetes` source is the complete upstream tree with its vendor folder; the compiler
is Debian's Go 1.19, unpacked beside it and never installed. The tree vendors reflect2 1.0.1,
which crashes in JSON map encoding when compiled with Go 1.18 or newer, so the newer reflect2
that Debian packages takes its place. Some of the kubelet's periods, which no setting reaches, are
longer (ADR 19): emulated, an idle node would spend its processor on them.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from lab import release, shell
from lab.apt import workshop
from lab.artefacts import artefact
from lab.errors import LabError
from lab.release import Release
from lab.settings import SUITE, Node, Settings

_NUMBERS = (1, 20, 2)
VERSION = "{}.{}.{}".format(*_NUMBERS)
_GO = "golang-1.19"
_REFLECT2 = "golang-github-modern-go-reflect2-dev"
PROGRAMS = (
    "kubelet",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubeadm",
    "kube-proxy",
    "kubectl",
)
_STATIC = "KUBE_STATIC_OVERRIDES=kubelet"
"""The others need no C library either: one build runs on nodes of any Debian."""
_VERSION_FILE = f"""KUBE_GIT_COMMIT='distribution'
KUBE_GIT_TREE_STATE='clean'
KUBE_GIT_VERSION='v{VERSION}'
KUBE_GIT_MAJOR='1'
KUBE_GIT_MINOR='20'
"""


_PERIODS = {
    "pkg/kubelet/kubelet.go": {
        "housekeepingPeriod = time.Second * 2": "housekeepingPeriod = time.Second * 6",
        "plegRelistPeriod = time.Second * 1": "plegRelistPeriod = time.Second * 3",
    },
    "pkg/kubelet/cadvisor/cadvisor_linux.go": {
        "defaultHousekeepingInterval = 10 * time.Second": "defaultHousekeepingInterval = 30 * time.Second",
    },
}
"""By file of the tree: removed pods' cgroups are looked for, containers are listed, and their usage is read."""


def of_cluster(settings: Settings) -> Release:
    """Give the cluster's Kubernetes: that of MIGRATOR_KUBERNETES, or the one that the lab builds."""
    if settings.kubernetes:
        return release.asked(Path(settings.kubernetes), (*release.CONTROL, *release.ON_NODES))
    return built(settings)


def of_node(settings: Settings, node: Node) -> Release:
    """Give the Kubernetes of a node."""
    return release.asked(Path(node.kubernetes), release.ON_NODES) if node.kubernetes else built(settings)


def built(settings: Settings) -> Release:
    """Give the one that the lab builds, built when the cache has none."""
    inputs = {
        "kubernetes": VERSION, "suite": SUITE, "go": _GO, "programs": " ".join(PROGRAMS), "recipe": "2",
        "periods": json.dumps(_PERIODS),
    }  # fmt: skip
    folder = artefact(settings.cache, "kubernetes", inputs, lambda folder: _build(settings, folder))
    return Release(folder, _NUMBERS)


def _build(settings: Settings, folder: Path) -> None:
    with workshop(settings, "kubernetes") as (archive, work):
        archive.unpack([f"{_GO}-go", f"{_GO}-src", _REFLECT2], into=work / "go")
        tree = archive.source("kubernetes", into=work / "source")
        _replace_reflect2(tree, work / "go")
        _slow_down(tree)
        targets = " ".join(f"cmd/{name}" for name in PROGRAMS)
        shell.run(
            ["make", f"WHAT={targets}", "GOLDFLAGS=-s -w", "FORCE_HOST_GO=y", _STATIC],
            cwd=tree, env=_environment(work), log=work / "build.log",
        )  # fmt: skip
        for name in PROGRAMS:
            shutil.copy2(tree / "_output/local/bin/linux/amd64" / name, folder / name)


def _environment(work: Path) -> dict[str, str]:
    """Give what Kubernetes' build needs to find Debian's Go and to know its own version."""
    (work / "version").write_text(_VERSION_FILE)
    goroot = work / "go/usr/lib/go-1.19"
    return {
        "HOME": str(work),
        "PATH": f"{goroot}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "GOROOT": str(goroot),
        "GOCACHE": str(work / "gocache"),
        "GO111MODULE": "off",
        "KUBE_GIT_VERSION_FILE": str(work / "version"),
    }


def _replace_reflect2(tree: Path, unpacked: Path) -> None:
    vendored = tree / "vendor/github.com/modern-go/reflect2"
    shutil.rmtree(vendored)
    shutil.copytree(unpacked / "usr/share/gocode/src/github.com/modern-go/reflect2", vendored)


def _slow_down(tree: Path) -> None:
    for name, periods in _PERIODS.items():
        text = (tree / name).read_text()
        for old, new in periods.items():
            if text.count(old) != 1:
                raise LabError(f"{name} says {old!r} {text.count(old)} times, not once")
            text = text.replace(old, new)
        (tree / name).write_text(text)
