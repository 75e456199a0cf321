"""The runtimes that a node can be given, each as data: what differs between them stands here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from migrator import versions
from migrator.model.facts import NodeFacts, UnitFacts
from migrator.nodeconf import systemd
from migrator.nodeconf.settings import Registry, RuntimeSettings, Written
from migrator.runtimes import containerd, crio
from migrator.runtimes.containerd import base_spec, hosts_toml
from migrator.runtimes.containerd import read as containerd_read
from migrator.runtimes.crio import registries_conf
from migrator.runtimes.destination import Destination

Write = Callable[[NodeFacts, RuntimeSettings, Destination], tuple[Written, ...]]
BASE_SPEC = "/etc/containerd/migrator-spec.json"


@dataclass(frozen=True)
class Runtime:
    """One runtime as a destination."""

    name: str
    title: str
    """How people write its name."""
    unit: str
    endpoint: str
    root: str
    """Its data folder when nothing says otherwise."""
    copies: int
    """How often it keeps the bytes of an image: as they came, and unpacked."""
    installed: Callable[[NodeFacts], str]
    """Its version on a node; "" when it is not installed."""
    service: Callable[[NodeFacts], UnitFacts]
    """Its service on a node, which need not be there."""
    assumed: Callable[[versions.Version], versions.Version]
    """The version that is written for where none is installed yet, by the kubelet's."""
    write: Write
    """Its own files. Raises `ValueError` when a present file cannot be read for what it is."""


def _write_containerd(facts: NodeFacts, settings: RuntimeSettings, to: Destination) -> tuple[Written, ...]:
    existing = facts.file(containerd.CONFIG).content
    if containerd.credentials(existing):
        raise ValueError(f"{containerd.CONFIG} holds registry credentials, which a plan must not carry")
    known = {registry.name: registry for registry in (*containerd_read.registries(existing), *settings.registries)}
    registries = tuple(known.values())
    settings = settings.model_copy(update={"registries": registries})
    spec, limits = _limits(facts, settings, to)
    config = containerd.write(existing, settings, to.version, spec=BASE_SPEC if spec else "")
    written = [Written(path=containerd.CONFIG, content=config)]
    if spec:
        written.append(Written(path=BASE_SPEC, content=spec))
    if hosts_toml.used(to.version):
        kept = registries_kept(facts, registries)
        new = tuple(entry for entry in registries if entry.name not in kept)
        written += hosts_toml.write(new, containerd.certs_folder(existing), to.version)
    drop_in = systemd.drop_in("containerd.service", proxy=settings.proxy, limits=limits)
    return (*written, *([drop_in] if drop_in else []))


def _limits(facts: NodeFacts, settings: RuntimeSettings, to: Destination) -> tuple[str, dict[str, str]]:
    """Give the base runtime specification for containers, and the limits for containerd's own unit.

    Limits that Docker was told concern containers alone: in the unit they would hold containerd down too. What
    containers only inherited must be inherited again.
    """
    inherited = _inherited(facts, settings, facts.containerd.unit)
    if not settings.ulimits:
        return "", inherited
    if facts.containerd.oci_spec and base_spec.known(to.version):
        return base_spec.write(facts.containerd.oci_spec, settings.ulimits), inherited
    return "", inherited | dict(settings.ulimits)


def _inherited(facts: NodeFacts, settings: RuntimeSettings, unit: UnitFacts) -> dict[str, str]:
    """Give the limits that containers had only because a daemon had them, where the new runtime's unit has others."""
    had = facts.docker.limits if facts.docker else {}
    return {
        name: limit
        for name, limit in had.items()
        if name not in settings.ulimits and unit.limits.get(name, limit) != limit
    }


def _crio_service(facts: NodeFacts) -> UnitFacts:
    return facts.crio.unit if facts.crio else UnitFacts(name="crio.service")


def _write_crio(facts: NodeFacts, settings: RuntimeSettings, to: Destination) -> tuple[Written, ...]:
    unit = _crio_service(facts)
    drop_in = systemd.drop_in(unit.name, proxy=settings.proxy, limits=_inherited(facts, settings, unit))
    policy = registries_conf.policy(facts.file(registries_conf.POLICY).content)
    return (
        *crio.write(settings, to.version, effective=facts.crio.effective if facts.crio else ""),
        *registries_conf.write(settings.registries),
        *(entry for entry in (drop_in, policy) if entry),
    )


def data_root(facts: NodeFacts, runtime: str) -> str:
    """Give the folder that a runtime's data are in, or would be: what its own configuration says, else the usual one.

    Raises `ValueError` when containerd's configuration is not TOML.
    """
    said = containerd.root(facts.file(containerd.CONFIG).content) if runtime == "containerd" else ""
    return said or RUNTIMES[runtime].root


def hosts_file(facts: NodeFacts, name: str) -> str:
    """Give the path of the user's own hosts.toml that containerd reads for a registry; "" when there is none.

    Raises `ValueError` when containerd's configuration is not TOML.
    """
    folders = containerd.certs_folders(facts.file(containerd.CONFIG).content)
    called = "_default" if name == containerd_read.WILDCARD else name
    return next((path for path in hosts_toml.places(folders, called) if facts.file(path).exists), "")


def registries_kept(facts: NodeFacts, registries: tuple[Registry, ...]) -> tuple[str, ...]:
    """Name the registries whose hosts.toml the user has written already, which is left as it is."""
    return tuple(entry.name for entry in registries if hosts_file(facts, entry.name))


RUNTIMES = {
    "containerd": Runtime(
        name="containerd",
        title="containerd",
        unit="containerd.service",
        endpoint=containerd.ENDPOINT,
        root="/var/lib/containerd",
        copies=2,  # ctr keeps the layers, and the snapshotter unpacks them (containerd docs/content-flow.md)
        installed=lambda facts: facts.containerd.version,
        service=lambda facts: facts.containerd.unit,
        assumed=lambda _: (1, 6),  # its configuration is read by every later one too
        write=_write_containerd,
    ),
    "crio": Runtime(
        name="crio",
        title="CRI-O",
        unit="crio.service",
        endpoint=crio.ENDPOINT,
        root="/var/lib/containers/storage",
        copies=1,
        installed=lambda facts: facts.crio.version if facts.crio else "",
        service=_crio_service,
        assumed=lambda kubelet: max(kubelet, crio.OLDEST),  # CRI-O's minor versions are Kubernetes'
        write=_write_crio,
    ),
}
