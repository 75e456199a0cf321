"""How Docker names registries: mirrors by URL, insecure ones by host or network (moby, registry/config.go)."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from migrator.runtimes.docker.validators import texts

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9{extra}-]*[A-Za-z0-9])?"
_IPV6_AND_PORT = r"|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?"


def _host(extra: str) -> str:
    label = _LABEL.replace("{extra}", extra)
    return rf"(?:{label}(?:\.{label})*{_IPV6_AND_PORT}"


HOST = re.compile(_host(""), re.ASCII)
"""A registry's host, with a port or without (distribution/reference, DomainRegexp)."""
_PATH = r"(?P<path>(?:/[A-Za-z0-9._~%+-]*)*)"
MIRROR = re.compile(rf"(?P<scheme>https?)://(?P<host>{_host('_')}){_PATH}", re.ASCII | re.IGNORECASE)
"""A mirror's URL, without credentials and query (`ValidateMirror`); its host may have what a URL's host may."""
_INDEX_SCHEME = re.compile(r"^https?://", re.IGNORECASE)
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def mirrors(key: str, value: Any) -> None:  # noqa: ANN401
    """Take a list of mirrors: URLs of a registry, without credentials."""
    texts(key, value)
    for entry in value:
        match = MIRROR.fullmatch(entry)
        shown = "a URL with credentials" if "@" in entry else repr(entry)
        if match is None or int(match["port"] or 0) >= 2**16 or ".." in match["path"].split("/"):
            raise ValueError(f"{key} has {shown}: it must be http:// or https://, a host, maybe a port and a path")


def insecure(key: str, value: Any) -> None:  # noqa: ANN401
    """Take a list of registries: hosts with or without a port, or networks."""
    texts(key, value)
    for entry in value:
        bare = _INDEX_SCHEME.sub("", entry)
        match = HOST.fullmatch(bare)
        if network(bare) is None and (match is None or int(match["port"] or 0) >= 2**16):
            shown = "an address with credentials" if "@" in entry else repr(entry)
            raise ValueError(f"{key} has {shown}: it must be a registry's host[:port], or a network such as 10.0.0.0/8")


def bare_registry(entry: str) -> str:
    """Give an insecure registry as Docker takes it: without a scheme, and Docker's index by its one name."""
    bare = _INDEX_SCHEME.sub("", entry)
    return "docker.io" if bare == "index.docker.io" else bare


def network(entry: str) -> Network | None:
    """Read a network in CIDR notation, or an IPv6 address without brackets; None when it is neither."""
    if not re.fullmatch(r"[0-9.]+/[0-9]{1,2}|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(/[0-9]{1,3})?", entry):
        return None
    try:
        return ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return None
