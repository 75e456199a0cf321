"""Which file has the last word on what a service's process is given: its limits, and variables of its environment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

from migrator.model.facts import NodeFacts, UnitFacts
from migrator.nodeconf.systemd import syntax
from migrator.nodeconf.systemd.unit import Unit

_LIMIT = "Limit"


def unit_of(facts: NodeFacts, service: UnitFacts) -> Unit:
    """Give the files that make a service, as they were read; what was not read is empty."""
    fragments = tuple((path, facts.file(path).content) for path in service.fragments)
    return Unit(fragments, variables_of(facts, service))


def variables_of(facts: NodeFacts, service: UnitFacts) -> tuple[tuple[str, str | None], ...]:
    """Give its files of variables with their texts; None for one that is not there, or is a folder."""
    files = (facts.file(path) for path in service.environment_files)
    return tuple((file.path, file.content if file.exists and not file.folder else None) for file in files)


def of_service(unit: Unit) -> Iterator[tuple[str, str, str]]:
    """Give the file, the key and the value of each setting of the service, in the order in which systemd reads them."""
    for path, text in unit.fragments:
        for setting in syntax.settings(text):
            if setting.section == "Service":
                yield path, setting.key, setting.value.text


@lru_cache(maxsize=256)
def limits(unit: Unit) -> Mapping[str, tuple[str, str]]:
    """Give the value of each `Limit…=` and the file that it stands in, by the setting's name.

    The last one counts; an empty one takes back what came before (systemd, conf-parser.c and config_parse_rlimit).
    """
    found: dict[str, tuple[str, str]] = {}
    for path, key, value in of_service(unit):
        if key.startswith(_LIMIT):
            found.pop(key, None)
            if value:
                found[key] = (value, path)
    return found


def slice_of(unit: Unit) -> str:
    """Give the cgroup of a service's slice, as in "/a.slice/a-b.slice"; system.slice where nothing says another.

    Source: systemd.slice(5): a dash in a name stands for a slice inside another.
    """
    name = "system.slice"
    for _, key, value in of_service(unit):
        if key == "Slice":
            name = value or "system.slice"
    parts = name.removesuffix(".slice").split("-")
    return "".join(f"/{'-'.join(parts[:number])}.slice" for number in range(1, len(parts) + 1))


@lru_cache(maxsize=256)
def variables(unit: Unit) -> Mapping[str, tuple[str, str]]:
    """Give the value of each variable and the file that it stands in, by its name; {} where systemd refuses the unit.

    `EnvironmentFile=` has the last word over every `Environment=` (systemd.exec(5)).
    """
    try:
        known = unit.service.definitions
    except ValueError:
        return {}
    return {name: (definition.value.text, definition.path) for name, definition in known.items()}
