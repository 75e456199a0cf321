"""containerd as one object: what the rest of the program asks of a runtime."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from migrator import versions
from migrator.model.facts import NodeFacts
from migrator.nodeconf import systemd
from migrator.nodeconf.settings import Handler, Registry, RuntimeSettings, Written
from migrator.runtimes import containerd
from migrator.runtimes.containerd import base_spec, config_versions, hosts_toml, places
from migrator.runtimes.containerd import read as containerd_read
from migrator.runtimes.destination import Destination
from migrator.runtimes.inherited_limits import inherited
from migrator.runtimes.runtime import Runtime, Unfit
from migrator.runtimes.traits import USUAL, Traits

BASE_SPEC = "/etc/containerd/migrator-spec.json"
DISTRIBUTIONS_PACKAGE = "containerd"
PACKAGES = (DISTRIBUTIONS_PACKAGE, "containerd.io")
"""Packages that bring containerd itself: the distributions' and Docker's."""


def _write(facts: NodeFacts, settings: RuntimeSettings, to: Destination) -> tuple[Written, ...]:
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
    again = inherited(facts, settings, facts.containerd.unit)
    if not settings.ulimits:
        return "", again
    if facts.containerd.oci_spec and base_spec.known(to.version):
        return base_spec.write(facts.containerd.oci_spec, settings.ulimits), again
    return "", again | dict(settings.ulimits)


def hosts_file(facts: NodeFacts, name: str) -> str:
    """Give the path of the user's own hosts.toml that containerd reads for a registry; "" when there is none.

    Raises `ValueError` when containerd's configuration is not TOML.
    """
    folders = containerd.certs_folders(facts.file(containerd.CONFIG).content)
    called = "_default" if name == containerd_read.WILDCARD else name
    return next((path for path in hosts_toml.places(folders, called) if facts.file(path).exists), "")


def _unchanged(facts: NodeFacts, written: Collection[str]) -> str:
    file = facts.file(containerd.CONFIG)
    shown = containerd.CONFIG not in written and not file.hidden and not containerd.credentials(file.content)
    return file.content if shown else ""


def registries_kept(facts: NodeFacts, registries: tuple[Registry, ...]) -> tuple[str, ...]:
    """Name the registries whose hosts.toml the user has written already, which is left as it is."""
    return tuple(entry.name for entry in registries if hosts_file(facts, entry.name))


def _kubernetes_containers(facts: NodeFacts) -> Iterator[str]:
    if facts.containerd.containers:
        yield f"containerd: {facts.containerd.containers} containers"


def _keeps_root(facts: NodeFacts, usual: str) -> str:
    if facts.docker and not facts.docker.embedded and any(not entry.pod_uid for entry in facts.docker.containers):
        return f"containers that are not Kubernetes' keep containerd's data in {usual}; watch the space there"
    if facts.containerd.images or facts.containerd.containers:
        return f"containerd has images or containers of Kubernetes in {usual} already"
    return ""


def _unfit(version: str, digest: bool) -> Unfit | None:  # noqa: FBT001 - as a runtime is asked
    number = versions.release(version)
    least, most = versions.SUPPORTED_CONTAINERD
    if not least <= number[:2] <= most:  # first: what mends a faulty one may not be configured here either
        span = f"{least[0]}.{least[1]} to {most[0]}.{most[1]}"
        return Unfit("runtime-version", f"this version configures containerd {span}", f"take one of {span}")
    if fatal := [row for row in versions.faults(number, digest=digest) if row.fatal]:
        why = "; ".join(f"{row.what} ({row.source})" for row in fatal)
        sound = ".".join(map(str, max(row.mended for row in fatal)))
        return Unfit("runtime-faulty", f"in containerd {version} {why}", f"take {sound} or later")
    return None


def _by_type(handler: Handler, version: versions.Version) -> Handler | str:
    if handler.program and version < config_versions.RUNTIME_PATH:
        return "containerd before 1.6 cannot be told the path of a shim"
    if handler.kind == config_versions.RUNC_V1 and version >= config_versions.DIALECT_3:
        return handler.model_copy(update={"kind": config_versions.RUNC_V2})  # 2.0 dropped it; the options are the same
    return handler


CONTAINERD = Runtime(
    name="containerd",
    scheme="containerd",
    title="containerd",
    unit="containerd.service",
    endpoint=containerd.ENDPOINT,
    root="/var/lib/containerd",
    copies=2,  # ctr keeps the layers, and the snapshotter unpacks them (containerd docs/content-flow.md)
    switch=True,
    config=containerd.CONFIG,
    packages=(*PACKAGES, "runc"),
    cni_plugins=("loopback",),  # go-cni, WithLoNetwork
    speaks_both="1.6 and 1.7",
    silent_unit=(2, 0),
    cri=versions.CONTAINERD_CRI,
    cgroups=versions.CONTAINERD_CGROUPS,
    sandbox=versions.CONTAINERD_SANDBOX,
    tells_driver=versions.CONTAINERD_TELLS_DRIVER,
    traits=Traits(
        scope="cri-containerd-",
        plain="",
        capabilities=USUAL,
        label="cri-containerd.apparmor.d",
        shares_uts=True,
        service="containerd",
        clears_inheritable=(1, 6, 2),
        privileged_pass_on=False,
        privileged_cgroup_namespace=False,
        low_ports=(2, 0, 0),
        settable={"devices": "privileged_without_host_devices"},
    ),
    installed=lambda facts: facts.containerd.version,
    unit_facts=lambda facts: facts.containerd.unit,
    kubernetes_containers=_kubernetes_containers,
    told_root=lambda facts: containerd.root(facts.file(containerd.CONFIG).content),
    keeps_root=_keeps_root,
    assumed=lambda _: (1, 6),  # its configuration is read by every later one too
    unfit=_unfit,
    place=places.place,
    limits_apart=lambda specification: specification,
    by_type=_by_type,
    kept=registries_kept,
    unchanged=_unchanged,
    write=_write,
)
