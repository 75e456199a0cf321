"""CRI-O's configuration: one drop-in with what has to differ from CRI-O's own defaults.

Names of keys and their defaults by version: cri-o/cri-o, pkg/config/config.go at v1.20.0 to v1.36.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from migrator.memoize import memoize
from migrator.nodeconf import host_files, systemd
from migrator.nodeconf.parsing import toml_document
from migrator.nodeconf.settings import Handler, RuntimeSettings, Written
from migrator.versions import Version

ENDPOINT = "unix:///var/run/crio/crio.sock"
CONFIG = "/etc/crio/crio.conf.d/20-migrator.conf"
"""After 10-crio.conf of the package, so that it counts; before what others put at 99."""
CONFIG_RUNC = "/etc/crio/crio.conf.d/21-migrator-runc.conf"

OLDEST: Version = (1, 20)
"""The oldest whose keys were read; a newer one than 1.36 is taken for 1.36."""

_FIRST_WITH: Mapping[str, Version] = {"cdi_spec_dirs": (1, 24), "metrics_host": (1, 30)}
_FIRST_WITHOUT: Mapping[str, Version] = {"seccomp_use_default_when_empty": (1, 30)}
"""Keys that not every version has; all others that are written are in each (pkg/config/config.go)."""

_PIDS_UNLIMITED: Version = (1, 29)
"""First whose default is -1. Before it is 1024, from 1.24 on 0, which runc does not take for "no limit"."""
_SECCOMP_WHEN_UNSET: Version = (1, 24)
"""First that gives a container the default profile when its pod names none, as long as it has the key that says
otherwise (internal/config/seccomp)."""
_DROPS_RUNC: Version = (1, 26)
"""First that keeps the entry of runc when the file that has it names another default runtime (UpdateFromFile)."""
_CRUN_BUILT_IN: Version = (1, 31)
"""First that has crun instead of runc without being told (DefaultRuntimeConfig)."""
_UPSTREAM_PACKAGES: Version = (1, 28)
"""First of today's packages, which have both runtimes and conmon in a folder of their own (cri-o/packaging)."""
_PACKAGED_MONITOR = "/usr/libexec/crio/conmon"

_CAPABILITIES = (
    *("CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "SETGID", "SETUID", "SETPCAP", "NET_BIND_SERVICE", "KILL"),
    *("NET_RAW", "SYS_CHROOT", "MKNOD", "AUDIT_WRITE", "SETFCAP"),
)
"""CRI-O's default set, then the five that Docker gives as well (moby, oci/caps/defaults.go)."""

_DRIVERS = {"overlay2": "overlay", "overlay": "overlay", "btrfs": "btrfs", "zfs": "zfs", "vfs": "vfs"}
"""containers/storage's name of each storage driver of Docker's; it has nothing for the others."""
_STORAGE_OPTIONS = frozenset({"overlay.size", "overlay.mountopt", "btrfs.min_space", "zfs.fsname", "zfs.mountopt"})
"""Options with the same meaning; an unknown one keeps CRI-O from starting (containers/storage, drivers/*)."""
_LOG_LEVELS = frozenset({"fatal", "panic", "error", "warn", "info", "debug", "trace"})
_RUNC_KINDS = frozenset({"io.containerd.runc.v1", "io.containerd.runc.v2", "io.containerd.runtime.v1.linux"})
_RUNC_OPTIONS = frozenset({"BinaryName", "SystemdCgroup"})
"""Options of containerd's that `runtime_path` and `cgroup_manager` say."""
_VM_PROGRAM = re.compile(r"containerd-shim-[A-Za-z0-9-]+-v2", re.ASCII)
"""What CRI-O wants the program of a runtime of type "vm" to be called (ValidateRuntimeVMBinaryPattern)."""
_EVERYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - recognized, never chosen
_ADDRESS = re.compile(r"([A-Za-z0-9._-]*|\[[0-9A-Fa-f:]+\]):([0-9]{1,5})", re.ASCII)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

_REASONS = {
    "conmon_cgroup": "Where the cgroup manager is not systemd, CRI-O starts with no other.",
    "pids_limit": "No limit for one container, as with Docker; the kubelet's limit for pods still counts.",
    "default_capabilities": "The last five are Docker's and not CRI-O's: without them ping, chroot and mknod fail.",
    "default_sysctls": "Set in every container by Docker since 20.10.",
    "seccomp_use_default_when_empty": "A pod that names no profile stays unconfined, as with Docker.",
}

Entry = str | bool | int | list[str]
Tables = dict[str, dict[str, Entry]]


@memoize
def write(settings: RuntimeSettings, version: Version, *, effective: str = "") -> tuple[Written, ...]:
    """Give CRI-O's drop-ins for a version: what has to differ, and no key that the version does not have.

    `effective` is what `crio config` prints on the node, "" when CRI-O is not installed: then upstream's packages are
    expected. What cannot be said to this version is missing here, and `left_out` names it.
    Raises `ValueError` for a version before `OLDEST` and for values that CRI-O would refuse at its start.
    """
    if version < OLDEST:
        raise ValueError(f"CRI-O {version[0]}.{version[1]} is too old: {OLDEST[0]}.{OLDEST[1]} or newer is needed")
    runtimes = _runtimes(settings, version, _monitor(effective, version))
    tables: Tables = {
        "crio": _storage(settings),
        "crio.runtime": _runtime(settings, version),
        **runtimes,
        "crio.image": {"pause_image": settings.pause_image} if settings.pause_image else {},
        "crio.network": _network(settings),
        "crio.metrics": _metrics(settings, version),
    }
    runc = "crio.runtime.runtimes.runc"
    own = version < _DROPS_RUNC and settings.default_handler not in {"", "runc"} and runc in tables
    second = {runc: tables.pop(runc)} if own else {}
    return (_written(CONFIG, tables), *([_written(CONFIG_RUNC, second)] if second else []))


def left_out(settings: RuntimeSettings, version: Version) -> dict[str, str]:
    """Say why a setting, by its field's name, is not in what `write` gives, or not all of it.

    What is another's business (the kubelet's logs, systemd's proxy, registries.conf) is not named.
    """
    return dict(_left_out(settings, version))


def _left_out(settings: RuntimeSettings, version: Version) -> Iterator[tuple[str, str]]:
    if settings.storage and settings.storage not in _DRIVERS:
        yield "storage", f"CRI-O has no storage driver {settings.storage}; it takes overlay"
    options = [option for option in settings.storage_options if not _storage_option(option)]
    if options:
        yield "storage_options", f"CRI-O's storage has no such options: {', '.join(options)}"
    kinds = [handler.name for handler in settings.handlers if not _runtime_type(handler)]
    extra = [handler.name for handler in settings.handlers if set(handler.options) - _RUNC_OPTIONS]
    if kinds:
        yield "handlers", f"runtimes of a type that CRI-O does not start: {', '.join(kinds)}"
    elif extra:
        yield "handlers", f"runtimes with options that CRI-O does not have: {', '.join(extra)}"
    if settings.cdi_folders and version < _FIRST_WITH["cdi_spec_dirs"]:
        yield "cdi_folders", "CRI-O knows CDI from 1.24 on"
    if settings.metrics_address and not _metrics(settings, version):
        yield "metrics_address", "CRI-O before 1.30 can only open its metrics to every address"
    if settings.max_downloads:
        yield "max_downloads", "CRI-O has no limit of its own; the kubelet has maxParallelImagePulls"
    if settings.log_format:
        yield "log_format", "CRI-O has one format only"


def _storage(settings: RuntimeSettings) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    if settings.root:
        found["root"] = _absolute("the data folder", settings.root)
    if settings.state:
        found["runroot"] = _absolute("the folder of volatile data", settings.state)
    if settings.storage in _DRIVERS:
        found["storage_driver"] = _DRIVERS[settings.storage]
    options = [kept for option in settings.storage_options if (kept := _storage_option(option))]
    if options:
        found["storage_option"] = options
    return found


def _storage_option(option: str) -> str:
    """Give the option in containers/storage's words; "" when it has none."""
    name, equals, value = option.partition("=")
    name = re.sub(r"^overlay2\.", "overlay.", name)
    return f"{name}={value}" if name in _STORAGE_OPTIONS and equals else ""


def _runtime(settings: RuntimeSettings, version: Version) -> dict[str, Entry]:
    if settings.cgroup_driver not in {"systemd", "cgroupfs"}:
        raise ValueError(f"cgroup driver {settings.cgroup_driver!r}: CRI-O knows systemd and cgroupfs")
    found: dict[str, Entry] = {"cgroup_manager": settings.cgroup_driver}
    if settings.cgroup_driver == "cgroupfs":
        # Deprecated for monitor_cgroup in each runtime's table, and read until today. An entry in a drop-in replaces
        # the package's whole table with its paths, so this is the one way to say it for runtimes that are not ours.
        found["conmon_cgroup"] = "pod"
    if settings.default_handler:
        found["default_runtime"] = settings.default_handler
    if settings.log_level:
        if settings.log_level not in _LOG_LEVELS:
            raise ValueError(f"log level {settings.log_level!r}: CRI-O knows {', '.join(sorted(_LOG_LEVELS))}")
        found["log_level"] = settings.log_level
    if settings.cdi_folders and version >= _FIRST_WITH["cdi_spec_dirs"]:
        found["cdi_spec_dirs"] = [_absolute("a CDI folder", folder) for folder in settings.cdi_folders]
    return found | _containers(settings, version)


def _containers(settings: RuntimeSettings, version: Version) -> dict[str, Entry]:
    """Give what every container has unless its pod says otherwise."""
    found: dict[str, Entry] = {"selinux": settings.selinux}
    if settings.seccomp_profile:
        found["seccomp_profile"] = _absolute("the seccomp profile", settings.seccomp_profile)
    if _SECCOMP_WHEN_UNSET <= version < _FIRST_WITHOUT["seccomp_use_default_when_empty"]:
        found["seccomp_use_default_when_empty"] = False
    if version < _PIDS_UNLIMITED:
        found["pids_limit"] = -1
    found["default_capabilities"] = list(_CAPABILITIES)
    sysctls = _sysctls(settings)
    if sysctls:
        found["default_sysctls"] = sysctls
    if settings.ulimits:
        found["default_ulimits"] = [_ulimit(name, settings.ulimits[name]) for name in sorted(settings.ulimits)]
    return found


def _sysctls(settings: RuntimeSettings) -> list[str]:
    ports = ["net.ipv4.ip_unprivileged_port_start=0"] if settings.unprivileged_ports else []
    return [*ports, "net.ipv4.ping_group_range=0 2147483647"] if settings.unprivileged_ping else ports


def _ulimit(name: str, value: str) -> str:
    soft, hard = systemd.ulimit(name, value)
    if name == "as":
        raise ValueError("ulimit as: CRI-O has no such limit (docker/go-units, ulimit.go)")
    if name == "nofile" and hard < 0:
        raise ValueError(
            "ulimit nofile cannot be infinite in a container: the kernel allows fs.nr_open at most; give a number"
        )
    return f"{name}={soft}:{hard}"


def _runtimes(settings: RuntimeSettings, version: Version, monitor: str) -> Tables:
    tables: Tables = {}
    for handler in settings.handlers:
        kind = _runtime_type(handler)
        if not kind or (not handler.program and _provided(handler.name, version)):
            continue
        header = f"crio.runtime.runtimes.{_key(handler.name)}"
        if header in tables:
            raise ValueError(f"runtime {handler.name!r} is described twice")
        path = _absolute(f"the program of runtime {handler.name!r}", handler.program) if handler.program else ""
        tables[header] = {"runtime_path": path, "runtime_type": kind}
        if monitor and kind == "oci":
            tables[header]["monitor_path"] = monitor
    default = settings.default_handler
    if default and f"crio.runtime.runtimes.{_key(default)}" not in tables and not _provided(default, version):
        raise ValueError(f"default runtime {default!r} has no program that CRI-O could start")
    return tables


def _runtime_type(handler: Handler) -> str:
    """Give CRI-O's type of a runtime; "" when it has none for it."""
    if handler.kind in _RUNC_KINDS:
        return "oci"
    return "vm" if _VM_PROGRAM.fullmatch(handler.program.rpartition("/")[2]) else ""


def _provided(name: str, version: Version) -> bool:
    """Tell whether CRI-O or its package knows where this runtime is, so that an entry of ours would only hide it."""
    if version >= _UPSTREAM_PACKAGES:
        return name in {"crun", "runc"}
    return name == built_in(version)


def built_in(version: Version) -> str:
    """Give the runtime that CRI-O knows without being told."""
    return "runc" if version < _CRUN_BUILT_IN else "crun"


def _monitor(effective: str, version: Version) -> str:
    """Give the path of conmon for runtimes of ours: the one that those of the package have; "" is by `$PATH`."""
    if not effective.strip():
        return _PACKAGED_MONITOR if version >= _UPSTREAM_PACKAGES else ""
    try:
        runtime = toml_document(effective).get("crio", {}).get("runtime", {})
        tables = runtime.get("runtimes", {}).items()
        paths = {name: str(table.get("monitor_path", "")) for name, table in tables}
    except (ValueError, AttributeError) as error:
        raise ValueError(f"what `crio config` prints cannot be read: {error}") from error
    return next((paths[name] for name in sorted(paths) if paths[name]), "")


def _network(settings: RuntimeSettings) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    if settings.cni_conf_dir:
        found["network_dir"] = _absolute("the folder of network configurations", settings.cni_conf_dir)
    if settings.cni_bin_dirs:
        found["plugin_dirs"] = [_absolute("a folder of network plugins", entry) for entry in settings.cni_bin_dirs]
    return found


def _metrics(settings: RuntimeSettings, version: Version) -> dict[str, Entry]:
    """Give where metrics are served; nothing where that would open them to more than before."""
    if not settings.metrics_address:
        return {}
    match = _ADDRESS.fullmatch(settings.metrics_address)
    if match is None or not 0 < int(match[2]) < 2**16:
        raise ValueError(f"metrics address {settings.metrics_address!r} is not a host and a port")
    host, port = match[1].removeprefix("[").removesuffix("]"), int(match[2])
    if version >= _FIRST_WITH["metrics_host"]:
        return {"enable_metrics": True, "metrics_host": host, "metrics_port": port}
    return {"enable_metrics": True, "metrics_port": port} if host in _EVERYWHERE else {}


def _absolute(what: str, path: str) -> str:
    if not path.startswith("/") or _CONTROL.search(path) or ".." in path.split("/"):
        raise ValueError(f"{what} is {path!r}, which is not an absolute path")
    return path


def _key(name: str) -> str:
    if not name or _CONTROL.search(name):
        raise ValueError(f"{name!r} is no name for a runtime")
    return name if _BARE_KEY.fullmatch(name) else host_files.toml(name)


def _written(path: str, tables: Tables) -> Written:
    filled = {header: entries for header, entries in tables.items() if entries}
    return Written(path=path, content=host_files.render("crio.conf.j2", tables=filled, reasons=_REASONS))
