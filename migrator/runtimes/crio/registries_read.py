"""registries.conf with its drop-ins, merged as containers/image does it: what is in force, and which file says it.

Sources: containers/image, pkg/sysregistriesv2 (loadConfigFile, postProcessRegistries, dropInConfigs,
updateWithConfigurationFrom, findRegistryWithParsedConfig) and shortnames.go; what podman 3.0, 4.3 and 5.4 print is
compared (tests/fuzz).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from migrator.nodeconf.parsing import toml_document
from migrator.runtimes.crio.registries_conf import CONFIG, DROP_IN

FOLDER = posixpath.dirname(DROP_IN)
OWN_CONFIG = "/root/.config/containers/registries.conf"
"""Root's own, which is read instead of `CONFIG` and `FOLDER` (newConfigWrapperWithHomeDir)."""
OWN_FOLDER = f"{OWN_CONFIG}.d"
"""Root's own drop-ins, which are read after those of `FOLDER`."""

_TOP = (
    "registry", "unqualified-search-registries", "short-name-mode", "aliases", "credential-helpers",
    "additional-layer-store-auth-helper", "registries",
)  # fmt: skip
_OF_PLACE = ("location", "insecure", "pull-from-mirror")
_OF_ENTRY = (*_OF_PLACE, "prefix", "blocked", "mirror", "mirror-by-digest-only")
_HIDDEN = re.compile(r"sha256:[0-9a-f]{16}")
"""What the inspection gives for a value whose name sounds like a secret's."""
_SCHEMES = ("http://", "https://")
_PULLS = frozenset({"", "all", "digest-only", "tag-only"})
_MODES = frozenset({"", "enforcing", "permissive", "disabled"})
_LABEL = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[(?:[a-fA-F0-9:]+)\])(?::[0-9]+)?", re.ASCII)
_PART = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_PART}(?:/{_PART})*", re.ASCII)
"""Parts of an image's name (containers/image, docker/reference/regexp.go)."""


@dataclass(frozen=True)
class Place:
    """Where images come from."""

    location: str
    insecure: bool = False
    pulls: str = ""
    """Of a mirror: what it is asked for, digests or tags; "" for both."""


@dataclass(frozen=True)
class Entry:
    """What is said of one prefix."""

    path: str
    """The file that says it."""
    place: Place
    mirrors: tuple[Place, ...] = ()
    blocked: bool = False
    by_digest: bool = False
    """Whether its mirrors are asked for digests alone."""


@dataclass(frozen=True)
class Registries:
    """What is in force."""

    entries: Mapping[str, Entry] = field(default_factory=dict)
    """By prefix."""
    search: tuple[str, ...] = ()
    """Registries of a name without one."""
    searched_by: str = ""
    """The file that names these; "" where none does."""
    aliases: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Names without a registry, each with what it stands for and the file that says so."""
    mode: str = ""

    def of(self, name: str) -> str:
        """Give the prefix that decides about an image or a registry; "" where none does."""
        fitting = [prefix for prefix in sorted(self.entries) if fits(name, prefix)]
        return max(fitting, key=len, default="")


def fits(name: str, prefix: str) -> bool:
    """Tell whether an image's name begins with a prefix; `*.` stands for any host above that domain."""
    if prefix.startswith("*."):
        before, found, after = name.partition(prefix[1:])
        return bool(found) and "/" not in before and after[:1] in {"", ":", "/", "@"}
    return name == prefix or (name.startswith(prefix) and name[len(prefix)] in ":/@")


def order(paths: Iterable[str]) -> tuple[str, ...]:
    """Give the files that are read, in their order, of all that there are.

    A folder's files are read by their names, the hidden ones too, and those without `.conf` at their end are not.
    """
    there = set(paths)
    alone = OWN_CONFIG in there
    folders = (OWN_FOLDER,) if alone else (FOLDER, OWN_FOLDER)
    drop_ins = (
        sorted(path for path in there if posixpath.dirname(path) == folder and path.endswith(".conf"))
        for folder in folders
    )
    first = OWN_CONFIG if alone else CONFIG
    return (*([first] if first in there else []), *(path for some in drop_ins for path in some))


def merged(texts: Mapping[str, str]) -> Registries:
    """Give what all files say together. `texts` are those of all files that there are, by path.

    Raises `ValueError` for a file that containers/image refuses: CRI-O does not start with one.
    """
    entries: dict[str, Entry] = {}
    aliases: dict[str, tuple[str, str]] = {}
    search: tuple[str, ...] = ()
    searched_by = mode = ""
    for path in order(texts):
        try:
            one = _read(path, texts[path], drop_in=path not in {CONFIG, OWN_CONFIG})
        except ValueError as error:
            raise ValueError(f"{path} {error}") from error
        entries |= one.entries
        aliases |= one.aliases
        mode = one.mode or mode
        if one.searched_by:
            search, searched_by = one.search, path
    return Registries(entries, search, searched_by, aliases, mode)


def _read(path: str, text: str, *, drop_in: bool) -> Registries:
    document = _known(toml_document(text), _TOP)
    helper, helpers = _text(document, "additional-layer-store-auth-helper"), _texts(document, "credential-helpers")
    old = _first_format(document)
    searched = _texts(document, "unqualified-search-registries")
    tables = _tables(document, "registry")
    mode = _text(document, "short-name-mode")
    aliases = _table(document, "aliases")
    if old and drop_in:
        raise ValueError("is of the first format, which a drop-in may not have")
    said = searched is not None or helpers is not None or "registry" in document or aliases or mode or helper
    if old and said:
        raise ValueError("mixes the first format and the second")
    entries = _converted(path, old) if old else _entries(path, tables)
    search = old.get("search") if old else searched
    names = tuple(map(_location, search or ()))
    if wrong := [name for name in names if not _DOMAIN.fullmatch(name)]:
        raise ValueError(f"has {wrong[0]!r} in unqualified-search-registries, which is not a host")
    if mode not in _MODES:
        raise ValueError(f"has short-name-mode = {mode!r}, which is none")
    meant = {name: (_alias(name, _text(aliases, name)), path) for name in aliases}
    return Registries(entries, names, path if search is not None else "", meant, mode)


def _first_format(document: Mapping[str, Any]) -> dict[str, list[str]]:
    """Give the lists of a file of the first format, each with its name; {} for one of the second."""
    old = _known(_table(document, "registries"), ("search", "insecure", "block"))
    lists = {name: _texts(_known(_table(old, name), ("registries",)), "registries") for name in old}
    return {
        name: found for name, found in lists.items() if found is not None and name in {"search", "insecure", "block"}
    }


def _converted(path: str, old: Mapping[str, Sequence[str]]) -> dict[str, Entry]:
    blocked = {_location(name) for name in old.get("block", ())}
    insecure = {_location(name) for name in old.get("insecure", ())}
    if "" in blocked | insecure:
        raise ValueError("has an entry without a location")
    return {
        name: Entry(path, Place(name, name in insecure), blocked=name in blocked) for name in sorted(blocked | insecure)
    }


def _entries(path: str, tables: Iterable[Mapping[str, Any]]) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    flags: dict[str, tuple[bool, bool]] = {}
    for table in tables:
        one = _known(table, _OF_ENTRY)
        place = _place(one)
        prefix = _location(_text(one, "prefix")) or place.location
        if not prefix or not (place.location or prefix.startswith("*.")):
            raise ValueError(f"has an entry of {prefix!r} without a location")
        if prefix.startswith("*.") and re.search("[/@:]", prefix):
            raise ValueError(f"has the prefix {prefix!r}: one with * is a domain, without a port or a path")
        if place.pulls:
            raise ValueError(f"has pull-from-mirror for {prefix!r}, which is not a mirror")
        by_digest, blocked = _flag(one, "mirror-by-digest-only"), _flag(one, "blocked")
        mirrors = tuple(_place(_known(entry, _OF_PLACE)) for entry in _tables(one, "mirror"))
        for mirror in mirrors:
            if not mirror.location or mirror.pulls not in _PULLS or (by_digest and mirror.pulls):
                raise ValueError(
                    f"has a mirror of {prefix!r} that is none: {mirror.location!r} {mirror.pulls}".rstrip()
                )
        if flags.setdefault(place.location or prefix, (place.insecure, blocked)) != (place.insecure, blocked):
            raise ValueError(f"says insecure or blocked of {place.location or prefix!r} in two ways")
        found.setdefault(prefix, Entry(path, place, mirrors, blocked, by_digest))
    return found


def _place(table: Mapping[str, Any]) -> Place:
    return Place(_location(_text(table, "location")), _flag(table, "insecure"), _text(table, "pull-from-mirror"))


def _location(text: str) -> str:
    found = text.rstrip("/")
    if found.startswith(_SCHEMES):
        raise ValueError(f"has {text!r}, and a scheme may not stand there")
    return found


def _alias(name: str, value: str) -> str:
    """Give what a name stands for; "" takes away what another file said of it."""
    host, slash, rest = name.partition("/")
    if not _REPOSITORY.fullmatch(name) or (slash and ("." in host or host == "localhost")):
        raise ValueError(f"has the alias {name!r}, which is not a name without a registry")
    if _HIDDEN.fullmatch(value):
        return value
    host, slash, rest = value.partition("/")
    named = _DOMAIN.fullmatch(host) and ("." in host or ":" in host or host == "localhost")
    if value and not (slash and named and _REPOSITORY.fullmatch(rest)):
        raise ValueError(f"has the alias {name!r} for {value!r}, which is not a registry with a name")
    return value


def _known(table: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Spell keys as they are meant: any case will do (BurntSushi/toml, unifyStruct), by chance where there are two."""
    known = set(names)
    found: dict[str, Any] = {}
    for key, value in table.items():
        meant = key.lower() if key.lower() in known else key
        if meant in found:
            raise ValueError(f"has {meant} in two spellings: which one counts is chance")
        found[meant] = value
    return found


def _table(parent: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = parent.get(key, {})
    if not isinstance(value, dict):
        raise ValueError(f"has {key}, which is not a table")  # noqa: TRY004 - one kind of error
    return value


def _tables(parent: Mapping[str, Any], key: str) -> Iterator[Mapping[str, Any]]:
    value = parent.get(key, [])
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise ValueError(f"has {key}, which is not tables: it is written with two brackets")
    return iter(value)


def _text(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key, "")
    if not isinstance(value, str):
        raise ValueError(f"has {key}, which is not a string")  # noqa: TRY004 - one kind of error
    return value


def _texts(table: Mapping[str, Any], key: str) -> list[str] | None:
    value = table.get(key)
    if value is not None and (not isinstance(value, list) or not all(isinstance(entry, str) for entry in value)):
        raise ValueError(f"has {key}, which is not a list of strings")
    return value


def _flag(table: Mapping[str, Any], key: str) -> bool:
    value = table.get(key, False)
    if not isinstance(value, bool):
        raise ValueError(f"has {key}, which is not true or false")  # noqa: TRY004 - one kind of error
    return value
