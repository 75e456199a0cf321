"""dockerd's command line, read into the keys that daemon.json has for the same settings.

Flags of moby, cmd/dockerd (daemon/command since 29), v1.13.1 to v29.7.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

SHORT = {
    "D": "debug", "G": "group", "H": "host", "b": "bridge", "g": "graph", "h": "help", "l": "log-level", "p": "pidfile",
    "r": "restart", "s": "storage-driver", "v": "version",
}  # fmt: skip
"""Flags of one letter."""

SWITCHES = frozenset(
    {
        "allow-direct-routing", "cri-containerd", "debug", "experimental", "help", "icc", "init", "ip-forward",
        "ip-forward-no-drop", "ip-masq", "ip6tables", "iptables", "ipv6", "live-restore", "no-new-privileges",
        "raw-logs", "restart", "rootless", "selinux-enabled", "tls", "tlsverify", "userland-proxy", "validate",
        "version",
    }
)  # fmt: skip
"""Flags that need no value, and take none but after an equals sign."""

NUMBERS = frozenset(
    {
        "cpu-rt-period", "cpu-rt-runtime", "default-stop-timeout", "max-concurrent-downloads",
        "max-concurrent-uploads", "max-download-attempts", "mtu", "network-control-plane-mtu",
        "network-diagnostic-port", "oom-score-adjust", "shutdown-timeout",
    }
)  # fmt: skip

STRINGS = frozenset(
    {
        "api-cors-header", "bip", "bip6", "bridge", "bridge-accept-fwmark", "cgroup-parent", "cluster-advertise",
        "cluster-store", "containerd", "containerd-namespace", "data-root", "default-cgroupns-mode",
        "default-gateway", "default-gateway-v6", "default-ipc-mode", "default-runtime", "default-shm-size",
        "exec-root", "firewall-backend", "fixed-cidr", "fixed-cidr-v6", "graph", "group", "host-gateway-ip",
        "init-path", "ip", "log-driver", "log-format", "log-level", "metrics-addr", "pidfile", "seccomp-profile",
        "storage-driver", "swarm-default-advertise-addr", "tlscacert", "tlscert", "tlskey", "userland-proxy-path",
        "userns-remap",
    }
)  # fmt: skip

LISTS = {
    "allow-nondistributable-artifacts": "allow-nondistributable-artifacts",
    "authorization-plugin": "authorization-plugins",
    "cdi-spec-dir": "cdi-spec-dirs",
    "dns": "dns",
    "dns-opt": "dns-opts",
    "dns-search": "dns-search",
    "exec-opt": "exec-opts",
    "host": "hosts",
    "insecure-registry": "insecure-registries",
    "label": "labels",
    "node-generic-resource": "node-generic-resources",
    "registry-mirror": "registry-mirrors",
    "storage-opt": "storage-opts",
}
"""Flags that may come several times, and the key that holds all of them."""

NO_KEYS = frozenset({"config-file", "help", "validate", "version"})
"""Flags that say how dockerd is started, not what it does."""

_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})


def read(arguments: Iterable[str]) -> dict[str, Any]:
    """Read a command line, without the program, into keys of daemon.json with values of JSON.

    A flag that no Docker has becomes a key of its own name. Raises `ValueError` for a word that is no flag, for a
    flag without its value, and for a value that the flag does not take.
    """
    found: dict[str, Any] = {}
    for flag, value in _flags(list(arguments)):
        if flag in NO_KEYS:
            continue
        key, add = _KINDS.get(flag, (flag, _unknown))
        found[key] = add(flag, value, found.get(key))
    return found


def _flags(words: list[str]) -> Iterable[tuple[str, str | None]]:
    """Split words into flags and values as pflag does: `--x=y`, `--x y`, `-x y`, `-xy`, and switches without any."""
    left = words[::-1]
    while left:
        word = left.pop()
        if not word.startswith("-") or word in {"-", "--"}:
            raise ValueError(f"dockerd's command line has {word!r}, which is neither a flag nor a flag's value")
        short = not word.startswith("--")
        flag, value = _short(word) if short else _long(word)
        if flag in SWITCHES:
            if short and value is not None and not word[2:].startswith("="):
                left.append(f"-{value}")  # flags of one letter may stand in one word
                value = None
        elif value is None:
            known = flag in KEYS
            if left and (known or not left[-1].startswith("-")):
                value = left.pop()
            elif known:
                raise ValueError(f"dockerd's command line ends with --{flag}, which needs a value")
        yield flag, value


def _long(word: str) -> tuple[str, str | None]:
    flag, equals, value = word.removeprefix("--").partition("=")
    return flag, value if equals else None


def _short(word: str) -> tuple[str, str | None]:
    return SHORT.get(word[1], word[1]), word[2:].removeprefix("=") if word[2:] else None


def _unknown(_flag: str, value: str | None, _before: object) -> object:
    return True if value is None else value


def _string(_flag: str, value: str, _before: object) -> str:
    return value


def _switch(flag: str, value: str | None, _before: object) -> bool:
    if value is not None and value not in _TRUE | _FALSE:
        raise ValueError(f"--{flag} of dockerd is {value!r}: it must be true or false")
    return value is None or value in _TRUE


def _number(flag: str, value: str, _before: object) -> int:
    try:
        return int(value, 10)
    except ValueError:
        raise ValueError(f"--{flag} of dockerd is {value!r}: it must be a whole number") from None


def _list(flag: str, value: str, before: list[str] | None) -> list[str]:
    # 25 to 28 take several servers with commas between them (pflag, IPSlice).
    return [*(before or []), *(value.split(",") if flag == "dns" else [value])]


def _entry(_flag: str, value: str, before: dict[str, Any] | None) -> dict[str, Any]:
    name, _, setting = value.partition("=")
    return {**(before or {}), name: setting}


def _feature(flag: str, value: str, before: dict[str, Any] | None) -> dict[str, Any]:
    name, equals, setting = value.partition("=")
    return {**(before or {}), name: _switch(f"{flag} {name}", setting if equals else None, None)}


def _proxy(flag: str, value: str, before: dict[str, Any] | None) -> dict[str, Any]:
    return {**(before or {}), flag: value}


def _runtime(flag: str, value: str, before: dict[str, Any] | None) -> dict[str, Any]:
    name, _, path = (part.strip() for part in value.partition("="))
    if not name or not path:
        raise ValueError(f"--{flag} of dockerd is {value!r}: it must be name=path")
    return {**(before or {}), name.lower(): {"path": path}}


def _ulimit(flag: str, value: str, before: dict[str, Any] | None) -> dict[str, Any]:
    name, _, limits = value.partition("=")
    soft, colon, hard = limits.partition(":")
    numbers = {"Soft": _number(flag, soft, None), "Hard": _number(flag, hard if colon else soft, None)}
    return {**(before or {}), name: {"Name": name, **numbers}}


def _pool(flag: str, value: str, before: list[Any] | None) -> list[Any]:
    pool: dict[str, Any] = {}
    for field in value.lower().split(","):
        name, equals, setting = field.partition("=")
        if not equals or name not in {"base", "size"}:
            raise ValueError(f"--{flag} of dockerd is {value!r}: it must be base=network,size=number")
        pool[name] = _number(flag, setting, None) if name == "size" else setting
    return [*(before or []), pool]


def _network(flag: str, value: str, before: dict[str, Any] | None) -> dict[str, Any]:
    driver, _, option = value.partition("=")
    options = (before or {}).get(driver)
    return {**(before or {}), driver: _entry(flag, option, options)}


def _nri(flag: str, value: str, before: dict[str, Any] | None) -> dict[str, Any]:
    found = dict(before or {})
    for field in value.split(","):
        name, _, setting = field.partition("=")
        found[name] = _switch(f"{flag} {name}", setting or None, None) if name == "enable" else setting
    return found


_KINDS: Mapping[str, tuple[str, Callable[[str, Any, Any], Any]]] = {
    **{flag: (flag, _switch) for flag in SWITCHES},
    **{flag: (flag, _number) for flag in NUMBERS},
    **{flag: (flag, _string) for flag in STRINGS},
    **{flag: (key, _list) for flag, key in LISTS.items()},
    **dict.fromkeys(("http-proxy", "https-proxy", "no-proxy"), ("proxies", _proxy)),
    "add-runtime": ("runtimes", _runtime),
    "cluster-store-opt": ("cluster-store-opts", _entry),
    "containerd-plugins-namespace": ("containerd-plugin-namespace", _string),
    "default-address-pool": ("default-address-pools", _pool),
    "default-network-opt": ("default-network-opts", _network),
    "default-ulimit": ("default-ulimits", _ulimit),
    "feature": ("features", _feature),
    "log-opt": ("log-opts", _entry),
    "nri-opts": ("nri-opts", _nri),
}
"""For each flag the key it sets, and how its value joins what the flag said before."""

KEYS = {flag: key for flag, (key, _) in _KINDS.items()} | dict.fromkeys(NO_KEYS, "")
"""The key of daemon.json that each flag sets; "" for a flag that is no setting."""
