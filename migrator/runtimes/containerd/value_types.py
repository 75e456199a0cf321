"""Of which kind the values of containerd's configuration are: it does not start with one of another kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from migrator.runtimes.containerd import config_versions

_ANY = "*"
_KINDS: Mapping[type, str] = {str: "text", list: "a list", bool: "true or false", int: "a number", dict: "a table"}
_OF_SETTINGS: Mapping[str, type] = {
    **dict.fromkeys(("root", "state", "log_level", "log_format", "metrics_address", "pause_image", "storage"), str),
    **dict.fromkeys(("default_handler", "cni_conf_dir", "cni_bin_dir", "config_path"), str),
    **dict.fromkeys(("cni_bin_dirs", "cdi_folders"), list),
    **dict.fromkeys(("selinux", "unprivileged_ports", "unprivileged_ping", "cdi"), bool),
    "max_downloads": int, "handlers": dict, "registry": dict,
}  # fmt: skip
_OF_HANDLERS: Mapping[config_versions.Path, type] = {
    (): dict, ("options",): dict,
    ("runtime_type",): str, ("runtime_path",): str, ("runtime_engine",): str, ("runtime_root",): str,
    ("base_runtime_spec",): str, ("snapshotter",): str,
}  # fmt: skip
_OF_REGISTRIES: Mapping[config_versions.Path, type] = {
    ("mirrors", _ANY): dict, ("mirrors", _ANY, "endpoint"): list,
    ("configs", _ANY): dict, ("configs", _ANY, "tls"): dict,
}  # fmt: skip
_BELOW: Mapping[str, Mapping[config_versions.Path, type]] = {
    "handlers": {(_ANY, *below): kind for below, kind in _OF_HANDLERS.items()}, "registry": _OF_REGISTRIES,
}  # fmt: skip
_ELSEWHERE: Mapping[config_versions.Path, type] = {
    ("oom_score",): int, ("disabled_plugins",): list, ("required_plugins",): list, ("imports",): list,
    ("grpc",): dict, ("ttrpc",): dict, ("debug",): dict, ("metrics",): dict, ("cgroup",): dict, ("timeouts",): dict,
    ("proxy_plugins", _ANY): dict, ("stream_processors", _ANY): dict, ("plugins", _ANY): dict,
}  # fmt: skip


def _rules() -> dict[config_versions.Path, type]:
    found = dict(_ELSEWHERE)
    for name, kind in _OF_SETTINGS.items():
        for number in (1, 2, 3, 4):
            for path in config_versions.candidates(name, number):
                found[path] = kind
                found |= {(*path, *below): of for below, of in _BELOW.get(name, {}).items()}
    return found


_RULES = _rules()


def check(document: Mapping[str, Any]) -> None:
    """Raise `ValueError` for the first value of another kind than containerd has there."""
    for path, kind in _RULES.items():
        for place, value in _at(document, path, ()):
            if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
                raise ValueError(f"has a value in `{'.'.join(place)}` where {_KINDS[kind]} is needed")


def _at(
    value: object, path: config_versions.Path, before: config_versions.Path
) -> Iterator[tuple[config_versions.Path, object]]:
    """Give what stands at a path, with its place; a value on the way that is no table stands for all below it."""
    if not path:
        yield before, value
    elif not isinstance(value, Mapping):
        raise ValueError(f"has a value where a table `{'.'.join(before)}` is needed")
    else:
        for name in [*value] if path[0] == _ANY else [path[0]] if path[0] in value else []:
            yield from _at(value[name], path[1:], (*before, name))
