"""Bring an older dialect of containerd's configuration to a newer one, losing neither a setting nor a comment.

The same functions work on a plain dictionary, which is how `containerd.write` proves what they did to the document.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, MutableMapping
from typing import Any

import tomlkit
from tomlkit.items import Bool, Comment, Item, Table

from migrator.runtimes.containerd import config_versions

Tables = MutableMapping[str, Any]
_GONE = "containerd 2.0 and newer no longer know {}; say it in another way, or take it out, and plan again"


def table(parent: Tables, *names: str) -> Tables:
    """Give the table at a path, made where it is missing. Raises `ValueError` where something else stands there."""
    for name in names:
        if name not in parent:
            parent[name] = {}
        parent = parent[name]
        if not isinstance(parent, MutableMapping):
            raise ValueError(f"has a value where a table `{name}` is needed")  # noqa: TRY004 - the file's mistake
    return parent


def lift_1(document: Tables, number: int) -> None:
    """Bring a file of dialect 1 to `number`, all but the key `version`, which belongs at its head.

    Raises `ValueError` naming what other dialects say in another way and cannot be carried without guessing.
    """
    rest = sorted(key for key in set(document) - config_versions.SAME_IN_EVERY_DIALECT if document[key])
    if rest:
        raise ValueError(
            f"is of dialect 1 (it has no `version = 2`), and says what later dialects say in another way: {rest}; "
            f"write it in dialect {number}, and plan again"
        )
    for key in set(document) - config_versions.SAME_IN_EVERY_DIALECT:
        del document[key]
    if "disabled_plugins" in document:
        names = [name for name in document["disabled_plugins"] if name not in config_versions.CRI_PLUGINS]
        unknown = [name for name in names if name not in config_versions.SHORT_NAMES]
        if unknown:
            raise ValueError(f"disables plugins by dialect 1's names, and these have no known full name: {unknown}")
        document["disabled_plugins"] = [config_versions.SHORT_NAMES[name] for name in names]


def lift_2(document: Tables) -> None:
    """Bring a file of dialect 2 to 3: each key of the CRI table to the plugin that has it now.

    Raises `ValueError` naming keys that say something which containerd 2.0 no longer knows.
    """
    if not document.get("plugin_dir", "x"):
        del document["plugin_dir"]
    plugins = document.get("plugins", {})
    for old, new in config_versions.RENAMED_PLUGINS.items():
        if old in plugins:
            plugins[new] = _moved(plugins[old])
            del plugins[old]
    if config_versions.SCHED_CORE in plugins.get(config_versions.TASK, {}):
        if plugins[config_versions.TASK][config_versions.SCHED_CORE]:
            table(plugins, config_versions.SHIM_MANAGER)["env"] = ["SCHED_CORE=1"]
        del plugins[config_versions.TASK][config_versions.SCHED_CORE]
    if config_versions.GRPC_CRI in plugins:
        _lift_cri(plugins)


def _lift_cri(plugins: Tables) -> None:
    entries = list(_entries(plugins[config_versions.GRPC_CRI]))
    del plugins[config_versions.GRPC_CRI]
    for comments, key, value in entries:
        if key in config_versions.STREAMING:
            _put(plugins, (config_versions.GRPC_CRI,), key, value, comments)
        elif key == "sandbox_image":
            _put(plugins, (config_versions.IMAGES, "pinned_images"), "sandbox", value, comments)
        elif key in config_versions.OF_IMAGES:
            _put(plugins, (config_versions.IMAGES,), key, value, comments)
        elif key == "containerd":
            _lift_containerd(plugins, value, comments)
        elif key not in config_versions.GONE_FROM_CRI or _says_something(key, value):
            _put(plugins, (config_versions.RUNTIME,), key, value, comments)


def _lift_containerd(plugins: Tables, containerd: Tables, above: list[str]) -> None:
    for comments, key, value in _entries(containerd):
        lines, above = [*above, *comments], []
        if key in config_versions.CONTAINERD_OF_IMAGES:
            _put(plugins, (config_versions.IMAGES,), key, value, lines)
        elif key not in config_versions.GONE_FROM_CONTAINERD or _says_something(key, value):
            _put(plugins, (config_versions.RUNTIME, "containerd"), key, value, lines)
    runtimes = plugins.get(config_versions.RUNTIME, {}).get("containerd", {}).get("runtimes", {})
    for name, runtime in runtimes.items():
        for key in config_versions.GONE_FROM_RUNTIMES & set(runtime):
            _says_something(f"runtimes.{name}.{key}", runtime[key])
            del runtime[key]
        if "sandbox_mode" in runtime:
            runtime["sandboxer"] = _moved(runtime["sandbox_mode"])
            del runtime["sandbox_mode"]
        if runtime.get("snapshotter"):
            platforms = table(plugins, config_versions.IMAGES, "runtime_platforms", name)
            platforms["snapshotter"] = str(runtime["snapshotter"])


def _says_something(key: str, value: object) -> bool:
    """Give False for a gone key with its default value. Raises `ValueError` for one that says something."""
    said = value.get("runtime_type") if isinstance(value, MutableMapping) else value
    if said:
        raise ValueError(_GONE.format(f"`{key}`"))
    return False


def _put(plugins: Tables, path: config_versions.Path, key: str, value: object, comments: list[str]) -> None:
    """Set a key in the table at `path`, below the comments that stood above it; what is there already wins."""
    into = table(plugins, *path)
    if key in into:
        return
    if isinstance(into, Table):
        for comment in comments:
            into.add(tomlkit.comment(comment.lstrip("# ")))
    into[key] = _moved(value)


def _entries(source: Tables) -> Iterator[tuple[list[str], str, Any]]:
    """Give each key of a table with the comments above it; comments after the last key go with that one."""
    if not isinstance(source, Table):
        yield from (([], key, value) for key, value in source.items())
        return
    entries: dict[str, tuple[list[str], Any]] = {}
    comments: list[str] = []
    for key, item in source.value.body:
        if isinstance(item, Comment):
            comments.append(item.as_string().strip())
        elif key is not None:
            # A switch comes out of its table as a plain bool, without the comment beside it.
            value = item if isinstance(item, Bool) else source[key.key]
            entries.setdefault(key.key, ([], value))[0].extend(comments)
            comments = []
    if entries:
        next(reversed(entries.values()))[0].extend(comments)
    yield from ((above, key, value) for key, (above, value) in entries.items())


def _moved(value: object) -> object:
    """Give a copy that can stand elsewhere: tables must forget the header that they were parsed with."""
    moved = copy.deepcopy(value)
    if isinstance(moved, Item):
        _forget_header(moved)
    return moved


def _forget_header(item: Item) -> None:
    if isinstance(item, Table):
        item.display_name = None
        for _, inner in item.value.body:
            _forget_header(inner)
