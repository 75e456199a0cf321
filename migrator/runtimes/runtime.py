"""What a runtime is: one frozen object, made in the runtime's own folder. Nobody else compares its name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from migrator import versions
from migrator.model.facts import NodeFacts, UnitFacts
from migrator.nodeconf.settings import Handler, Registry, RuntimeSettings, Written
from migrator.runtimes.destination import Destination
from migrator.runtimes.traits import Traits


@dataclass(frozen=True)
class Unfit:
    """Why no node may be moved to a version."""

    id: str
    """Of the check that says so."""
    why: str
    remedy: str


@dataclass(frozen=True)
class Runtime:
    """One runtime. What has a default is what a runtime without anything of the kind has."""

    name: str
    """As settings and options call it."""
    scheme: str
    """As the kubelet calls it in `containerRuntimeVersion`, before "://"."""
    title: str
    """How people write its name."""
    unit: str
    endpoint: str
    """Where the kubelet finds it when nothing says otherwise."""
    root: str
    """Its data folder when nothing says otherwise."""
    folder: str = ""
    """What its data folder is called beside another's; "" for its name."""
    copies: int = 1
    """How often it keeps the bytes of an image: as they came, and unpacked."""
    source: str = ""
    """Name of the runtime that this one is another way to, and whose configuration and data it has; "" for none."""
    target: bool = True
    """Whether nodes can be asked to have it."""
    switch: bool = False
    """Whether what runs on the node knows how to switch to it."""
    config: str = ""
    """Its configuration file that is written."""
    packages: tuple[str, ...] = ()
    """Names of packages that bring it or a part of it."""
    cni_plugins: tuple[str, ...] = ()
    """Plugins of CNI that it needs and that no configuration names."""
    mirror_paths: bool = True
    """Whether a registry's mirror may have a path before /v2/."""
    speaks_both: str = ""
    """Versions that speak both versions of CRI, as words for people; "" where that needs no saying."""
    silent_unit: versions.Version | None = None
    """First version whose own unit sets no limits; None for none."""
    cri: tuple[versions.CriVersions, ...] = ()
    cgroups: tuple[versions.CgroupRule, ...] = ()
    sandbox: tuple[versions.SandboxImage, ...] = ()
    tells_driver: versions.Since | None = None
    """First version that tells the kubelet its cgroup driver (CRI RuntimeConfig); None where that is not known."""
    traits: Traits | None = None
    """What its containers show; None where nobody has written that down."""

    installed: Callable[[NodeFacts], str] = lambda _: ""
    """Give its version on a node; "" when it is not installed."""
    unit_facts: Callable[[NodeFacts], UnitFacts | None] = lambda _: None
    """Give what is known of its service; None for nothing."""
    low_level: Callable[[NodeFacts], str] = lambda _: "runc"
    """Name the low-level runtime that containers get when they ask for none."""
    kubernetes_containers: Callable[[NodeFacts], Iterable[str]] = lambda _: ()
    """Name the containers of pods that it has on a node, in words for people."""
    told_root: Callable[[NodeFacts], str] = lambda _: ""
    """Give the data folder that its configuration says; "" for none. Raises `ValueError` when that is unreadable."""
    keeps_root: Callable[[NodeFacts, str], str] = lambda _facts, _usual: ""
    """Say why its data must stay in its usual folder, although Docker's are on another disk; "" when they need not."""

    assumed: Callable[[versions.Version], versions.Version] = lambda _: (0, 0)
    """Give the version that is written for where none is installed yet, by the kubelet's."""
    unfit: Callable[[str, bool], Unfit | None] = lambda _version, _digest: None
    """Say why no node may be moved to a version, whatever its kubelet; the second argument is whether the sandbox
    image is named by a digest beside its tag."""
    place: Callable[[str, versions.Version, str], str] = lambda _what, _version, _name: ""
    """Name the file and the key of a setting in a version; the name says which of several. "" where it has none."""
    limits_apart: Callable[[bool], bool] = lambda _: False
    """Tell whether containers can have limits that the runtime itself has not; the argument is whether its default
    specification of a container is known."""
    by_path: Callable[[Handler], Handler | str] = lambda handler: handler
    """Give the handler for a program that Docker's shim of runc started, or say why there can be none."""
    by_type: Callable[[Handler, versions.Version], Handler | str] = lambda handler, _: handler
    """Give the handler for one of containerd's runtime types, or say why there can be none."""
    kept: Callable[[NodeFacts, tuple[Registry, ...]], tuple[str, ...]] = lambda _facts, _registries: ()
    """Name the registries that the user has described for it already; it is left so. Raises `ValueError` as `write`."""
    unchanged: Callable[[NodeFacts, Collection[str]], str] = lambda _facts, _written: ""
    """Give its configuration where that is none of the files that are written; "" where it may not be shown."""
    write: Callable[[NodeFacts, RuntimeSettings, Destination], tuple[Written, ...]] = lambda _facts, _settings, _to: ()
    """Give its own files. Raises `ValueError` when a present file cannot be read for what it is."""

    def service(self, facts: NodeFacts) -> UnitFacts:
        """Give its service on a node, which need not be there."""
        return self.unit_facts(facts) or UnitFacts(name=self.unit)

    def data_root(self, facts: NodeFacts) -> str:
        """Give the folder that its data are in, or would be: what its own configuration says, else the usual one.

        Raises `ValueError` when that configuration cannot be read.
        """
        return self.told_root(facts) or self.root

    def reported(self, runtime: str) -> bool:
        """Tell whether a Node that reports this, as "containerd://1.6.20", runs it."""
        return runtime.startswith(f"{self.scheme}://")

    @property
    def socket(self) -> str:
        """The path of `endpoint`."""
        return self.endpoint.removeprefix("unix://")
