"""The door to the inventory: read by Ansible itself, checked as a whole by us.

Raises `InventoryError` for what is missing, malformed (with file and line) or not allowed.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from migrator import masking
from migrator.errors import InventoryError
from migrator.model.base import Value
from migrator.model.host_settings import PREFIX, RUNTIMES, HostSettings
from migrator.model.rollout_policy import Policy


class Host(Value):
    """A host of the inventory and what is asked for it."""

    name: str
    target: HostSettings

    @property
    def node(self) -> str:
        """Its name in the cluster."""
        return self.target.node_name or self.name


class Inventory(Value):
    """Hosts in the inventory's order."""

    path: str
    hosts: tuple[Host, ...]
    """Those that the limit matches."""
    everyone: tuple[Host, ...]
    """All of them."""

    def select(self, names: tuple[str, ...]) -> tuple[Host, ...]:
        """Give the named hosts, by inventory or node name; all when `names` is empty.

        Raises `InventoryError` naming those that exist.
        """
        if not names:
            return self.hosts
        known = {host.node: host for host in self.hosts} | {host.name: host for host in self.hosts}
        for name in names:
            if name not in known:
                raise InventoryError(
                    f"--node {name}: the inventory {self.path} has no such host{_nearest(name, known)}; "
                    f"it has: {', '.join(host.name for host in self.hosts)}"
                )
        wanted = {known[name].name for name in names}
        return tuple(host for host in self.hosts if host.name in wanted)


def load(path: Path, *, runtimes: Sequence[str], limit: str = "") -> Inventory:
    """Read an inventory of any form that Ansible accepts; only hosts that `limit`, one of its patterns, matches.

    `runtimes` are those that a host can be asked to have.
    """
    if not path.exists():
        raise InventoryError(f"{path}: there is no such inventory; inventory.example shows how one looks")
    document = _ask_ansible(path)
    variables: Mapping[str, Mapping[str, Any]] = document.get("_meta", {}).get("hostvars", {})
    for entry in variables.values():
        masking.learn(entry)
    names = _host_names(document)
    for name in names:
        if not plain_name(name):
            raise InventoryError(f"{path}: host {name!r}: Ansible takes this name for a pattern; rename it")
    if not names:
        raise InventoryError(f"{path}: the inventory has no hosts; name the cluster's workers in it")
    limited = set(_host_names(_ask_ansible(path, limit)) if limit else names)
    if not limited:
        raise InventoryError(f"--limit {limit}: no host of {path} matches")
    problems: list[str] = []
    read = [_host(name, variables.get(name, {}), path, runtimes, problems) for name in names]
    hosts = tuple(host for host in read if host is not None)
    problems += [*_disagreements(hosts), *_twins(hosts)]
    if problems:
        raise InventoryError(f"{path}: " + "\n".join(problems))
    chosen = tuple(host for host in hosts if host.name in limited)
    return Inventory(path=str(path), hosts=chosen, everyone=hosts)


def _twins(hosts: Sequence[Host]) -> Iterator[str]:
    """Name hosts that stand for the same Node: it would be worked on twice, at once."""
    first: dict[tuple[str, str, str], Host] = {}
    for host in hosts:
        other = first.setdefault((host.target.kubeconfig, host.target.context, host.node), host)
        if other is not host:
            yield f"host {host.name}: it is the Node {host.node}, and so is host {other.name}"


def _disagreements(hosts: Sequence[Host]) -> Iterator[str]:
    """Name what hosts of one group have differently that only the group can have."""
    first: dict[str, Host] = {}
    for host in hosts:
        other = first.setdefault(host.target.group, host)
        for field in Policy.model_fields:
            mine, theirs = getattr(host.target, field), getattr(other.target, field)
            if mine != theirs:
                yield (
                    f"host {host.name}: {PREFIX}{field} is {mine!r}, and {theirs!r} for {other.name}: hosts of one "
                    f"group have the same; give them groups of their own by {PREFIX}group"
                )


_PATTERN = re.compile(r"[\s,&!~*?\[\]{}()$`\"'\\]|^-")
"""What means something else than itself where hosts are named to Ansible."""


def plain_name(name: str) -> bool:
    """Tell whether a host's name stands for itself alone where it is named to Ansible."""
    return not _PATTERN.search(name)


def _ask_ansible(path: Path, limit: str = "") -> dict[str, Any]:
    environment = {
        **os.environ,
        "ANSIBLE_INVENTORY_UNPARSED_FAILED": "true",
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_VERBOSITY": "0",  # otherwise it says more than the document
        "ANSIBLE_DEPRECATION_WARNINGS": "0",
        "ANSIBLE_LOCALHOST_WARNING": "0",
    }
    environment.pop("ANSIBLE_FORCE_COLOR", None)
    limited = [f"--limit={limit}"] if limit else []
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "inventory", "-i", str(path.absolute()), "--list", *limited],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=environment,
        check=False,
    )
    if done.returncode != 0:
        raise InventoryError(f"{path}: Ansible cannot read this inventory: {_cause(done.stderr)}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _cause(stderr: str) -> str:
    """Take the sentences that say what is wrong and where out of Ansible's many."""
    place = re.search(r"(?:Origin: |in ')(\S+?)[':,]+ ?(?:line )?(\d+)(?:[:,] ?(?:column )?(\d+))?", stderr)
    where = f"line {place[2]}" + (f", column {place[3]}" if place and place[3] else "") if place else ""
    told = re.findall(r"(?:ERROR\]?:?|Failed to parse[^:]*:)\s*(.+)", stderr)
    yaml_error = re.search(r"(?:YAML parsing failed|Syntax Error while loading YAML)[.:]?\s*(.*)", stderr)
    reason = (yaml_error[0] if yaml_error else told[-1] if told else stderr.strip()[-300:]).strip()
    return f"{where}: {reason}" if where else reason


def _host_names(document: Mapping[str, Any]) -> list[str]:
    names: dict[str, None] = {}

    def walk(group: str) -> None:
        entry = document.get(group, {})
        for child in entry.get("children", []):
            walk(child)
        names.update(dict.fromkeys(entry.get("hosts", [])))

    walk("all")
    return list(names)


def _host(
    name: str, variables: Mapping[str, Any], path: Path, runtimes: Sequence[str], problems: list[str]
) -> Host | None:
    asked = {key.removeprefix(PREFIX): value for key, value in variables.items() if key.startswith(PREFIX)}
    known = set(HostSettings.model_fields)
    before = len(problems)
    for key, value in asked.items():
        if key not in known:
            problems.append(f"host {name}: unknown variable {PREFIX}{key}{_nearest(key, known, prefix=PREFIX)}")
        elif isinstance(value, str) and ("{{" in value or "{%" in value):
            problems.append(f"host {name}: {PREFIX}{key} is a template; write the value itself")
    try:
        target = HostSettings.model_validate(
            {key: value for key, value in asked.items() if key in known}, context={RUNTIMES: runtimes}
        )
    except ValidationError as error:
        for mistake in error.errors():
            key = ".".join(str(part) for part in mistake["loc"])
            problems.append(f"host {name}: {PREFIX}{key}={mistake['input']!r}: {mistake['msg']}")
        return None
    if len(problems) > before:
        return None
    places = {field: _absolute(path, getattr(target, field)) for field in ("kubeconfig", "packages")}
    if places["packages"] and not Path(places["packages"]).is_dir():
        problems.append(f"host {name}: {PREFIX}packages: there is no folder {places['packages']}")
    return Host(name=name, target=target.model_copy(update=places))


def _absolute(inventory: Path, place: str) -> str:
    return str((inventory.absolute().parent / Path(place).expanduser()).resolve()) if place else ""


def _nearest(name: str, known: Mapping[str, Any] | set[str], *, prefix: str = "") -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {prefix}{close[0]}?)" if close else ""
