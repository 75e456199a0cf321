"""Low-level runtimes: Docker's `runtimes` become handlers, which pods ask for by RuntimeClass.

moby, daemon/runtime_unix.go: a path is run by the shim of runc, a type is containerd's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from migrator.nodeconf.settings import Handler
from migrator.runtimes.destination import Destination
from migrator.runtimes.docker.places import place
from migrator.runtimes.docker.rule_results import Case, RuleResult, carried, lost, never
from migrator.runtimes.docker.validators import fields
from migrator.runtimes.registry import RUNTIMES

STOCK = frozenset({"runc", "io.containerd.runc.v2"})
"""Names of runc itself, which every Docker has."""
_DOCKERS_RUNC = re.compile(r"docker-runc(-current|-latest)?")
"""Docker's own copy of runc, of an old release, under any name of a runtime (CentOS 7; Docker before 18.09)."""
_SHIM = re.compile(r"containerd-shim-([a-z0-9]+)-(v[0-9]+)", re.ASCII)

Read = Handler | str
"""A handler, or why there is none."""


def handlers(options: Mapping[str, Any], to: Destination) -> tuple[Handler, ...]:
    """Give the handlers that this runtime can have of Docker's, in the configuration's order."""
    found = (_handler(name, entry, to) for name, entry in _described(options).items())
    return tuple(handler for handler in found if isinstance(handler, Handler))


def default(options: Mapping[str, Any], to: Destination) -> str:
    """Give the name of the handler that pods get without asking; "" for the new runtime's own."""
    wanted = options.get("default-runtime") or ""
    return wanted if wanted in {handler.name for handler in handlers(options, to)} else ""


def judge(value: Mapping[str, Any], case: Case) -> Mapping[str, RuleResult]:
    """Judge each runtime."""
    return {name: _judge(name, entry, case.to) for name, entry in value.items()}


def judge_default(value: str, case: Case) -> RuleResult:
    """Keep the default where it is carried at all."""
    if value in STOCK or _is_runc(value, (case.source.given.get("runtimes") or {}).get(value) or {"path": value}):
        return never("it is runc, and the new runtime has its own default, which does the same")
    to, options = case.to, case.source.given
    if default(options, to):
        return carried(place("default_handler", to), "dockershim gave it to every pod")
    found = _described(options).get(value)
    why = _handler(value, found, to) if found is not None else "Docker has no runtime of that name"
    return lost(f"{why}; pods get the new runtime's own default")


def _judge(name: str, entry: Mapping[str, Any], to: Destination) -> RuleResult:
    if _is_runc(name, entry):
        return never("it is runc, which the new runtime has anyway")
    handler = _handler(name, entry, to)
    if isinstance(handler, str):
        return lost(handler)
    where = place("handlers", to, name)
    if arguments := fields(dict(entry)).get("runtimeargs"):
        return lost(f"it is at {where} without its {len(arguments)} runtimeArgs; a script around it can give them")
    return carried(where, f"pods ask for it by a RuntimeClass with the handler {name}")


def _described(options: Mapping[str, Any]) -> dict[str, Any]:
    """Give the descriptions that make handlers; a shim that is named directly as the default is one of them."""
    found = {name: entry for name, entry in (options.get("runtimes") or {}).items() if not _is_runc(name, entry)}
    wanted = options.get("default-runtime") or ""
    if wanted.startswith("io.containerd.") and wanted not in STOCK | set(found):
        found[wanted] = {"runtimeType": wanted}
    return found


def _is_runc(name: str, entry: Mapping[str, Any]) -> bool:
    path = str(fields(dict(entry)).get("path", "runc"))
    return (name in STOCK and path == "runc") or bool(_DOCKERS_RUNC.fullmatch(path.rpartition("/")[2]))


def _handler(name: str, entry: Mapping[str, Any], to: Destination) -> Read:
    parts = fields(dict(entry))
    make: Callable[[str, dict[str, Any], Destination], Read] = _by_path if parts.get("path") else _by_type
    return make(name, parts, to)


def _by_path(name: str, parts: dict[str, Any], to: Destination) -> Read:
    return RUNTIMES[to.runtime].by_path(Handler(name=name, program=parts["path"]))


def _by_type(name: str, parts: dict[str, Any], to: Destination) -> Read:
    kind, options, program = parts["runtimetype"], parts.get("options", {}), ""
    if "/" in kind:
        shim = _SHIM.fullmatch(kind.rpartition("/")[2])
        if shim is None or not kind.startswith("/"):
            return f"{kind!r} is not the path of a shim with a usual name"
        kind, program = f"io.containerd.{shim[1]}.{shim[2]}", kind
    return RUNTIMES[to.runtime].by_type(Handler(name=name, program=program, kind=kind, options=options), to.version)
