"""Where containerd pulls each registry's images from: one `hosts.toml` per registry, with its certificates beside it.

Read in `remotes/docker/config/hosts.go` of 1.5 to 1.7 and `core/remotes/docker/config/hosts.go` of 2.x: hosts are
tried in the file's order, `server` last; the top-level keys are the server's; a relative file name starts at the
folder of hosts.toml.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

import tomlkit

from migrator.memoize import memoize
from migrator.nodeconf.settings import Endpoint, Registry, Written
from migrator.runtimes.containerd.config_versions import HOSTS_TOML
from migrator.runtimes.containerd.read import WILDCARD

Release = tuple[int, ...]
"""Major and minor, and the patch level where it is known: what depends on it is taken as missing without."""

OVERRIDE_PATH: Release = (1, 6)
"""First release with `override_path`."""
DEFAULT_FOLDER: Release = (1, 6, 17)
"""First release that looks into `_default` (backported from 1.7)."""
_NAME = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@+-]*")
_CAPABILITIES = ["pull", "resolve"]


def places(folders: Iterable[str], name: str) -> tuple[str, ...]:
    """Give where containerd looks for a registry's file, in order; it takes the first that is there.

    A port may stand behind an underscore, with another one at the end, as in `host_5000_`: that folder comes first
    (docs/hosts.md, "Port Handling"; config_unix.go, hostPaths).
    """
    host, colon, port = name.rpartition(":")
    names = [f"{host}_{port}_", name] if colon and port.isdigit() else [name]
    return tuple(posixpath.join(folder, each, "hosts.toml") for folder in folders for each in names)


def used(version: Release) -> bool:
    """Tell whether this containerd reads `hosts.toml` at all."""
    return version >= HOSTS_TOML


@memoize
def write(registries: tuple[Registry, ...], folder: str, version: Release) -> tuple[Written, ...]:
    """Give each registry's hosts.toml below `folder`, each followed by the certificates and keys that it names.

    There is nothing to write for a containerd that does not read them (`used`). Raises `ValueError` for a name or
    address that is none, and for what this release cannot be told.
    """
    if not used(version):
        return ()
    if not folder.startswith("/") or ".." in folder.split("/"):
        raise ValueError(f"the folder for hosts.toml must be an absolute path without `..`, not {folder!r}")
    return tuple(written for registry in registries for written in _registry(registry, folder, version))


def _registry(registry: Registry, folder: str, version: Release) -> Iterable[Written]:
    if registry.name == WILDCARD and version < DEFAULT_FOLDER:
        raise ValueError(
            'mirrors for all registries ("*") need containerd 1.6.17 or newer; name each registry that has images here'
        )
    if registry.name != WILDCARD and not _NAME.fullmatch(registry.name):
        raise ValueError(f"{registry.name!r} is no registry: a host is needed, with a port or without")
    place = posixpath.join(folder, "_default" if registry.name == WILDCARD else registry.name)
    own = [registry.server] if registry.server.url else []
    hosts = [host for endpoint in (*registry.mirrors, *own) for host in _hosts(endpoint)]
    names = _file_names(hosts)
    yield Written(path=f"{place}/hosts.toml", content=_text(hosts, names, has_server=bool(own), version=version))
    keys = {key for host in hosts for _, key in host.clients}
    for source, name in names.items():
        yield Written(path=f"{place}/{name}", copies=source, mode="0600" if source in keys else "0644")


def _hosts(endpoint: Endpoint) -> list[Endpoint]:
    """Give the hosts that an address is written as: two where HTTP is to be tried after HTTPS.

    From 1.6.25, 1.7.7 and 2.0 on, containerd can do that by itself (`http://` with `skip_verify`), but only when the
    port is not 80 and the registry answers a TLS handshake with a whole HTTP response; two hosts always work.
    """
    parts = urlsplit(endpoint.url)
    if parts.scheme not in {"http", "https"} or not _NAME.fullmatch(parts.netloc) or parts.query or parts.fragment:
        raise ValueError(f"{endpoint.url!r} is no address of a registry: http(s)://host[:port][/path] is needed")
    rest = f"{parts.netloc}{parts.path.rstrip('/')}"
    if not endpoint.fallback_http:
        return [endpoint.model_copy(update={"url": f"{parts.scheme}://{rest}"})]
    plain = Endpoint(url=f"http://{rest}", override_path=endpoint.override_path)
    return [endpoint.model_copy(update={"url": f"https://{rest}", "skip_verify": True}), plain]


def _text(hosts: list[Endpoint], names: Mapping[str, str], *, has_server: bool, version: Release) -> str:
    """Write the file. A host's table must be there: without any, 1.5 to 1.7.31 refuse the file (getSortedHosts)."""
    document = tomlkit.document()
    if has_server:
        document["server"] = _address(hosts[-1], version)
        document.update(_keys(hosts[-1], names))
    others = hosts[:-1] if has_server and len(hosts) > 1 else hosts
    tables = tomlkit.table(is_super_table=True)
    for host in others:
        if (address := _address(host, version)) in tables:
            continue
        tables[address] = {"capabilities": _CAPABILITIES, **_keys(host, names)}
    document["host"] = tables
    return tomlkit.dumps(document)


def _address(host: Endpoint, version: Release) -> str:
    """Write an address so that containerd asks the same URLs: it adds `/v2` to a path that does not end in it."""
    path = urlsplit(host.url).path
    ends = path.endswith("/v2")
    if host.override_path and path and not ends and version < OVERRIDE_PATH:
        raise ValueError(f"{host.url!r} is the API itself, which only containerd 1.6 and newer can be told")
    return f"{host.url}/v2" if ends and not host.override_path else host.url


def _keys(host: Endpoint, names: Mapping[str, str]) -> dict[str, object]:
    keys: dict[str, object] = {}
    if host.override_path and not host.url.endswith("/v2"):
        keys["override_path"] = True
    if host.skip_verify:
        keys["skip_verify"] = True
    if host.ca:
        keys["ca"] = [names[path] for path in host.ca]
    if host.clients:
        keys["client"] = [[names[certificate], names[key]] for certificate, key in host.clients]
    return keys


def _file_names(hosts: Iterable[Endpoint]) -> dict[str, str]:
    """Give each certificate and key, by its path on the node, a name of its own in the folder of hosts.toml."""
    sources = dict.fromkeys(
        path for host in hosts for path in (*host.ca, *(path for pair in host.clients for path in pair))
    )
    names: dict[str, str] = {}
    for source in sources:
        name = posixpath.basename(source)
        if not source.startswith("/") or not _FILE.fullmatch(name):
            raise ValueError(f"{source!r} cannot be a certificate's path: an absolute path to a plain name is needed")
        taken = {"hosts.toml", *names.values()}
        numbered = (f"{number}-{name}" for number in range(2, len(sources) + 3))
        names[source] = name if name not in taken else next(other for other in numbered if other not in taken)
    return names
