"""Where CRI-O pulls from: containers/image's registries.conf of the second format, its certificates, its policy.

Sources: containers/image, docs/containers-registries.conf.5.md, pkg/sysregistriesv2, docker/docker_client.go and
pkg/tlsclientconfig, as CRI-O 1.20 to 1.36 have them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from migrator.memoize import memoize
from migrator.model.base import Value
from migrator.nodeconf import host_files
from migrator.nodeconf.settings import Endpoint, Registry, Written

CONFIG = "/etc/containers/registries.conf"
DROP_IN = "/etc/containers/registries.conf.d/zz-migrator.conf"
POLICY = "/etc/containers/policy.json"
CERTIFICATES = "/etc/containers/certs.d"

_DOCKER_HUB = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
"""Names of one registry; containers/image takes the first and knows itself which host that is."""
_NAME = r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)"
_HOST = re.compile(rf"(?:{_NAME}(?:\.{_NAME})*|\[[0-9A-Fa-f:]+\])(?::[0-9]{{1,5}})?", re.ASCII)
_PATH = re.compile(r"(?:/[A-Za-z0-9]+(?:[._-]+[A-Za-z0-9]+)*)*", re.ASCII)
_FILE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", re.ASCII)
_ALLOW_ALL = '{\n  "default": [{"type": "insecureAcceptAnything"}]\n}\n'


class _Location(Value):
    """An endpoint in containers/image's words."""

    location: str
    insecure: bool
    """Certificates are not checked, and HTTP is tried after HTTPS."""

    @property
    def host(self) -> str:
        return self.location.partition("/")[0]


@memoize
def write(registries: Iterable[Registry], *, copies_to: str = CERTIFICATES) -> tuple[Written, ...]:
    """Give the drop-in of registries.conf, and the certificates of each host as copies.

    Short names go to docker.io, as Docker took them. `copies_to` is the folder with one folder of certificates for
    each host.
    Raises `ValueError` for what containers/image cannot do: a registry that is not a host, an address with
    credentials, a query, or a path that stands before `/v2/`; and for a registry that comes twice.
    """
    blocks: list[dict[str, object]] = []
    copies: dict[str, Written] = {}
    seen: set[str] = set()
    for registry in registries:
        prefix = _prefix(registry.name)
        if prefix in seen:
            raise ValueError(f"registry {prefix} is described twice; only the first would count")
        seen.add(prefix)
        server = _location(registry.server, prefix)
        mirrors = [_location(mirror, prefix) for mirror in registry.mirrors]
        blocks.append({"prefix": prefix, "location": server.location, "insecure": server.insecure, "mirrors": mirrors})
        for endpoint, location in zip((registry.server, *registry.mirrors), (server, *mirrors), strict=True):
            _copy(endpoint, f"{copies_to}/{location.host}", copies)
    text = host_files.render("registries.conf.j2", registries=blocks)
    return (Written(path=DROP_IN, content=text), *copies.values())


def policy(existing: str) -> Written | None:
    """Give the policy that accepts every image, as Docker did; None when there is one already.

    Without any, CRI-O refuses every pull (containers-policy.json(5)).
    """
    return None if existing.strip() else Written(path=POLICY, content=_ALLOW_ALL)


def _prefix(name: str) -> str:
    """Take a registry's name; a network such as 10.0.0.0/8 is none."""
    if not _HOST.fullmatch(name):
        raise ValueError(f"registry {name!r} is not a host with an optional port, which is all that CRI-O can be told")
    return "docker.io" if name in _DOCKER_HUB else name


def _location(endpoint: Endpoint, prefix: str) -> _Location:
    """Drop the scheme, which may not stand there, and `/v2`, which containers/image puts after the host itself."""
    try:
        parts = urlsplit(endpoint.url)
    except ValueError as error:
        raise ValueError(f"an address for {prefix} is no URL: {error}") from error
    if "@" in parts.netloc:  # the address is not repeated: what stands before the @ may be a password
        raise ValueError(f"an address for {prefix} has credentials in it; give them to the kubelet instead")
    shown = f"address {endpoint.url!r} for {prefix}"
    if parts.scheme not in {"http", "https"} or not _HOST.fullmatch(parts.netloc) or parts.query or parts.fragment:
        raise ValueError(f"{shown} is not http:// or https:// with a host and an optional port")
    path = parts.path.rstrip("/")
    inside = path.removeprefix("/v2") if path == "/v2" or path.startswith("/v2/") else path
    if path and path == inside:
        raise ValueError(
            f"{shown} has a path that Docker puts before /v2/ and CRI-O would put after it: "
            "give the registry a host name or port of its own, or leave it out"
        )
    if not _PATH.fullmatch(inside):
        raise ValueError(f"{shown} has a path that no repository can have")
    host = "docker.io" if parts.netloc in _DOCKER_HUB else parts.netloc
    insecure = endpoint.skip_verify or endpoint.fallback_http or parts.scheme == "http"
    return _Location(location=host + inside, insecure=insecure)


def _copy(endpoint: Endpoint, folder: str, copies: dict[str, Written]) -> None:
    """Add an endpoint's certificates: authorities are `*.crt`, a client is `*.cert` with a `*.key` of that name."""
    for source in endpoint.ca:
        _place([(source, ".crt", "0644")], folder, copies)
    for certificate, key in endpoint.clients:
        _place([(certificate, ".cert", "0644"), (key, ".key", "0600")], folder, copies)


def _place(group: list[tuple[str, str, str]], folder: str, copies: dict[str, Written]) -> None:
    """Copy files that belong together under one name, which is the first one's; another's name is not taken."""
    stem = _stem(group[0][0])
    for source, _, _ in group[1:]:
        _stem(source)
    for number in range(len(copies) + 2):
        name = f"{folder}/{stem}-{number}" if number else f"{folder}/{stem}"
        wanted = {
            name + suffix: Written(path=name + suffix, copies=source, mode=mode) for source, suffix, mode in group
        }
        if all(copies.get(path, entry) == entry for path, entry in wanted.items()):
            # One that lies where it belongs already is not written onto itself.
            copies.update({path: entry for path, entry in wanted.items() if entry.copies != path})
            return


def _stem(source: str) -> str:
    path = PurePosixPath(source)
    if not path.is_absolute() or ".." in path.parts or not _FILE_NAME.fullmatch(path.name):
        raise ValueError(f"certificate {source!r} is not an absolute path to a file with a plain name")
    return path.stem
