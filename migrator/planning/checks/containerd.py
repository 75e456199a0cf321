"""containerd's own configuration and state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise

from migrator import versions
from migrator.model.plan import Finding, Severity
from migrator.planning.candidate_version import find_candidate
from migrator.planning.checks.findings import found, listed, named, of
from migrator.planning.checks.images import root_of_data
from migrator.planning.checks.lenient_reads import planned_text, table, toml
from migrator.planning.inputs import NodeInputs, Translation
from migrator.runtimes import containerd
from migrator.runtimes.containerd import imports as containerd_imports
from migrator.runtimes.containerd.runtime import CONTAINERD

_CRI = frozenset(
    {"io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime", "io.containerd.cri.v1.images", "cri"}
)  # fmt: skip
_PLACES = frozenset({"grpc"})
"""Keys at the top of a file that say where things are, and are no settings of the plan."""
_MERGES = (2, 0)
"""First containerd that merges an imported plugin section instead of replacing it (facts by tag, config.go)."""
_SYSTEM_SOCKET = "/run/containerd/containerd.sock"


@of(CONTAINERD)
def state(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """Containerd must be able to load its CRI plugin."""
    if now.facts.containerd.cri == "error":
        yield found(
            "containerd-broken",
            "containerd's CRI plugin is in state error",
            "see ctr plugins ls and journalctl -u containerd, and mend its configuration first",
        )
    text = now.facts.file(containerd.CONFIG).content
    if now.facts.containerd.cri == "disabled" or _CRI & _words(toml(text).get("disabled_plugins")):
        yield found(
            "containerd-disabled-cri",
            f"{containerd.CONFIG} turns the CRI plugin off, as Docker's package of containerd does",
            "it gets turned on; Docker's containers survive the restart that this takes",
        )
    if now.facts.file(containerd.CONFIG).hidden or containerd.credentials(text):
        yield found(
            "containerd-credentials",
            f"{containerd.CONFIG} holds registry credentials, which a plan must not carry",
            "move them to the kubelet's /var/lib/kubelet/config.json",
        )


@of(CONTAINERD)
def elsewhere(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """What is written must be what containerd reads, and the kubelet must look where it listens."""
    version, unit = now.facts.containerd.version, now.facts.containerd.unit
    if version and not unit.fragments and now.facts.host.systemd:
        yield found(
            "containerd-elsewhere",
            f"containerd {version} is a program without {unit.name}, such as comes with Docker's own archive",
            "install containerd's package, or write a unit for it that starts at boot",
        )
    arguments = unit.arguments
    document = toml(now.facts.file(containerd.CONFIG).content)
    told = [
        ("reads", _told(arguments, "--config", "-c"), containerd.CONFIG),
        ("listens at", _told(arguments, "--address", "-a"), _SYSTEM_SOCKET),
        ("listens at", str(table(document, "grpc").get("address") or ""), _SYSTEM_SOCKET),
        ("keeps its data in", _told(arguments, "--root"), CONTAINERD.root),
    ]
    other = [f"{what} {value}" for what, value, usual in told if value and value.removeprefix("unix://") != usual]
    if other:
        yield found(
            "containerd-elsewhere",
            f"containerd {' and '.join(dict.fromkeys(other))}",
            f"have its unit start it with {containerd.CONFIG} and {_SYSTEM_SOCKET}, and say in that file where its "
            "data are, or leave this node to whoever set that up",
        )


def _told(arguments: Sequence[str], *names: str) -> str:
    """Give the last value of an option, written as two words or as one; "" when it is not there."""
    value = ""
    for word, following in pairwise((*arguments, "")):
        name, equals, rest = word.partition("=")
        if name in names:
            value = rest if equals else following
    return value


@of(CONTAINERD)
def selinux(now: NodeInputs, draft: Translation) -> Iterator[Finding]:
    """Containers that get labels reach fewer files of the host."""
    text = planned_text(now, draft, containerd.CONFIG)
    on = _labels(text)
    had = now.facts.docker is not None and any("selinux" in entry for entry in now.facts.docker.security_options)
    if on and not had:
        yield found(
            "selinux-appears",
            f"{containerd.CONFIG} has enable_selinux = true, and Docker gave containers no labels: pods that mount "
            "folders of the host may not reach them any more",
            "take it out of that file, or label those folders (container_file_t) first",
        )


@lru_cache(maxsize=64)
def _labels(text: str) -> bool:
    return any(value is True for key, value in _pairs(toml(text)) if key == "enable_selinux")


def _pairs(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key), inner
            yield from _pairs(inner)


@of(CONTAINERD)
def low_ports(now: NodeInputs, draft: Translation) -> Iterator[Finding]:
    """What Docker gives to containers without root, and this release cannot be told to give."""
    if draft.settings is None or not now.facts.containerd.version:
        return
    missing = _OPEN.keys() & set(containerd.unsupported(draft.settings, draft.destination.version))
    if missing:
        yield found(
            "low-ports",
            f"containerd {now.facts.containerd.version} cannot be told {listed(_OPEN[name] for name in missing)}",
            "upgrade containerd to 1.6 or later first; or see that no container without root needs that",
        )


_OPEN = {
    "unprivileged_ports": "to let containers without root use ports below 1024",
    "unprivileged_ping": "to let them use ping",
}


@of(CONTAINERD)
def imports(now: NodeInputs, draft: Translation) -> Iterator[Finding]:
    """An imported file has the last word over the file that is written."""
    if (text := planned_text(now, draft, containerd.CONFIG)).strip() and not toml(text).get("imports"):
        return
    files = {path: file for path, file in now.facts.files.items() if file.exists or file.problem}
    texts = {path: planned_text(now, draft, path) for path in {*files, containerd.CONFIG}}
    told = find_candidate(now).version
    told = told if versions.parse(told)[0] else ""
    version = versions.parse(told) if told else draft.destination.version
    release = versions.release(told) if told else (*version, 0)
    main = _version(toml(text)) if text.strip() else versions.newest_config(release)
    overruled: Mapping[str, Sequence[str]] = {}
    try:
        order = containerd_imports.chain(containerd.CONFIG, texts, version)
        wrong = {path: why for path in order[1:] if (why := _of_version(told, main, _version(toml(texts[path]))))}
        if not wrong:
            overruled = containerd_imports.overruled(containerd.CONFIG, texts, version)
    except ValueError as error:
        if str(error) not in draft.problems:
            yield found("containerd-imports", f"{error}: what is in force cannot be told", _MEND, Severity.BLOCKS)
        return
    for path in order[1:]:
        if path in wrong:
            yield found(
                "containerd-imports",
                f"{path} is imported and {wrong[path]}",
                f"write it in version {min(main, versions.newest_config(release))}, or have whoever writes it do so",
                Severity.BLOCKS,
            )
        names = overruled.get(path, ())
        lost = tuple(name for name in names if _matters(draft, name))
        places = _PLACES & set(toml(texts[path]))
        problem = files[path].problem or (f"sets {listed(places)}" if places else "")
        yield from _imported(path, toml(texts[path]), version, lost, problem)


def _matters(draft: Translation, name: str) -> bool:
    """Tell whether a setting is written, or decides how pods run."""
    return name not in _NO_PODS or bool(draft.settings and getattr(draft.settings, name))


_NO_PODS = frozenset({"log_format", "log_level", "max_downloads", "metrics_address"})
"""Settings that are containerd's own affair where Docker had none of its kind."""


def _imported(
    path: str, document: Mapping[str, object], version: versions.Version, overruled: Sequence[str], problem: str
) -> Iterator[Finding]:
    """Say what an imported file does to what is planned."""
    sections = _CRI & set(table(document, "plugins"))
    if off := _CRI & _words(document.get("disabled_plugins")):
        yield found(
            "containerd-imports",
            f"{path} is imported and turns {listed(off)} off, which no other file can turn on again",
            "take that out of it",
            Severity.BLOCKS,
        )
    if sections and version < _MERGES:
        yield found(
            "containerd-imports",
            f"{path} is imported and replaces {listed(sections)} as a whole, which containerd before 2.0 does: "
            "cgroup driver, sandbox image, registries and network folders of the plan are gone with it",
            f"move what it says into {containerd.CONFIG}, where the plan keeps it, and take it out of the imports",
            Severity.BLOCKS,
        )
    elif overruled:
        yield found(
            "containerd-imports",
            f"{path} is imported and has the last word on {listed(overruled)}, over what the plan writes",
            f"move these into {containerd.CONFIG}, and take them out of it",
            Severity.BLOCKS,
        )
    elif problem:
        yield found(
            "containerd-imports",
            f"{path} is imported and {problem}",
            f"see that containerd config dump shows what the plan writes, or move these keys into {containerd.CONFIG}",
        )


_MEND = "mend the file, or take it out of the imports: containerd may not start with it"


def _version(document: Mapping[str, object]) -> int:
    told = document.get("version")
    return told if isinstance(told, int) else 1


def _of_version(version: str, main: int, imported: int) -> str:
    """Say what an imported file's version does to the whole; "" for nothing, and where no version is known yet."""
    if not version:
        return ""
    containerd = versions.release(version)
    text, newest = ".".join(map(str, containerd)), versions.newest_config(containerd)
    if imported > newest:
        return f"of version {imported}: containerd {text} knows none after {newest}, and does not start"
    if imported <= main or not _MERGES <= containerd < versions.MERGES_OLDER_MAIN:
        return ""
    if containerd >= versions.REFUSES_OLDER_MAIN:
        return f"of version {imported}, the main file of {main}: containerd {text} does not start with that"
    return (
        f"of version {imported}, the main file of {main}: containerd {text} loses the main file's settings of CRI "
        "without a word"
    )


def _words(value: object) -> set[str]:
    return {str(entry) for entry in value} if isinstance(value, list) else set()


_SPARES_SHIMS = ("", "process", "none")
"""Values of KillMode with which shims outlive containerd (systemd.kill(5); containerd.service says `process`)."""


@of(CONTAINERD)
def shared(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """Restarting the containerd that Docker runs on must not take Docker's other containers down."""
    docker = now.facts.docker
    if docker is None or docker.embedded:
        return
    if docker.containerd.removeprefix("unix://").removeprefix("/var") != _SYSTEM_SOCKET:
        return
    foreign = [entry.name for entry in docker.containers if entry.running and not entry.pod_uid]
    bound = "containerd.service" in docker.unit.requires
    unit = now.facts.containerd.unit if now.facts.containerd else None
    if foreign and unit and unit.kill_mode not in _SPARES_SHIMS:
        yield found(
            "containerd-shared",
            f"containerd's unit has KillMode={unit.kill_mode}: a restart of it ends the shims of {listed(foreign)}",
            "set KillMode=process in a drop-in of containerd.service, or expect these containers to stop",
            Severity.WARNS,
        )
    elif bound and foreign and not docker.live_restore:
        yield found(
            "containerd-shared",
            f"Docker's unit requires containerd's and live-restore is off: a restart of containerd stops "
            f"{listed(foreign)}",
            "turn live-restore on, or expect these containers to start anew",
            Severity.WARNS,
        )
    else:
        yield found(
            "containerd-shared",
            f"Docker runs on {_SYSTEM_SOCKET} too",
            "its containers survive the restart of containerd, and stay in a namespace of their own",
        )


GIVES_HOST_PORTS = frozenset({"portmap", "cilium-cni"})
"""Plugins that do."""


@of(CONTAINERD)
def host_ports(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """Containerd leaves host ports to a plugin."""
    pods = [pod for pod in now.alive if pod.host_ports and not pod.host_network]
    if pods and not GIVES_HOST_PORTS & set(now.facts.cni.plugins):
        yield found(
            "host-ports",
            f"{named(pods)} ask for host ports, and {now.facts.cni.config or 'the network'} has no portmap plugin",
            "add portmap with the capability portMappings to the network configuration",
        )


@of(CONTAINERD)
def zfs(now: NodeInputs, draft: Translation) -> Iterator[Finding]:
    """Containerd's zfs snapshotter works on a dataset of its own, which nobody makes for it."""
    if draft.settings is None or draft.settings.storage != "zfs":
        return
    folder = f"{root_of_data(now, draft)}/io.containerd.snapshotter.v1.zfs"
    if not any(disk.mount == folder and disk.kind == "zfs" for disk in now.facts.host.disks):
        yield found(
            "zfs-dataset",
            f"containerd keeps images in a ZFS dataset that is mounted at {folder}, and none is known to be",
            f"make one: zfs create -o mountpoint={folder} POOL/containerd",
        )
