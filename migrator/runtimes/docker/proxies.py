"""The proxy that Docker pulls through: its own key, else its unit's environment.

moby, daemon/command/daemon.go (`configureProxyEnv`); golang.org/x/net/http/httpproxy: of a variable in both cases the
upper one counts, unless it is empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from migrator.nodeconf.settings import Proxy, has_user
from migrator.runtimes.docker.places import place
from migrator.runtimes.docker.rule_results import Case, RuleResult, carried, lost, never, unknown
from migrator.runtimes.docker.source import DockerSource
from migrator.runtimes.docker.validators import proxy as check

VARIABLES = {"http-proxy": "HTTP_PROXY", "https-proxy": "HTTPS_PROXY", "no-proxy": "NO_PROXY"}


def settings(source: DockerSource) -> Proxy:
    """Give the proxy for the new runtime, without addresses that have a password or a token in them.

    Raises `ValueError` for a variable with a line break in it.
    """
    values = {name: "" if has_user(value) else value for name, value in _effective(source).items()}
    return Proxy(http=values.get("http-proxy", ""), https=values.get("https-proxy", ""), no=values.get("no-proxy", ""))


def judge(value: Mapping[str, Any], case: Case) -> Mapping[str, RuleResult]:
    """Judge each entry of `value`, the key, and each variable of the unit. Raises `ValueError` as `settings` does."""
    effective = _effective(case.source)
    given = {name: _judge(name, effective[name], case) for name in effective}
    rest = {name: _unused(name) for name in value if name not in given}
    return given | rest


def _judge(name: str, value: str, case: Case) -> RuleResult:
    if has_user(value):
        return lost("there is a password in it, which no plan may hold: give the address to the new unit by hand")
    return carried(place("proxy", case.to, VARIABLES[name]))


def _unused(name: str) -> RuleResult:
    if name in VARIABLES:
        return never("it is empty, which is Docker's default")
    return unknown("no Docker of 1.13 to 29 has this entry")


def _effective(source: DockerSource) -> dict[str, str]:
    """Give what is set, by its entry in the key `proxies`."""
    own = source.given.get("proxies") or {}
    found: dict[str, str] = {}
    for name, variable in VARIABLES.items():
        value = own.get(name) or source.proxies.get(variable) or source.proxies.get(variable.lower())
        if value:
            check(f"{variable} of Docker's unit", value)
            found[name] = value
    return found
