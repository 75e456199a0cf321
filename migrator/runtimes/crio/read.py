"""CRI-O's configuration, read: what `crio config` prints, and drop-ins that it has not seen.

From 1.21 on a value that is the default stands in a comment, and before, the storage's values always do: a comment
tells of a folder what nothing else does (cri-o/cri-o, pkg/config/template.go, v1.20.0 to v1.36.0).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping

from migrator.nodeconf.parsing import toml_document
from migrator.nodeconf.settings import Handler, RuntimeSettings

Table = Mapping[str, object]

_COMMENTED = re.compile(r'^#[ \t]?((?:root|runroot|storage_driver) = "[^"\\\n]*")[ \t]*$', re.MULTILINE)
_OWN_DEFAULTS = {
    "root": frozenset({"", "/var/lib/containers/storage"}),
    "runroot": frozenset({"", "/run/containers/storage", "/var/run/containers/storage"}),
    "storage_driver": frozenset({"", "overlay"}),
}
"""Values that need not be said (containers/storage, types/options.go)."""
_TELLING = frozenset({"overlay"})
"""A default that means something where it is said: containers/storage would try others too."""
_OWN_LOG_LEVEL = "info"
_COMMENTED_RUNTIME = re.compile(r"^# \[crio\.runtime\.runtimes\.(crun|runc)\][ \t]*$", re.MULTILINE)
"""A runtime that CRI-O knows by itself, and that nothing was said about: it is there beside those of drop-ins."""
_RUNC = "io.containerd.runc.v2"
_VM_PROGRAM = re.compile(r"containerd-shim-([A-Za-z0-9-]+)-(v\d+)", re.ASCII)
_PORTS = "net.ipv4.ip_unprivileged_port_start"
_PING = "net.ipv4.ping_group_range"


def settings(effective: str, drop_ins: Iterable[str] = ()) -> RuntimeSettings:
    """Read CRI-O's configuration of any version from 1.20 to 1.36.

    `effective` is what `crio config` prints; `drop_ins` are texts of files that came later, in their order. A later
    value replaces an earlier one, and an entry of a runtime replaces the whole entry, as in CRI-O; only storage
    options add up.
    Raises `ValueError` when a text is not TOML or a key has a value of another type than CRI-O gives it, even where a
    later text has another value: each is decoded on its own (pkg/config/config.go, UpdateFromFile).
    """
    crio: dict[str, object] = {}
    for number, text in enumerate((effective, *drop_ins)):
        where = f"drop-in {number} of CRI-O" if number else "what `crio config` prints"
        found = _parse(text, where)
        if number:
            _settings(found, text)
        _merge(crio, found, where)
    return _settings(crio, effective)


def _settings(crio: Table, effective: str) -> RuntimeSettings:
    """Read the table `crio`; `effective` is for what stands in its comments."""
    runtime, network = _table(crio, "runtime"), _table(crio, "network")
    sysctls = dict(entry.partition("=")[::2] for entry in _texts(runtime, "default_sysctls"))
    storage = _told(crio, effective, "storage_driver")
    folders = _texts(network, "plugin_dirs") or ("/opt/cni/bin",)
    old_folder = _text(network, "plugin_dir")
    cdi = _texts(runtime, "cdi_spec_dirs")
    return RuntimeSettings(
        cgroup_driver=_text(runtime, "cgroup_manager") or "systemd",
        cni_bin_dirs=tuple(_folder(path) for path in (*folders, *([old_folder] if old_folder else []))),
        cni_conf_dir=_folder(_text(network, "network_dir") or "/etc/cni/net.d"),
        pause_image=_text(_table(crio, "image"), "pause_image"),
        root=_told(crio, effective, "root"),
        state=_told(crio, effective, "runroot"),
        storage="overlay2" if storage == "overlay" else storage,
        storage_options=tuple(re.sub(r"^overlay\.", "overlay2.", option) for option in _texts(crio, "storage_option")),
        default_handler=_text(runtime, "default_runtime"),
        handlers=tuple(_handler(name, entry) for name, entry in sorted(_runtimes(runtime, effective).items())),
        ulimits=dict(_ulimit(entry) for entry in _texts(runtime, "default_ulimits")),
        seccomp_profile=_text(runtime, "seccomp_profile"),
        selinux=_flag(runtime, "selinux"),
        unprivileged_ports=sysctls.get(_PORTS) == "0",
        unprivileged_ping=sysctls.get(_PING) == "0 2147483647",
        log_level="" if (level := _text(runtime, "log_level")) == _OWN_LOG_LEVEL else level,
        metrics_address=_metrics(_table(crio, "metrics"), effective),
        cdi_folders=cdi,
        cdi=bool(cdi),
    )


def table(text: str) -> Table:
    """Give the table `crio` of one file, its keys as CRI-O spells them.

    Raises `ValueError` as `settings` does.
    """
    found = _parse(text, "the file")
    _settings(found, text)
    return found


def _parse(text: str, where: str) -> Table:
    try:
        document = toml_document(text)
    except ValueError as error:
        raise ValueError(f"{where} {error}") from error
    return _table(_lowered(document, 3), "crio")


def _lowered(table: Table, depth: int) -> dict[str, object]:
    """Spell keys as they are meant: CRI-O takes any case (BurntSushi/toml, unifyStruct), by chance where there are two.

    Names of runtimes and of workloads are no such keys, and what is in them is theirs.
    """
    found: dict[str, object] = {}
    for key, value in table.items():
        if key.lower() in found:
            raise ValueError(f"CRI-O's {key.lower()} is there in two spellings: which one counts is chance")
        found[key.lower()] = _lowered(value, depth - 1) if depth > 1 and isinstance(value, dict) else value
    return found


def _merge(into: dict[str, object], update: Table, where: str) -> None:
    """Lay one text over what came before: tables are joined, and below `runtimes` each entry is whole."""
    for key, value in update.items():
        before = into.get(key)
        if key == "storage_option" and isinstance(before, list) and isinstance(value, list):
            into[key] = [*(entry for entry in before if entry not in value), *value]
        elif isinstance(before, dict) and isinstance(value, dict):
            if key == "runtimes":
                before.update(value)
            else:
                _merge(before, value, where)
        elif isinstance(before, dict) or (before is not None and isinstance(value, dict)):
            raise ValueError(f"{where}: {key!r} is a table in one place and a value in another")
        else:
            into[key] = value


def _runtimes(runtime: Table, effective: str) -> dict[str, Table]:
    said = _tables(runtime, "runtimes")
    own = _COMMENTED_RUNTIME.findall(effective) if said else []
    return {name: {} for name in own} | said


def _handler(name: str, entry: Table) -> Handler:
    program = _text(entry, "runtime_path")
    shim = _VM_PROGRAM.fullmatch(program.rpartition("/")[2])
    virtual = _text(entry, "runtime_type") == "vm" and shim is not None
    return Handler(name=name, program=program, kind=f"io.containerd.{shim[1]}.{shim[2]}" if virtual and shim else _RUNC)


def _ulimit(entry: str) -> tuple[str, str]:
    name, _, value = entry.partition("=")
    return name, value if ":" in value else f"{value}:{value}"


def _metrics(table: Table, effective: str) -> str:
    """Give where metrics are served; a version that has no key for the host serves them everywhere."""
    if not _flag(table, "enable_metrics"):
        return ""
    port = table.get("metrics_port", 9090)
    if isinstance(port, bool) or not isinstance(port, int):
        raise ValueError(f"CRI-O's metrics_port is {port!r}, which is not a number")  # noqa: TRY004 - one kind of error
    usual = "127.0.0.1" if "metrics_host" in effective else ""
    host = _text(table, "metrics_host") if "metrics_host" in table else usual
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _told(crio: Table, effective: str, key: str) -> str:
    """Give a value of the storage's if it is said, or stands in a comment and is not the usual one."""
    if key in crio and (said := _text(crio, key)):
        return "" if said in _OWN_DEFAULTS[key] - _TELLING else said
    for line in _COMMENTED.findall(effective):
        found = tomllib.loads(line)
        if key in found:
            return "" if found[key] in _OWN_DEFAULTS[key] else str(found[key])
    return ""


def _folder(path: str) -> str:
    return path.rstrip("/") or path


def _table(parent: Table, key: str) -> Table:
    value = parent.get(key, {})
    if not isinstance(value, dict):
        raise ValueError(f"CRI-O's {key} is {value!r}, which is not a table")  # noqa: TRY004 - one kind of error
    return value


def _tables(parent: Table, key: str) -> dict[str, Table]:
    table = _table(parent, key)
    return {name: _table(table, name) for name in table}


def _text(table: Table, key: str) -> str:
    value = table.get(key, "")
    if not isinstance(value, str):
        raise ValueError(f"CRI-O's {key} is {value!r}, which is not a string")  # noqa: TRY004 - one kind of error
    return value


def _texts(table: Table, key: str) -> tuple[str, ...]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise ValueError(f"CRI-O's {key} is {value!r}, which is not a list of strings")
    return tuple(value)


def _flag(table: Table, key: str) -> bool:
    value = table.get(key, False)
    if not isinstance(value, bool):
        raise ValueError(f"CRI-O's {key} is {value!r}, which is not true or false")  # noqa: TRY004 - one kind of error
    return value
