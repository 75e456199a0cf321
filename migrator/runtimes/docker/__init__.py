"""Docker's configuration as a source: the neutral settings that it becomes, and one fate for everything in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from migrator import versions
from migrator.memoize import memoize
from migrator.model.fate import KeyFate
from migrator.nodeconf.settings import RuntimeSettings
from migrator.runtimes.destination import Destination
from migrator.runtimes.docker import flags, logs, proxies, registries, rules, runtimes, storage
from migrator.runtimes.docker.keys import KEYS, OF_RED_HAT
from migrator.runtimes.docker.places import place
from migrator.runtimes.docker.rule_results import Case, RuleResult, never, unknown
from migrator.runtimes.docker.source import DockerSource

__all__ = ["DockerSource", "fates", "key_of", "settings"]

_NETWORK_SYSCTLS: versions.Version = (20, 10)
"""First Docker that lets any user in a container ping and bind low ports (moby, daemon/oci_linux.go)."""
_EMPTY: tuple[object, ...] = ("", [], {})
_NULL = never("null is Docker's default")
_NOTHING = never("it is empty, which is Docker's default")
_FLAG = never("it is the name of a flag: Docker takes it in its file and does nothing with it")
_UNKNOWN = unknown("no Docker of 1.13 to 29 has this key")


@memoize
def settings(source: DockerSource, base: RuntimeSettings, destination: Destination) -> RuntimeSettings:
    """Give `base` with everything that Docker was told and the new runtime can be told too.

    Raises `ValueError` for a proxy variable that no file could take.
    """
    options = source.given
    size, files = logs.limits(options)
    remapped = bool(options.get("userns-remap"))
    new = versions.parse(source.version) >= _NETWORK_SYSCTLS
    # Where Docker was told to leave forwarding alone, somebody else turned on what is on, and does so again.
    forwarding = () if options.get("ip-forward") is False else (*base.forwarding, *rules.forwarding(options))
    return base.model_copy(
        update={
            "root": storage.root(source, destination),
            "storage": storage.driver(source),
            "storage_options": storage.kept_options(options, destination),
            "default_handler": runtimes.default(options, destination),
            "handlers": runtimes.handlers(options, destination),
            "registries": registries.registries(source, destination.runtime),
            "ulimits": rules.ulimits(options),
            "proxy": proxies.settings(source),
            "log_max_size": size,
            "log_max_files": files,
            "selinux": bool(options.get("selinux-enabled")),
            "unprivileged_ports": new,
            "unprivileged_ping": new and not remapped,
            "log_level": rules.log_level(options),
            "forwarding": tuple(dict.fromkeys(forwarding)),
            **_where_there_is_a_place(options, destination),
        }
    )


@memoize
def fates(source: DockerSource, destination: Destination) -> tuple[KeyFate, ...]:
    """Say what becomes of every option: one fate for a key, or one for each entry of a key whose entries differ.

    Proxies of the unit's environment are entries of the key `proxies`. A key that no Docker has is escaped
    (`key_of`), so that what stands before the first dot of a fate's key is always a whole key. Raises `ValueError` as
    `settings` does.
    """
    case = Case(source, destination)
    found: dict[str, RuleResult] = {}
    for key, value in source.options.items():
        judged = _judge(key, value, case)
        found |= {key_of(key): judged} if isinstance(judged, RuleResult) else _entries(key_of(key), judged)
    found |= _entries("proxies", proxies.judge({}, case))
    return tuple(KeyFate(key=key, fate=it.fate, to=it.to, reason=it.reason) for key, it in found.items())


def key_of(option: str) -> str:
    """Give an option's key in fates: its own name, with dots escaped, which no known key has."""
    return option.replace("%", "%25").replace(".", "%2E")


def _judge(key: str, value: object, case: Case) -> RuleResult | Mapping[str, RuleResult]:
    rule = KEYS[key].rule if key in KEYS else OF_RED_HAT.get(key)
    if rule is None:
        return _FLAG if key in flags.KEYS else _UNKNOWN
    if value is None:
        return _NULL
    return _NOTHING if value in _EMPTY else rule(value, case)


def _entries(key: str, judged: Mapping[str, RuleResult]) -> dict[str, RuleResult]:
    return {f"{key}.{entry}": verdict for entry, verdict in judged.items()}


def _where_there_is_a_place(options: Mapping[str, Any], to: Destination) -> dict[str, Any]:
    """Give the settings that only some runtimes or versions have."""
    profile = options.get("seccomp-profile") or ""
    wanted = {
        "seccomp_profile": profile if profile.startswith("/") else "",
        "max_downloads": options.get("max-concurrent-downloads") or 0,
        "log_format": "json" if options.get("log-format") == "json" else "",
        "cdi": bool((options.get("features") or {}).get("cdi")),
        "cdi_folders": tuple(options.get("cdi-spec-dirs") or ()),
    }
    return {name: value for name, value in wanted.items() if place(name, to)}
