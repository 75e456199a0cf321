"""containerd's configuration: the present file with our settings in it, the user's own left alone."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from migrator.memoize import memoize
from migrator.nodeconf.settings import Endpoint, Handler, Registry, RuntimeSettings
from migrator.runtimes.containerd import config_versions, toml_edit
from migrator.runtimes.containerd import read as containerd_read
from migrator.runtimes.containerd.config_upgrade import Tables, lift_1, lift_2, table
from migrator.runtimes.containerd.read import find
from migrator.versions import Version

CONFIG = containerd_read.CONFIG
ENDPOINT = "unix:///run/containerd/containerd.sock"
_SECRETS = frozenset({"auth", "password", "identitytoken", "username"})
_PLAIN = (
    "root", "state", "pause_image", "default_handler", "cni_conf_dir", "selinux", "cdi_folders", "max_downloads",
    "log_level", "log_format", "metrics_address",
)  # fmt: skip
"""Settings that are written as they are."""


@memoize
def write(existing: str, settings: RuntimeSettings, version: Version, *, spec: str = "") -> str:
    """Give the new text of `config.toml` for this release of containerd.

    Dialect 2 for 1.x and 3 for 2.x; a file of dialect 4 stays one. An empty setting leaves the user's value alone;
    so does one that this release has no key for (`unsupported`). `spec` is the path of a base specification, which
    every handler then starts from. Mirrors and certificates in the file (`containerd_read.registries`) go, for
    hosts.toml takes their place. Writing again changes nothing. Raises `ValueError` when the file is not TOML, says
    what this release cannot be told, or would not have the effect that `settings` ask for.
    """
    version = version[:2]
    before, plain = containerd_read.load(existing), containerd_read.load(existing)
    try:
        number = _rewrite(plain, settings, version, spec)
        wanted = {**plain, "version": number}
        if wanted == before:
            return existing
        text = toml_edit.changed(existing, lambda document: _rewrite(document, settings, version, spec), wanted)
    except ValueError as error:
        message = str(error)
        raise ValueError(message if message.startswith(CONFIG) else f"{CONFIG} {message}") from error
    _prove(text, wanted, settings, version)
    return text


def unsupported(settings: RuntimeSettings, version: Version) -> tuple[str, ...]:
    """Name the fields that say something and that this release of containerd has no key for."""
    default = RuntimeSettings(cgroup_driver=settings.cgroup_driver)
    number = config_versions.dialect(0, version[:2])
    missing = [name for name in config_versions.PLACES if config_versions.place(name, number, version[:2]) is None]
    fields = [*config_versions.NO_PLACE, *(name for name in missing if name in RuntimeSettings.model_fields)]
    if version < config_versions.BASE_SPEC:
        fields.append("ulimits")
    return tuple(
        name
        for name in fields
        if getattr(settings, name) != getattr(default, name)
        and (name != "cni_bin_dirs" or len(settings.cni_bin_dirs) > 1)
    )


@memoize
def credentials(existing: str) -> bool:
    """Tell whether the file holds credentials, which a plan must not show or carry."""

    def holds(value: object) -> bool:
        if isinstance(value, dict):
            return any(key in _SECRETS or holds(inner) for key, inner in value.items())
        return isinstance(value, list) and any(holds(inner) for inner in value)

    try:
        return holds(containerd_read.known(existing))
    except ValueError:
        return False  # `write` refuses such a file with the parser's own words


@lru_cache(maxsize=64)
def root(existing: str) -> str:
    """Give the data folder that the file says; "" when it says none. Raises `ValueError` when it is not TOML."""
    return str(containerd_read.known(existing).get("root") or "")


def certs_folder(existing: str) -> str:
    """Give the folder that hosts.toml files belong in: the first of `certs_folders`. Raises likewise."""
    return certs_folders(existing)[0]


def certs_folders(existing: str) -> tuple[str, ...]:
    """Give the folders that containerd looks into for a registry's, in order, for each registry the first that has it.

    They are the file's own choice, with colons between them, else containerd's usual one (hosts.go, HostDirFromRoots).
    Raises `ValueError` when the file is not TOML.
    """
    said = _certs_path(existing).split(":")
    return tuple(folder.rstrip("/") or folder for folder in said if folder) or ("/",)


@memoize
def _certs_path(existing: str) -> str:
    """Give what the file says. Raises `ValueError` when it is not TOML."""
    document = containerd_read.known(existing)
    number = containerd_read.version(document)
    said = [find(document, path) for path in config_versions.candidates("config_path", number)]
    return next((str(value) for value in said if value), config_versions.config_path(config_versions.HOSTS_TOML))


def _rewrite(document: Tables, settings: RuntimeSettings, version: Version, spec: str) -> int:
    """Bring the file to the dialect for this release, and set everything in it; give that dialect."""
    present = containerd_read.version(document)
    number = config_versions.dialect(present, version)
    moved = containerd_read.registries_of(document) if version >= config_versions.HOSTS_TOML else ()
    if present == 1:
        lift_1(document, number)
        document.pop("version", None)
    elif present < number == 3:
        lift_2(document)
        document["version"] = 3
    _enable(document)
    _Writer(document, number, version).write(settings, spec, moved=bool(moved))
    return number


def _enable(document: Tables) -> None:
    """Take CRI off the list of plugins that are switched off."""
    names = containerd_read.strings(document.get("disabled_plugins"))
    if config_versions.CRI_PLUGINS & set(names):
        document["disabled_plugins"] = [name for name in names if name not in config_versions.CRI_PLUGINS]


class _Writer:
    """Sets settings in a document of one dialect, for one release."""

    def __init__(self, document: Tables, number: int, version: Version) -> None:
        self._document = document
        self._number = number
        self._version = version

    def write(self, settings: RuntimeSettings, spec: str, *, moved: bool) -> None:
        for name in _PLAIN:
            value = getattr(settings, name)
            self._set(name, list(value) if isinstance(value, tuple) else value)
        self._set("storage", config_versions.SNAPSHOTTERS.get(settings.storage, settings.storage))
        for name, since in config_versions.ON_BY_DEFAULT.items():
            if getattr(settings, name) and (self._version < since or self._get(name) is not None):
                self._set(name, value=True)
        self._write_folders(settings.cni_bin_dirs)
        self._write_handlers(settings, spec)
        if self._version >= config_versions.HOSTS_TOML:
            self._write_config_path(needed=moved or bool(settings.registries))
        else:
            _write_mirrors(table(self._document, *self._path("registry")), settings.registries)

    def _path(self, name: str) -> config_versions.Path:
        return config_versions.place(name, self._number, self._version) or ()

    def _get(self, name: str) -> object:
        path = self._path(name)
        return find(self._document, path) if path else None

    def _set(self, name: str, value: object) -> None:
        """Set a value that is not empty where this release has a place for it, and at no other."""
        path = self._path(name)
        if not path or not value:
            return
        for other in config_versions.candidates(name, self._number):
            if other != path and find(self._document, other) is not None:
                del table(self._document, *other[:-1])[other[-1]]
        _put(table(self._document, *path[:-1]), {path[-1]: value})

    def _drop_if_empty(self, name: str) -> None:
        """Take a table away in which nothing is left, and those around it likewise."""
        path = self._path(name)
        while len(path) > 1 and find(self._document, path) == {}:
            del table(self._document, *path[:-1])[path[-1]]
            path = path[:-1]

    def _write_folders(self, folders: tuple[str, ...]) -> None:
        if not self._path("cni_bin_dirs"):
            self._set("cni_bin_dir", folders[0] if folders else "")
            return
        self._set("cni_bin_dirs", list(folders))
        if folders:
            for path in config_versions.candidates("cni_bin_dir", self._number):
                table(self._document, *path[:-1]).pop(path[-1], None)

    def _write_handlers(self, settings: RuntimeSettings, spec: str) -> None:
        runtimes = table(self._document, *self._path("handlers"))
        _modernise(table(runtimes, "runc"), config_versions.RUNC_V2)
        for handler in settings.handlers:
            self._write_handler(table(runtimes, handler.name), handler)
        for name in runtimes:
            runtime = table(runtimes, name)
            if runtime.get("runtime_type") in config_versions.RUNC_TYPES:
                if self._version >= config_versions.DIALECT_3:
                    _put(runtime, {"runtime_type": config_versions.RUNC_V2})
                _put(table(runtime, "options"), {"SystemdCgroup": settings.cgroup_driver == "systemd"})
            if spec:
                self._write_spec(runtime, name, spec)
        table(self._document, *self._path("handlers")[:-2]).pop("systemd_cgroup", None)  # of LINUX_V1 alone
        default = str(self._get("default_handler") or "runc")
        if default not in runtimes:
            raise ValueError(f"would have the default handler {default!r}, but no such handler: {sorted(runtimes)}")

    def _write_handler(self, runtime: Tables, handler: Handler) -> None:
        _modernise(runtime, handler.kind)
        if {handler.kind, runtime["runtime_type"]} - config_versions.RUNC_TYPES:
            _put(runtime, {"runtime_type": handler.kind})
        options: dict[str, str | int | bool] = dict(handler.options)
        if handler.program and handler.kind in config_versions.RUNC_TYPES:
            options["BinaryName"] = handler.program
        elif handler.program and self._version < config_versions.RUNTIME_PATH:
            raise ValueError(f"cannot name the program of {handler.name!r} ({handler.kind}) before containerd 1.6")
        elif handler.program:
            _put(runtime, {"runtime_path": handler.program})
        if options:
            _put(table(runtime, "options"), options)

    def _write_spec(self, runtime: Tables, name: str, spec: str) -> None:
        own = runtime.get("base_runtime_spec") or spec
        if self._version < config_versions.BASE_SPEC:
            raise ValueError("cannot limit resources by a base specification before containerd 1.5")
        if own != spec:
            raise ValueError(
                f"gives the handler {name!r} a base specification of its own, {own}; write the limits into that file "
                f"by hand, and take the default limits out of Docker's configuration"
            )
        _put(runtime, {"base_runtime_spec": spec})

    def _write_config_path(self, *, needed: bool) -> None:
        """Take the mirrors and certificates out, which containerd refuses beside `config_path`; name the folder."""
        registry = find(self._document, self._path("registry"))
        if isinstance(registry, Mapping):
            registry = table(self._document, *self._path("registry"))
            for name, entry in {**containerd_read.entries(registry, "configs")}.items():
                if isinstance(entry, MutableMapping) and "tls" in entry:
                    del entry["tls"]
                if not entry:
                    del registry["configs"][name]
            for name in ("mirrors", "configs"):
                if name in registry and (name == "mirrors" or not registry[name]):
                    del registry[name]
            self._drop_if_empty("registry")
        if needed and not self._get("config_path"):
            self._set("config_path", config_versions.config_path(self._version))


def _put(into: Tables, values: Mapping[str, object]) -> None:
    """Set what differs, so that lines which are right already stay as the user wrote them."""
    for key, value in values.items():
        if key not in into or into[key] != value or isinstance(into[key], bool) != isinstance(value, bool):
            into[key] = value


def _modernise(runtime: Tables, kind: str) -> None:
    """Give a handler's table a type where it has none, and runc's where it has the one before."""
    if runtime.get("runtime_type") == config_versions.LINUX_V1:
        for key, option in config_versions.LINUX_V1_OPTIONS.items():
            if said := runtime.pop(key, ""):
                table(runtime, "options")[option] = said
    if runtime.get("runtime_type") in {None, "", config_versions.LINUX_V1}:
        runtime["runtime_type"] = kind


def _write_mirrors(registry: Tables, registries: tuple[Registry, ...]) -> None:
    """Say in config.toml what later releases have hosts.toml for (containerd 1.4)."""
    for entry in registries:
        own = [entry.server] if entry.server.url else []
        endpoints = (*entry.mirrors, *own)
        urls = [url for endpoint in endpoints for url in _legacy_urls(endpoint)]
        _put(table(registry, "mirrors", entry.name), {"endpoint": urls})
        for endpoint in endpoints:
            tls = _legacy_tls(endpoint)
            if tls:
                _put(table(registry, "configs", urlsplit(endpoint.url).netloc, "tls"), tls)


def _legacy_urls(endpoint: Endpoint) -> list[str]:
    """Give an address as CRI's mirrors have it: a path is where the API is, no path means `/v2`."""
    parts = urlsplit(endpoint.url)
    schemes = ["https", "http"] if endpoint.fallback_http else [parts.scheme]
    path = f"{parts.path}/v2" if parts.path and not endpoint.override_path else parts.path
    return [f"{scheme}://{parts.netloc}{path}" for scheme in schemes]


def _legacy_tls(endpoint: Endpoint) -> dict[str, Any]:
    if len(endpoint.ca) > 1 or len(endpoint.clients) > 1:
        raise ValueError(
            f"can name one file of authorities and one client certificate for {endpoint.url} before containerd 1.5, "
            f"and there are {len(endpoint.ca)} and {len(endpoint.clients)}; put them into one file each"
        )
    tls: dict[str, Any] = {}
    if endpoint.skip_verify or endpoint.fallback_http:
        tls["insecure_skip_verify"] = True
    if endpoint.ca:
        tls["ca_file"] = endpoint.ca[0]
    for certificate, key in endpoint.clients:
        tls.update(cert_file=certificate, key_file=key)
    return tls


def _prove(text: str, wanted: Mapping[str, Any], settings: RuntimeSettings, version: Version) -> None:
    """Read the text again. Raises `ValueError` when it lost something of the user's, or does not say our settings."""
    if containerd_read.load(text) != wanted:
        raise ValueError(f"{CONFIG} is written in a way that cannot be edited safely; write it more simply")
    found = containerd_read.settings(text)
    names = ("cgroup_driver", "cni_bin_dirs", *_PLAIN, *config_versions.ON_BY_DEFAULT)
    default_on = {name for name, since in config_versions.ON_BY_DEFAULT.items() if version >= since}
    for name in set(names) - default_on - set(unsupported(settings, version)):
        value = getattr(settings, name)
        if value and getattr(found, name) != value:
            raise ValueError(f"{CONFIG} would say {name}={getattr(found, name)!r} instead of {value!r}")
    programs = {handler.name: handler.program for handler in found.handlers}
    for handler in settings.handlers:
        if handler.program and programs.get(handler.name) != handler.program:
            raise ValueError(f"{CONFIG} would give the handler {handler.name!r} another program than {handler.program}")
