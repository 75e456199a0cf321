"""containerd's configuration file with all that it imports, merged as each release does it.

Read in `LoadConfig`, `resolveImports` and `mergeConfig` of `services/server/config/config.go` (1.x) and
`cmd/containerd/server/config/config.go` (2.x); what real ones of 1.4, 1.6, 1.7 and 2.1 print is compared (tests/fuzz).
Files are read one after the other, those that a file imports after all that wait already, and a later one wins.
"""

from __future__ import annotations

import copy
import itertools
import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from migrator.nodeconf import globs
from migrator.nodeconf.settings import Handler
from migrator.runtimes.containerd import config_upgrade, config_versions
from migrator.runtimes.containerd import read as containerd_read
from migrator.versions import Version

CONF_D = "/etc/containerd/conf.d/*.toml"
_BY_ITSELF: Version = (2, 2)
"""First release that imports `CONF_D` where there is no configuration file."""
_WORKING_FOLDER = "/"
"""Of a service: where the oldest look for a relative pattern, unlike for a relative path."""
_BESIDE: Version = (1, 7)
"""First release that looks for a relative pattern beside the file that says it: 1.6.20 does not, 1.7.24 does."""
_USUAL = {"root": "/var/lib/containerd", "state": "/run/containerd"}
"""What nobody has to say (defaults.DefaultRootDir, DefaultStateDir)."""
_ENTRIES_REPLACED = ("stream_processors", "proxy_plugins", "timeouts")


def chain(path: str, texts: Mapping[str, str], version: Version) -> tuple[str, ...]:
    """Give the files that are read, in order. `texts` are those of all files that there are, by path.

    Raises `ValueError` for a file that is no configuration, and for one that is imported and missing: containerd does
    not start then.
    """
    return tuple(path for path, _ in _documents(path, texts, version))


def merged(path: str, texts: Mapping[str, str], version: Version) -> dict[str, Any]:
    """Give what all of them say together, in dialect 3 for 2.x. Raises likewise."""
    found: dict[str, Any] = {}
    for _, document in _documents(path, texts, version):
        _merge(found, document, version)
    return _lifted(found) if version >= config_versions.DIALECT_3 else found


def overruled(path: str, texts: Mapping[str, str], version: Version) -> dict[str, tuple[str, ...]]:
    """Give the settings that are not what the first file says, by the file that has the last word on them.

    Settings have the names of fields of `RuntimeSettings`, `handlers.` and a handler's name, or `config_path`. Raises
    as `chain` does.
    """
    found: dict[str, Any] = {}
    steps: list[tuple[str, dict[str, Any]]] = []
    for current, document in _documents(path, texts, version):
        _merge(found, document, version)
        steps.append((current, _settings(_lifted(found) if version >= config_versions.DIALECT_3 else found)))
    first, last = steps[0][1], steps[-1][1]
    by: dict[str, str] = {}
    for (_, before), (current, after) in itertools.pairwise(steps):
        by.update((name, current) for name in after if after[name] != before.get(name))
    names = [name for name in by if name in first and last[name] != first[name]]
    return {file: tuple(sorted(name for name in names if by[name] == file)) for file in {by[name] for name in names}}


def _settings(document: Mapping[str, Any]) -> dict[str, Any]:
    said = containerd_read.settings_of(document)
    known = {name: getattr(said, name) for name in type(said).model_fields}
    known |= {name: known[name] or usual for name, usual in _USUAL.items()}
    handlers = {handler.name: handler for handler in (Handler(name="runc"), *known.pop("handlers"))}
    known |= {f"handlers.{name}": handler for name, handler in handlers.items()}
    return {**known, "config_path": containerd_read.chosen(document, "config_path") or ""}


def _documents(path: str, texts: Mapping[str, str], version: Version) -> Iterator[tuple[str, Mapping[str, Any]]]:
    seen: set[str] = set()
    waiting = [path]
    if not texts.get(path, "").strip() and version >= _BY_ITSELF:
        waiting += _files(path, CONF_D, texts, version)
    while waiting:
        current = waiting.pop(0)
        if current in seen:
            continue
        if current not in texts and current != path:
            raise ValueError(f"imports {current}, which is not there")
        document = containerd_read.known(texts.get(current, ""), current)
        number = containerd_read.version(document)
        if version >= config_versions.DIALECT_3 and number == 1 and document.get("plugins"):
            # It is brought to newer versions in a way that is not followed here.
            raise ValueError(f"{current} says nothing of its version, so that containerd 2 loses settings of plugins")
        yield current, document
        seen.add(current)
        for pattern in containerd_read.strings(document.get("imports")):
            waiting += _files(current, pattern, texts, version)


def _files(parent: str, pattern: str, texts: Mapping[str, str], version: Version) -> list[str]:
    """Give what one entry of `imports` names."""
    within = posixpath.dirname(parent)
    if "*" not in pattern:
        return [posixpath.normpath(posixpath.join(within, pattern))]
    whole = posixpath.normpath(posixpath.join(within if version >= _BESIDE else _WORKING_FOLDER, pattern))
    return globs.fitting(whole, texts, globs.Dialect.GO)


def _lifted(document: Mapping[str, Any]) -> dict[str, Any]:
    """Bring what all files say to dialect 3, which 2.x does after it has merged them.

    From 2.3.5 on it does so before; that is not the same only where files are of several versions.
    """
    changed = copy.deepcopy(dict(document))
    number = containerd_read.version(changed)
    if number < 3:
        own = containerd_read.find(changed, (*config_versions.CRI_2, "containerd"))
        if isinstance(own, dict) and "runtimes" not in own:
            for (
                key
            ) in config_versions.CONTAINERD_OF_IMAGES:  # 2.x passes over them then (plugins/cri/images, migrateConfig)
                own.pop(key, None)
        config_upgrade.lift_2(changed)
    changed["version"] = max(number, 3)
    return changed


def _merge(into: dict[str, Any], update: Mapping[str, Any], version: Version) -> None:
    """Lay one file over those before. An empty value at the top says nothing; lists there are joined."""
    deep = version >= config_versions.DIALECT_3
    for key, value in update.items():
        before = into.get(key)
        if before is not None and type(before) is not type(value):
            continue  # of a key that no containerd has: what it has is of one kind
        if key == "plugins":
            sections = into.setdefault(key, {})
            for name, section in value.items():
                if deep and name in sections:
                    _lay(sections[name], section)
                else:
                    sections[name] = copy.deepcopy(section)
        elif key in _ENTRIES_REPLACED and isinstance(value, Mapping):
            into[key] = {**(before or {}), **value}
        elif isinstance(value, list):
            old = before or []
            into[key] = [*old, *(entry for entry in value if not (deep and entry in old))]
        elif isinstance(value, Mapping):
            into[key] = {**(before or {}), **{name: inner for name, inner in value.items() if inner}}
        elif value or key not in into:
            into[key] = value


def _lay(into: dict[str, Any], update: Mapping[str, Any]) -> None:
    """Lay one plugin's table over another, table by table; what is said last counts."""
    for key, value in update.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _lay(into[key], value)
        else:
            into[key] = copy.deepcopy(value)
