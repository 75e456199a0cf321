"""The lab's image registries, one for each way in which nodes reach theirs, over one storage; and a proxy.

Every registry has every image, because the storage is one. Which of them a node was sent to shows in the
name of the image, or in the mirror's case in that nobody else answers for docker.io.
"""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

from lab import images, keys, network, shell, waiting
from lab.settings import GATEWAY, Settings

_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Registry:
    """One registry: its name and port as in image names, and what it asks of those who pull."""

    host: str
    port: int
    authority: str = ""
    """Who issued its certificate; "" for plain HTTP."""
    password: bool = False
    client_certificate: bool = False
    address: str = GATEWAY
    """Where it listens. On the loopback, guests reach it through the proxy only."""

    @property
    def name(self) -> str:
        return f"{self.host}:{self.port}"


OPEN = Registry("registry.lab", 5000, keys.LAB)
MIRROR = Registry("mirror.lab", 5001)
VAULT = Registry("vault.lab", 5002, keys.VAULT, client_certificate=True)
PRIVATE = Registry("private.lab", 5003, keys.LAB, password=True)
FAR = Registry("far.lab", 5004, keys.LAB, address=_LOOPBACK)
REGISTRIES = (OPEN, MIRROR, VAULT, PRIVATE, FAR)

PROXY = ("proxy.lab", 3128)
"""The proxy's host name and port."""
HOSTS = (*(registry.host for registry in REGISTRIES if registry.address == GATEWAY), PROXY[0], "control-plane.lab")
"""Names that guests resolve, all to the gateway."""

_USER = "puller"
_PASSWORD = "lab-only"  # noqa: S105 - opens nothing but this lab
_HTPASSWD = f"{_USER}:$2b$05$obg31HQVoL9e7Ja4.t3PtuvUFWEzRcPhfAq1EcH9apLVzzgDEbZRe\n"
"""The same password as bcrypt hashes it, the only form that the registry takes."""

_COPIES = {"library/tool:1": images.BUSYBOX, "node/busybox:1": images.BUSYBOX}
"""Further names of images, by what they are pulled as."""


def credentials(scope: str) -> str:
    """Give the content of a Docker `config.json` that opens `PRIVATE`.

    `scope` is one of its folders, for example "node": the kubelet uses a credential for images below that only.
    """
    token = b64encode(f"{_USER}:{_PASSWORD}".encode()).decode()
    return json.dumps({"auths": {f"{PRIVATE.name}/{scope}": {"auth": token}}})


def start(settings: Settings) -> None:
    """Start the registries and the proxy, and fill the storage; return when all of them answer."""
    logs = settings.state / "logs"
    (settings.state / "htpasswd").write_text(_HTPASSWD)
    for registry in REGISTRIES:
        network.start(
            settings, [settings.tools / "docker-registry", "serve", _configuration(settings, registry)],
            log=logs / f"{registry.host}.log",
        )  # fmt: skip
    _start_proxy(settings)
    ports = [(registry.address, registry.port) for registry in REGISTRIES] + [(GATEWAY, PROXY[1])]
    waiting.until(lambda: _all_listen(settings, ports), f"registries and proxy answer (logs: {logs})", seconds=60)
    layouts = images.layouts(settings)
    names = {name.partition("/")[2]: layout for name, layout in layouts.items()}
    for name, layout in {**names, **{name: layouts[source] for name, source in _COPIES.items()}}.items():
        push(settings, layout, name)


def _configuration(settings: Settings, registry: Registry) -> Path:
    http: dict[str, object] = {"addr": f"{registry.address}:{registry.port}"}
    if registry.authority:
        pair = keys.certificate(settings, registry.authority, registry.host)
        tls: dict[str, object] = {"certificate": str(pair.certificate), "key": str(pair.key)}
        if registry.client_certificate:
            tls["clientcas"] = [str(keys.authority(settings, registry.authority).certificate)]
        http["tls"] = tls
    document: dict[str, object] = {
        "version": 0.1,
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": str(settings.state / "registry")}, "delete": {"enabled": True}},
        "http": http,
    }
    if registry.password:
        document["auth"] = {"htpasswd": {"realm": registry.host, "path": str(settings.state / "htpasswd")}}
    path = settings.state / f"{registry.host}.yml"
    path.write_text(json.dumps(document, indent=1))  # JSON is YAML
    return path


def _start_proxy(settings: Settings) -> None:
    """Start the proxy with a view of /etc/hosts in which `FAR` exists; the mount is seen by its process alone."""
    hosts, configuration = settings.state / "proxy.hosts", settings.state / "proxy.conf"
    hosts.write_text(f"{_LOOPBACK} localhost {FAR.host}\n")
    configuration.write_text(
        f"Port {PROXY[1]}\nListen {GATEWAY}\nTimeout 60\nLogLevel Connect\nConnectPort {FAR.port}\n"
    )
    script = 'mount --bind "$1" /etc/hosts && exec "$2" -d -c "$3"'
    network.start(
        settings, ["sh", "-c", script, "sh", hosts, settings.tools / "tinyproxy", configuration],
        log=settings.state / "logs" / "proxy.log",
    )  # fmt: skip


def _all_listen(settings: Settings, ports: list[tuple[str, int]]) -> bool:
    """Connect to every port from inside the namespace; a child does it, because a process has one network only."""
    script = (
        "import socket, sys\nfor word in sys.argv[1:]: socket.create_connection(word.split(':'), timeout=5).close()"
    )
    words = [f"{address}:{port}" for address, port in ports]
    return waiting.succeeds(network.inside(settings, ["python3", "-c", script, *words]))


def push(settings: Settings, layout: Path, name: str) -> None:
    """Put an image into the storage, by way of the registry that needs no certificate."""
    target = f"docker://{MIRROR.address}:{MIRROR.port}/{name}"
    shell.run(
        network.inside(
            settings,
            ["skopeo", "copy", "-q", "--insecure-policy", "--dest-tls-verify=false", f"oci:{layout}", target],
        )
    )
