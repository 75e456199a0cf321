"""A configuration of containerd made fit for a second instance beside the node's own, otherwise as it is."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, MutableMapping
from typing import Any

import tomlkit

from migrator.runtimes.containerd import config_versions
from migrator.runtimes.containerd import read as containerd_read

ROOT, STATE, FILES = "@ROOT@", "@STATE@", "@FILES@"
"""Stand for folders that only the node knows, until the instance is started there."""

_SHARED = ("ttrpc", "debug", "metrics", "proxy_plugins", "oom_score")
"""What would take an address, or a rank among the node's services, that belongs to the node's own instance."""
_SERVERS = tuple(f"io.containerd.server.v1.{name}" for name in ("ttrpc", "debug", "metrics"))
"""The same as plugins, in dialect 4."""
_NRI = "io.containerd.nri.v1.nri"
_CRI = {1: "cri", 2: "io.containerd.grpc.v1.cri", 3: "io.containerd.grpc.v1.cri", 4: "io.containerd.grpc.v1.cri"}


def private(text: str, files: Collection[str] = (), *, network: bool = False) -> str:
    """Give the text with its own root, state and socket, and with `files` (paths that it names) read from `FILES`.

    Its plugins, handlers, registries and network stay; with `network` it has one of its own, `NETWORK`. Raises
    `ValueError` when it is not TOML.
    """
    document = containerd_read.load(text)
    number = containerd_read.version(document)
    for name in _SHARED:
        document.pop(name, None)
    document["root"], document["state"] = ROOT, STATE
    grpc = document.setdefault("grpc", {})
    for name in ("uid", "gid", "tcp_address"):
        grpc.pop(name, None)
    grpc["address"] = f"{STATE}/containerd.sock"
    plugins: MutableMapping[str, Any] = document.setdefault("plugins", {})
    for name in _SERVERS:
        plugins.pop(name, None)
    plugins.setdefault(_NRI, {})["disable"] = True
    cri = plugins.get(_CRI[number], {})
    if "stream_server_port" in cri:
        cri["stream_server_port"] = "0"  # any that is free
    if network:
        _network(document, number)
    return _moved(tomlkit.dumps(document), files)


def _network(document: MutableMapping[str, Any], number: int) -> None:
    *tables, key = next(iter(config_versions.candidates("cni_conf_dir", number)))
    part: MutableMapping[str, Any] = document
    for name in tables:
        part = part.setdefault(name, {})
    part[key] = f"{FILES}/net.d"


NETWORK: Mapping[str, str] = {
    "net.d/10-migrator.conflist": json.dumps(
        {
            "cniVersion": "0.4.0",
            "name": "migrator-rehearsal",
            "plugins": [
                {
                    "type": "ptp",
                    "ipam": {
                        "type": "host-local",
                        "dataDir": f"{STATE}/addresses",
                        # Kept for trying out networks (RFC 2544), so nobody's own.
                        "ranges": [[{"subnet": "198.18.255.0/24"}]],
                        "routes": [{"dst": "0.0.0.0/0"}],
                    },
                }
            ],
        }
    )
}
"""A network that needs nobody's, as a file in `FILES` by its name. Its addresses go with the instance."""


def pause_image(text: str) -> str:
    """Give the sandbox image that a configuration names; "" for containerd's default."""
    document = containerd_read.load(text)
    number = containerd_read.version(document)
    found = (containerd_read.find(document, path) for path in config_versions.candidates("pause_image", number))
    return next((str(value) for value in found if value), "")


def staged(path: str) -> str:
    """Name a file of the plan within `FILES`."""
    return path.strip("/").replace("/", "_")


def _moved(text: str, files: Collection[str]) -> str:
    for path in sorted(files, key=len, reverse=True):
        text = text.replace(f'"{path}"', f'"{FILES}/{staged(path)}"')
    return text
