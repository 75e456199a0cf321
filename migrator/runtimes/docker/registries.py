"""Registries: Docker's mirrors, insecure registries and certificates, in one list.

moby, registry/config.go and registry/service_v2.go: mirrors are for docker.io only, and a mirror's TLS is that of its
own host; an insecure registry is asked by HTTPS without a look at its certificate, then by HTTP.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

from migrator.nodeconf.settings import Endpoint, Registry
from migrator.runtimes.docker.addresses import HOST, MIRROR, Network, bare_registry, network
from migrator.runtimes.docker.places import place
from migrator.runtimes.docker.rule_results import Case, RuleResult, carried, lost, never
from migrator.runtimes.docker.source import DockerSource
from migrator.runtimes.registry import RUNTIMES

HUB = "docker.io"
HUB_NAMES = frozenset({HUB, "registry-1.docker.io"})
HUB_SERVER = "https://registry-1.docker.io"
_LOOPBACK = ("127.0.0.0/8", "::1/128")
"""Networks that Docker always takes for insecure."""
_SPOKEN = {
    "https": "it speaks HTTPS, and its certificate is not checked",
    "http": "it speaks HTTP",
    "": "what it speaks is not known: HTTPS without a check of its certificate is tried first, then HTTP",
}


def registries(source: DockerSource, runtime: str) -> tuple[Registry, ...]:
    """Give every registry that needs something said: docker.io when it has mirrors, then the others by their names."""
    mirrors = tuple(_mirror(url, source) for url in _mirrors(source.given) if _sayable(url, runtime))
    hub = [Registry(name=HUB, server=Endpoint(url=HUB_SERVER), mirrors=mirrors)] if mirrors else []
    insecure = _insecure_hosts(source)
    certified = {entry.registry for entry in source.certificates if HOST.fullmatch(entry.registry)}
    names = [*insecure, *sorted(certified - set(insecure) - HUB_NAMES)]
    return (*hub, *(Registry(name=name, server=_server(name, source)) for name in names))


def judge_mirrors(value: list[str], case: Case) -> RuleResult | Mapping[str, RuleResult]:
    """Keep mirrors of docker.io; one by one where the new runtime cannot be told each."""
    where = carried(place("mirrors", case.to), "asked before docker.io itself, in the same order")
    other = lost("CRI-O asks a mirror for /v2/ at the top of its host, and this one has a path before it")
    verdicts = {url: where if _sayable(url, case.to.runtime) else other for url in value}
    return where if set(verdicts.values()) == {where} else verdicts


def judge_insecure(value: list[str], case: Case) -> Mapping[str, RuleResult]:
    """Judge each registry and network."""
    return {entry: _judge_insecure(bare_registry(entry), case) for entry in value}


def _judge_insecure(name: str, case: Case) -> RuleResult:
    if name in HUB_NAMES:
        return never("Docker takes docker.io for secure whatever is said here")
    net = network(name)
    if net is None:
        return carried(place("registry", case.to, name), _SPOKEN[_probed(name, case.source)])
    inside = [host for host in _known_hosts(case.source) if _is_inside(host, (net,))]
    if named := _named(case.source):
        return lost(
            "Docker looks names up, the new runtime is told single registries: name those of "
            f"{', '.join(named)} that are inside this network one by one, in insecure-registries"
        )
    if inside:
        where = place("registry", case.to, inside[0])
        return carried(where, f"for those that images or mirrors here name by address: {', '.join(inside)}")
    return lost("only single registries can be named, and no image or mirror here has an address inside this network")


def _mirrors(options: Mapping[str, Any]) -> list[str]:
    """Give the mirrors without repetitions, as Docker does."""
    urls = (MIRROR.fullmatch(url) for url in options.get("registry-mirrors") or [])
    plain = (f"{url['scheme'].lower()}://{url['host']}{url['path']}" for url in urls if url)
    return list(dict.fromkeys(url.rstrip("/") for url in plain))


def _sayable(url: str, runtime: str) -> bool:
    """Tell whether the runtime can ask this address."""
    path = url.partition("://")[2].partition("/")[2].strip("/")
    return RUNTIMES[runtime].mirror_paths or not path


def _host(url: str) -> str:
    return url.partition("://")[2].partition("/")[0]


def _mirror(url: str, source: DockerSource) -> Endpoint:
    if url.startswith("http://"):
        return Endpoint(url=url)
    host = _host(url)
    names, networks = _insecure(source.given)
    skip = host in names or _is_inside(host, (*networks, *map(ipaddress.ip_network, _LOOPBACK)))
    return Endpoint(url=url, skip_verify=skip, **_tls(host, source))


def _server(name: str, source: DockerSource) -> Endpoint:
    if name not in _insecure_hosts(source):
        return Endpoint(url=f"https://{name}", **_tls(name, source))
    probed = _probed(name, source)
    if probed == "http":
        return Endpoint(url=f"http://{name}")
    return Endpoint(url=f"https://{name}", skip_verify=True, fallback_http=not probed, **_tls(name, source))


def _probed(name: str, source: DockerSource) -> str:
    found = {bare_registry(entry): spoken for entry, spoken in source.insecure.items()}.get(name, "")
    return found if found in _SPOKEN else ""


def _tls(host: str, source: DockerSource) -> dict[str, Any]:
    """Give the certificates of a host's folder: authorities, and pairs that are whole."""
    of_host = [entry for entry in source.certificates if entry.registry == host]
    keys = {entry.path.removesuffix(".key"): entry.path for entry in of_host if entry.kind == "key"}
    clients = [entry.path for entry in of_host if entry.kind == "client"]
    stems = {path: path.removesuffix(".cert") for path in clients}
    return {
        "ca": tuple(entry.path for entry in of_host if entry.kind == "ca"),
        "clients": tuple((path, keys[stem]) for path, stem in stems.items() if stem in keys),
    }


def _insecure(options: Mapping[str, Any]) -> tuple[list[str], list[Network]]:
    """Give the hosts and the networks of the insecure registries."""
    bare = dict.fromkeys(bare_registry(entry) for entry in options.get("insecure-registries") or [])
    networks = {entry: network(entry) for entry in bare}
    hosts = [entry for entry, net in networks.items() if net is None and entry not in HUB_NAMES]
    return hosts, [net for net in networks.values() if net is not None]


def _insecure_hosts(source: DockerSource) -> list[str]:
    """Give the insecure registries by name, with those that only a network covers."""
    hosts, networks = _insecure(source.given)
    return list(dict.fromkeys([*hosts, *(host for host in _known_hosts(source) if _is_inside(host, networks))]))


def _known_hosts(source: DockerSource) -> list[str]:
    hosts = [*source.image_hosts, *map(_host, _mirrors(source.given))]
    return list(dict.fromkeys(host for host in hosts if HOST.fullmatch(host)))


def _named(source: DockerSource) -> list[str]:
    """Give the known hosts that are called by a name and that no entry of the insecure registries names."""
    hosts, _ = _insecure(source.given)
    others = [host for host in _known_hosts(source) if host not in {*hosts, *HUB_NAMES}]
    return [host for host in others if _address(host) is None]


def _is_inside(host: str, networks: Iterable[Network]) -> bool:
    """Tell whether a host is written as an address inside one of the networks; names are not looked up."""
    address = _address(host)
    return address is not None and any(address in net for net in networks)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    bare = host.rpartition("]")[0].removeprefix("[") or host.partition(":")[0]
    try:
        return ipaddress.ip_address("127.0.0.1" if bare == "localhost" else bare)
    except ValueError:
        return None
