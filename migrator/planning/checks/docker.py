"""Docker's settings: which are lost, and what they say about the node."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from migrator.model.fate import Fate
from migrator.model.plan import Finding, Severity
from migrator.nodeconf.settings import Endpoint, has_user
from migrator.planning.checks.findings import found, listed
from migrator.planning.checks.lenient_reads import docker_config, table, toml
from migrator.planning.inputs import NodeInputs, Translation
from migrator.runtimes.containerd.runtime import hosts_file

_HOST = re.compile(r"^(?:--host=|-H=?)(?=.)")
_ROOTS_LOGIN = ("/root/.docker/config.json", "/root/.dockercfg")

_NO_HOST_NEEDED = (2, 0)
"""First containerd that takes a hosts.toml with a server alone (hosts.go, getSortedHosts)."""


def settings(_: NodeInputs, draft: Translation) -> Iterator[Finding]:
    """Settings of Docker that pods rely on must not vanish without a word."""
    lost = [fate for fate in draft.fates if fate.fate is Fate.LOST]
    if lost:
        yield found(
            "docker-settings-lost",
            "lost: " + listed(f"{fate.key} ({fate.reason})" if fate.reason else fate.key for fate in lost),
            "see that no pod needs them, or give the pods the same in another way",
        )
    unknown = [fate.key for fate in draft.fates if fate.fate is Fate.UNKNOWN]
    if unknown:
        yield found(
            "docker-unknown-key",
            f"no Docker from 1.13 to 29 has {listed(unknown)}",
            "see what they are for, and configure the same for the new runtime by hand",
        )


def store(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """Images can be carried out of Docker's own store only."""
    if now.facts.docker and now.facts.docker.containerd_store:
        yield found(
            "docker-image-store",
            "Docker keeps its images in containerd's store (io.containerd.snapshotter.v1)",
            "such nodes are not supported yet; never delete /var/lib/containerd there",
        )


def remote_api(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """An API on the network has users whom no file on this node names."""
    if now.facts.docker is None:
        return
    hosts = docker_config(now.facts).get("hosts")
    words = [_HOST.sub("", word) for word in now.facts.docker.unit.arguments]
    words += [str(host) for host in hosts] if isinstance(hosts, list) else []
    remote = [word for word in words if word.startswith("tcp://")]
    remote += [
        f"{address} ({unit})"
        for unit, addresses in now.facts.docker_units.starters.items()
        for address in addresses
        if not address.startswith(("/", "@"))
    ]
    if remote:
        yield found(
            "docker-remote-api",
            f"Docker's API is served on {listed(remote)}",
            "ask who uses it: they will see none of Kubernetes' containers",
        )


def containerd_of_docker(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """Whose containerd Docker runs on decides what its next start finds."""
    docker = now.facts.docker
    if docker is None or not docker.embedded:
        return
    foreign = [entry.name for entry in docker.containers if not entry.pod_uid]
    if foreign:
        yield found(
            "docker-embedded-containerd",
            "Docker runs its own containerd; once the system's runs, Docker takes that one at its next start, "
            f"and loses sight of {listed(foreign)}",
            "give dockerd the option --containerd with the socket of its own, or create these containers anew",
            Severity.WARNS,
        )
    else:
        yield found(
            "docker-embedded-containerd",
            f"Docker runs its own containerd at {docker.containerd or 'an unknown socket'}",
            "the kubelet will use the system's; they share nothing",
        )


def registries(now: NodeInputs, draft: Translation) -> Iterator[Finding]:
    """What is known of registries besides Docker's settings."""
    silent = [name for name, speaks in (now.facts.docker.insecure if now.facts.docker else {}).items() if not speaks]
    if silent:
        yield found(
            "insecure-registry-silent",
            f"these insecure registries did not answer: {listed(silent)}",
            "start them and plan again, or check their scheme in what is written",
        )
    for name, wrong in _kept(now, draft).items():
        yield found(
            "registries-kept",
            f"there is a hosts.toml already for {name}" + (f": {wrong}" if wrong else ""),
            "write what Docker has into it, or remove it so that it is written anew"
            if wrong
            else "compare it with Docker's settings for this registry",
            Severity.BLOCKS if wrong else None,
        )


def _kept(now: NodeInputs, draft: Translation) -> dict[str, str]:
    """Give the registries whose hosts.toml stays, each with what is wrong with it; "" for nothing that is seen."""
    if not draft.kept or draft.settings is None:
        return {}
    found = dict.fromkeys(draft.kept, "")
    for registry in draft.settings.registries:
        if registry.name in found:
            path = hosts_file(now.facts, registry.name)
            document = toml(now.facts.file(path).content)
            asked = _asked(document, registry.name)
            missing = [
                endpoint.url
                for endpoint in (*registry.mirrors, registry.server)
                if endpoint.url and not asked & _meant(endpoint)
            ]
            if missing:
                found[registry.name] = f"{path} does not name {listed(missing)}, which Docker asks"
            elif bare := [one.url for one in (*registry.mirrors, registry.server) if _without_client(document, one)]:
                found[registry.name] = f"{path} has no client certificate for {listed(bare)}, which Docker shows one"
            elif "host" not in document and draft.destination.version < _NO_HOST_NEEDED:
                found[registry.name] = f"{path} has no [host] table, and containerd before 2.0 refuses such a file"
    return found


def _asked(document: Mapping[str, object], name: str) -> set[str]:
    """Give the addresses that a hosts.toml has containerd ask: the registry itself, where it names no other server.

    One without a scheme is asked by HTTPS (hosts.go).
    """
    own = str(document.get("server") or ("registry-1.docker.io" if name == "docker.io" else name))
    return {(url if "://" in url else f"https://{url}").rstrip("/") for url in (*table(document, "host"), own)}


def _without_client(document: Mapping[str, object], endpoint: Endpoint) -> bool:
    """Tell whether Docker shows an address a client certificate, and a hosts.toml has none for it.

    A host's own keys stand in its table, those of the server at the top; `client` is a file, a list of files, or a list
    of pairs of certificate and key (hosts.go, parseHostConfig).
    """
    tables = {url.rstrip("/"): inner for url, inner in table(document, "host").items() if isinstance(inner, Mapping)}
    asked = [tables[url] for url in _meant(endpoint) if url in tables] or [document]
    return bool(endpoint.clients) and not any(inner.get("client") for inner in asked)


def _meant(endpoint: Endpoint) -> set[str]:
    """Give the addresses by which this one may be asked: by HTTP too where nobody knows what it speaks."""
    url = endpoint.url.rstrip("/")
    return {url, f"http://{url.partition('://')[2]}"} if endpoint.fallback_http else {url}


def credentials(now: NodeInputs, draft: Translation) -> Iterator[Finding]:
    """Passwords stay where they are, so what needs one must find it there."""
    proxies = list(now.facts.docker.unit.environment.values()) if now.facts.docker else []
    if draft.settings:
        proxies += [draft.settings.proxy.http, draft.settings.proxy.https]
    told = docker_config(now.facts).get("proxies")
    proxies += [str(value) for value in told.values()] if isinstance(told, dict) else []
    secret = [proxy for proxy in proxies if has_user(proxy)]
    if secret:
        yield found(
            "proxy-credentials",
            f"Docker's proxy {listed(_without_password(proxy) for proxy in secret)} is used with a password",
            "let the proxy know this node by its address, or write the drop-in of the new runtime's unit by hand and "
            "take the password out of Docker's settings",
        )
    helpers = {helper for entry in now.facts.credentials for helper in entry.helpers}
    if helpers:
        yield found(
            "credential-helpers",
            f"Docker gets registry passwords from {listed(helpers)}, which the kubelet never asked",
            "pods that need them want imagePullSecrets or a kubelet credential provider, as before",
        )
    for entry in now.facts.credentials:
        if entry.path in _ROOTS_LOGIN and entry.registries:
            yield found(
                "docker-login",
                f"{entry.path} has logins for {listed(entry.registries)}",
                "the kubelet passes on what stands in /var/lib/kubelet/config.json; put there what pods need",
            )


def _without_password(proxy: str) -> str:
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
    except ValueError:
        return "(not a URL)"
