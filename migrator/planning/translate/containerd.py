"""containerd's configuration: the present file with our settings in it, the user's own left alone.

Dialect 2, which containerd 1.3 to 1.7 read natively (docs/PLUGINS.md, docs/cri/config.md).
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from migrator.planning.translate.settings import RuntimeSettings

CONFIG = "/etc/containerd/config.toml"
ENDPOINT = "unix:///run/containerd/containerd.sock"
_CRI = "io.containerd.grpc.v1.cri"
_SECRETS = frozenset({"auth", "password", "identitytoken", "username"})


def write(existing: str, settings: RuntimeSettings) -> str:
    """Give the new text of `config.toml`.

    Raises `ValueError` when `existing` is not TOML or is of a dialect other than 2 that has content to lose.
    """
    try:
        document = tomlkit.parse(existing)
    except TOMLKitError as error:
        raise ValueError(f"{CONFIG} is not TOML: {error}") from error
    _to_dialect_2(document)
    cri = _table(document, "plugins", _CRI)
    cri["sandbox_image"] = settings.pause_image
    cni = _table(cri, "cni")
    cni["bin_dir"] = settings.cni_bin_dir
    cni["conf_dir"] = settings.cni_conf_dir
    containerd = _table(cri, "containerd")
    containerd.setdefault("default_runtime_name", "runc")
    runc = _table(containerd, "runtimes", "runc")
    runc["runtime_type"] = "io.containerd.runc.v2"
    _table(runc, "options")["SystemdCgroup"] = settings.cgroup_driver == "systemd"
    return tomlkit.dumps(document)


def credentials(existing: str) -> bool:
    """Tell whether the file holds credentials, which a plan must not show or carry."""

    def holds(value: object) -> bool:
        if isinstance(value, dict):
            return any(key in _SECRETS or holds(inner) for key, inner in value.items())
        return isinstance(value, list) and any(holds(inner) for inner in value)

    try:
        return holds(tomlkit.parse(existing).unwrap())
    except TOMLKitError:
        return False  # `write` refuses such a file with the parser's own words


def _to_dialect_2(document: tomlkit.TOMLDocument) -> None:
    """Set the version, and enable the CRI plugin, which Docker's package ships disabled.

    A file without a version is of dialect 1, where plugins have short ids; one that says no more than
    which plugins are off can be lifted safely.
    """
    version = document.get("version", 1)
    rest = set(document) - {"version", "disabled_plugins", "root", "state", "oom_score"}
    if version != 2 and (version != 1 or rest - {"grpc", "debug", "metrics"}):
        raise ValueError(
            f"{CONFIG} is of dialect {version}, and it has content that only dialect 2 can carry: {sorted(rest)}"
        )
    disabled = [name for name in document.get("disabled_plugins", []) if name not in {"cri", _CRI}]
    if "disabled_plugins" in document:
        document["disabled_plugins"] = disabled if version == 2 else []
    if version != 2:
        if disabled:
            raise ValueError(f"{CONFIG} disables plugins by dialect 1's names: {disabled}")
        document.pop("version", None)
        body = tomlkit.parse(f"version = 2\n\n{tomlkit.dumps(document)}")
        document.clear()
        document.update(body)


def _table(parent: MutableMapping[str, Any], *names: str) -> MutableMapping[str, Any]:
    for name in names:
        if name not in parent:
            parent[name] = tomlkit.table()
        parent = parent[name]
    return parent
