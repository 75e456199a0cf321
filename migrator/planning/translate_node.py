"""Work out for a node what would be written, before anything is judged."""

from __future__ import annotations

from migrator import versions
from migrator.model.facts import Disk, NodeFacts
from migrator.model.fate import KeyFate
from migrator.model.plan import FileChange
from migrator.nodeconf import kubelet
from migrator.nodeconf.settings import RuntimeSettings
from migrator.planning import cni, files
from migrator.planning.image_names import familiar, registry_of
from migrator.planning.inputs import NodeInputs, Translation
from migrator.runtimes import docker
from migrator.runtimes.destination import Destination
from migrator.runtimes.docker import DockerSource, storage
from migrator.runtimes.docker import options as docker_options
from migrator.runtimes.runtime import Runtime


def destination(now: NodeInputs) -> Destination:
    """Say what is written for, by the versions of the programs on the node."""
    runtime = now.runtime
    installed = runtime.installed(now.facts)
    kubelet_version = versions.parse(now.facts.kubelet.version)
    return Destination(
        runtime=runtime.name,
        version=versions.parse(installed) if installed else runtime.assumed(kubelet_version),
        kubelet=kubelet_version,
    )


def draft(now: NodeInputs) -> Translation:
    """Translate the node's configuration; what cannot be read for what it is becomes a problem, never a guess."""
    to = destination(now)
    if not (now.facts.kubelet.version and now.facts.kubelet.unit.fragments):
        return Translation(
            destination=to
        )  # there is no kubelet here that could be told anything; checks.source says so
    settings: RuntimeSettings | None = None
    fates: tuple[KeyFate, ...] = ()
    written: tuple[FileChange, ...] = ()
    kept: tuple[str, ...] = ()
    problems = list(_unread(now.facts))
    try:
        source = docker_source(now.facts, now.runtime)
        fates = docker.fates(source, to)
        settings = docker.settings(source, _base(now), to)
        if not problems:
            written = files.changes(now.facts, files.wanted(now.facts, settings, to))
            kept = now.runtime.kept(now.facts, settings.registries)
    except ValueError as error:
        problems.append(str(error))
    return Translation(
        destination=to,
        settings=settings,
        fates=fates,
        files=written,
        images=_images(now, settings),
        kept=kept,
        problems=tuple(problems),
    )


def _base(now: NodeInputs) -> RuntimeSettings:
    """Collect what Docker's configuration does not say: the kubelet's part and the network's."""
    return RuntimeSettings(
        cgroup_driver=kubelet.cgroup_driver(now.facts),
        cni_bin_dirs=cni.plugin_folders(now.facts),
        cni_conf_dir=cni.config_folder(now.facts),
        pause_image=now.target.pause_image or kubelet.pause_image(now.facts),
        forwarding=tuple(name for name in ("net.ipv6.conf.all.forwarding",) if now.facts.host.sysctls.get(name) == "1"),
    )


def docker_source(facts: NodeFacts, runtime: Runtime) -> DockerSource:
    """Give Docker's effective configuration: its file, its command line and its environment.

    Raises `ValueError` when the file is not what Docker would read.
    """
    found = facts.docker
    if found is None:
        return DockerSource()
    options = dict(docker_options.read(facts.file(found.config).content, found.unit.arguments, path=found.config))
    if found.storage_driver in storage.NAMED and "storage-driver" not in options:
        options["storage-driver"] = found.storage_driver  # what Docker chose by itself counts like what it was told
    keeps_root = _keeps_root(facts, runtime)
    kinds = {disk.path: disk.kind for disk in facts.host.disks}
    if not keeps_root:
        # Where Docker really is: its folder may be a link, and a disk mounted on its usual one is not in its settings.
        options["graph" if "graph" in options else "data-root"] = found.root
    return DockerSource(
        version=found.version,
        options=options,
        proxies=found.unit.environment,
        certificates=facts.certificates,
        insecure=found.insecure,
        image_hosts=tuple(
            sorted({host for image in found.images for name in image.names if (host := registry_of(name))})
        ),
        specification=bool(facts.containerd.oci_spec),
        keeps_root=keeps_root,
        new_root_kind=kinds.get(runtime.data_root(facts) if keeps_root else found.root, ""),
        root_mount=next((disk.mount for disk in facts.host.disks if disk.path == found.root), ""),
    )


def _keeps_root(facts: NodeFacts, runtime: Runtime) -> str:
    """Say why the new runtime's data stays in its usual folder; "" when it has to follow Docker's to another disk."""
    usual = runtime.data_root(facts)
    if usual != runtime.root:
        return f"{runtime.config} says where it is: {usual}"
    disks = {disk.path: disk for disk in facts.host.disks}
    unknown = Disk(path="/", mount="/")
    if facts.docker is None or disks.get(facts.docker.root, unknown).shares(disks.get(usual, unknown)):
        return f"it is on the same disk as {usual}"
    return runtime.keeps_root(facts, usual)


def _unread(facts: NodeFacts) -> list[str]:
    """Name the files that would decide something and could not be read."""
    variables = facts.kubelet.unit.environment_files
    deciding = {facts.kubelet.config, *facts.kubelet.unit.fragments}
    deciding |= {path for path in variables if not facts.file(path).folder}  # which systemd does not read
    if facts.docker is not None:
        deciding.add(facts.docker.config)
    return [f"{path}: {facts.file(path).problem}" for path in sorted(deciding) if facts.file(path).problem]


def _images(now: NodeInputs, settings: RuntimeSettings | None) -> tuple[str, ...]:
    """Name the images to carry over: those that are in use or asked for and Docker has, and the pause image."""
    if now.facts.docker is None:
        return ()
    used = {familiar(image) for image in now.images}
    wanted = used | ({familiar(settings.pause_image)} if settings else set())
    stored = {name for image in now.facts.docker.images for name in image.names}
    return tuple(sorted(name for name in stored if familiar(name) in wanted))
