"""What a configuration of containerd says, in the neutral settings: for proofs, and for a move from containerd.

Text of a file or of `containerd config dump`, in any dialect. Unknown keys are not errors: containerd ignores them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from migrator.memoize import memoize
from migrator.nodeconf.parsing import toml_document
from migrator.nodeconf.settings import Endpoint, Handler, Registry, RuntimeSettings
from migrator.runtimes.containerd import config_versions, value_types

CONFIG = "/etc/containerd/config.toml"
DOCKER_HUB = "https://registry-1.docker.io"
WILDCARD = "*"
"""Name of the mirrors for every registry that has none of its own."""
_TEXTS = ("root", "state", "pause_image", "default_handler", "log_level", "log_format", "metrics_address")
_SWITCHES = ("selinux", "unprivileged_ports", "unprivileged_ping", "cdi")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def load(text: str, path: str = CONFIG) -> dict[str, Any]:
    """Parse a configuration. Raises `ValueError` with the file's name and, where it is known, the line.

    So it does for a value of a kind that containerd does not start with.
    """
    try:
        document = toml_document(text)
        value_types.check(document)
    except ValueError as error:
        raise ValueError(f"{path} {error}") from error
    return document


@lru_cache(maxsize=256)
def known(text: str, path: str = CONFIG) -> Mapping[str, Any]:
    """Parse as `load` does, once for all nodes that have the same: the document must not be changed."""
    return load(text, path)


def version(document: Mapping[str, Any]) -> int:
    """Give the dialect: a file without `version` is of dialect 1. Raises `ValueError` for none of 1 to 4."""
    number = document.get("version", 1) or 1
    if not isinstance(number, int) or number not in {1, 2, 3, 4}:
        raise ValueError(f"{CONFIG} has `version = {number}`; known are 1 to 4")
    return int(number)


def find(document: Mapping[str, Any], path: config_versions.Path) -> Any:  # noqa: ANN401 - TOML has values of any type
    """Give the value at a path, None where a part of the path is missing or no table."""
    value: Any = document
    for name in path:
        if not isinstance(value, Mapping) or name not in value:
            return None
        value = value[name]
    return value


def settings(effective: str) -> RuntimeSettings:
    """Read a configuration of containerd.

    What it does not say is empty, or the default of `RuntimeSettings`; the cgroup driver is the default handler's, or
    runc's where that one has no such option, and finds it out from the kubelet's slices.
    Raises `ValueError` when it is not TOML, or of no known dialect.
    """
    return settings_of(known(effective))


def settings_of(document: Mapping[str, Any]) -> RuntimeSettings:
    """Read them in a document. Raises `ValueError` for one of no known dialect."""
    table = tables(document)
    said = {name: chosen(document, name) for name in (*_TEXTS, *_SWITCHES, "max_downloads", "storage", "cdi_folders")}
    default = str(said["default_handler"] or "runc")
    folders = chosen(document, "cni_bin_dir") or chosen(document, "cni_bin_dirs")
    snapshotter = str(said["storage"] or "")
    return RuntimeSettings(
        cgroup_driver="systemd" if _systemd(document, _of_runc(table, default)) else "cgroupfs",
        storage=config_versions.STORAGE.get(snapshotter, snapshotter),
        handlers=tuple(handler for handler in map(_handler, table, table.values()) if handler != Handler(name="runc")),
        registries=registries_of(document),
        max_downloads=_downloads(document, said["max_downloads"]),
        cdi_folders=strings(said["cdi_folders"]),
        **({"cni_bin_dirs": strings([folders] if isinstance(folders, str) else folders)} if folders else {}),
        **({"cni_conf_dir": value} if (value := chosen(document, "cni_conf_dir")) else {}),
        **{name: str(said[name] or "") for name in _TEXTS},
        **{name: bool(said[name]) for name in _SWITCHES},
    )


def tables(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Give the table of each low-level runtime by the name of its handler."""
    found = chosen(document, "handlers")
    return {k: v for k, v in found.items() if isinstance(v, Mapping)} if isinstance(found, Mapping) else {}


def _downloads(document: Mapping[str, Any], said: object) -> int:
    """Give the number of downloads: the older key, where it is not what it is by default, wins over the newer one."""
    older = find(document, config_versions.candidates("max_downloads", version(document))[-1])
    chosen_one = older if older not in (None, 0, config_versions.USUAL_DOWNLOADS) else said
    return chosen_one if isinstance(chosen_one, int) else 0


def _of_runc(handlers: Mapping[str, Mapping[str, Any]], default: str) -> Mapping[str, Any]:
    """Give the handler that says the cgroup driver: the default one, or else the first of runc's types."""
    told = (
        name for name in (default, "runc", *handlers) if _kind(handlers.get(name, {})) in config_versions.RUNC_TYPES
    )
    return handlers.get(next(told, default), {})


def _kind(handler: Mapping[str, Any]) -> str:
    return str(handler.get("runtime_type") or config_versions.RUNC_V2)


def disabled(text: str) -> bool:
    """Tell whether the file switches containerd's CRI plugin off. Raises `ValueError` when it is not TOML."""
    return bool(config_versions.CRI_PLUGINS & set(strings(known(text).get("disabled_plugins"))))


def imports(text: str) -> tuple[str, ...]:
    """Give the patterns of the files that are merged over this one; in 1.x each replaces whole plugins' tables."""
    return strings(known(text).get("imports"))


@memoize
def registries(existing: str) -> tuple[Registry, ...]:
    """Read the mirrors and certificates that stand in config.toml itself, as every containerd up to 2.3 allows.

    A registry's last endpoint is its server. Mirrors for all registries are called "*" and have no server: it is
    the registry that an image names. Raises `ValueError` when the text is not TOML.
    """
    return registries_of(known(existing))


def registries_of(document: Mapping[str, Any]) -> tuple[Registry, ...]:
    """Read them in a document. Raises `ValueError` for one of no known dialect."""
    table = chosen(document, "registry") or {}
    mirrors, configs = entries(table, "mirrors"), entries(table, "configs")
    secured = [name for name, entry in configs.items() if find(entry, ("tls",))]
    hub = urlsplit(DOCKER_HUB).netloc
    implied = ["docker.io" if name == hub else name for name in secured]
    names = [*mirrors, *(name for name in dict.fromkeys(implied) if name not in mirrors)]
    found = (_registry(name, find(mirrors, (name, "endpoint")), configs) for name in names)
    return tuple(registry for registry in found if registry.mirrors or registry.server != _plain_server(registry.name))


def entries(within: object, name: str) -> Mapping[str, Any]:
    """Give a table in a table; {} when there is none."""
    found = find(within, (name,)) if isinstance(within, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _registry(name: str, endpoints: object, configs: Mapping[str, Any]) -> Registry:
    """Order a registry's addresses as CRI does: its own comes last, unless it is among them (registryEndpoints)."""
    urls = [url if "://" in url else f"{_scheme(url)}://{url}" for url in strings(endpoints)]
    plain = _plain_server(name)
    if plain.url and name not in {urlsplit(url).netloc for url in urls}:
        urls.append(plain.url)
    entries = _joined(list(dict.fromkeys(_endpoint(url, configs) for url in urls)))
    server = entries.pop() if plain.url else plain
    return Registry(name=name, server=server, mirrors=tuple(entries))


def _joined(entries: list[Endpoint]) -> list[Endpoint]:
    """Make one address of HTTPS without checks and, right after it, HTTP at the same place."""
    joined: list[Endpoint] = []
    for entry in entries:
        before = joined[-1] if joined else entry
        same = before.skip_verify and before.url.partition("://") == ("https", "://", entry.url.partition("://")[2])
        if same and entry.url.startswith("http://"):
            joined[-1] = before.model_copy(update={"fallback_http": True})
        else:
            joined.append(entry)
    return joined


def _plain_server(name: str) -> Endpoint:
    """Give the address that a registry has when nothing is said about it."""
    if name == WILDCARD:
        return Endpoint(url="")
    return Endpoint(url=DOCKER_HUB if name == "docker.io" else f"{_scheme(name)}://{name}")


def _scheme(address: str) -> str:
    return "http" if urlsplit(f"//{address}").hostname in _LOOPBACK else "https"


def _endpoint(url: str, configs: Mapping[str, Any]) -> Endpoint:
    """Read one address. Its path is where the API is, and none means `/v2` (pkg/cri/server/image_pull.go)."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    base = path.removesuffix("/v2")
    tls = entries(configs.get(parts.netloc), "tls")
    pair = (str(tls.get("cert_file") or ""), str(tls.get("key_file") or ""))
    return Endpoint(
        url=f"{parts.scheme}://{parts.netloc}{base}",
        override_path=bool(path) and base == path,
        skip_verify=bool(tls.get("insecure_skip_verify")),
        ca=strings([tls.get("ca_file") or ""]),
        clients=(pair,) if all(pair) else (),
    )


def chosen(document: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - as `find`
    """Give a setting's value from the first place where it is said; an empty one counts as not said."""
    places = config_versions.candidates(name, version(document))
    return next((value for value in (find(document, path) for path in places) if value not in ("", [], None)), None)


def strings(value: object) -> tuple[str, ...]:
    """Give the entries of a list as text, those that are empty left out; () for what is no list."""
    return tuple(str(entry) for entry in value if entry) if isinstance(value, list) else ()


def _systemd(document: Mapping[str, Any], runtime: Mapping[str, Any]) -> bool:
    """Tell whether the cgroup driver is systemd; the oldest files say it for all runtimes at once."""
    if version(document) <= 2:
        cri = config_versions.CRI_1 if version(document) == 1 else config_versions.CRI_2
        if find(document, (*cri, "systemd_cgroup")):
            return True
    return find(runtime, ("options", "SystemdCgroup")) is True


def _handler(name: str, table: Mapping[str, Any]) -> Handler:
    """Read a low-level runtime. Options with their zero value say nothing: a dump lists every option there is."""
    kind = _kind(table)
    known = dict(_options(table.get("options")))
    path = str(table.get("runtime_path") or "")
    program = str(known.pop("BinaryName", "")) if kind in config_versions.RUNC_TYPES else path
    known.pop("SystemdCgroup", None) if kind in config_versions.RUNC_TYPES else None
    return Handler(name=name, program=program, kind=kind, options=known)


def _options(table: object) -> Iterator[tuple[str, str | int | bool]]:
    if isinstance(table, Mapping):
        yield from ((key, value) for key, value in table.items() if value and isinstance(value, str | int))
