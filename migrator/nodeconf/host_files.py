"""The small files of a host that every runtime needs, and how templates become text."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Mapping

import jinja2
import yaml

from migrator import data_files
from migrator.memoize import memoize
from migrator.nodeconf.parsing import NOT_YAML, bound
from migrator.nodeconf.settings import RuntimeSettings, Written

CRICTL = "/etc/crictl.yaml"
MODULES = "/etc/modules-load.d/migrator.conf"
SYSCTL = "/etc/sysctl.d/zz-migrator.conf"
"""Read last, but for what sorts after it: the last file that sets a key counts (`sysctl_d`)."""

KEPT_MODULES = ("overlay", "br_netfilter")
KEPT_SYSCTLS = ("net.bridge.bridge-nf-call-iptables",)
"""What Docker loads and turns on at its start and nobody does once it is gone (kubernetes/website#36336). Forwarding it
may have been told to leave alone."""

_ENDPOINT = re.compile(r"unix:///[A-Za-z0-9._/@:+-]+", re.ASCII)
_MODULE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_SYSCTL = re.compile(r"[A-Za-z0-9_]+([./][A-Za-z0-9_-]+)+", re.ASCII)
_CRICTL_KEY = re.compile(r"^(runtime-endpoint|image-endpoint)\s*:.*$", re.MULTILINE)


def render(template: str, **values: object) -> str:
    """Give the text of a template of `templates/`; the filter `toml` quotes a value for TOML.

    Raises `jinja2.TemplateError` for a template that is wrong or names a value that is not given, which is a bug.
    """
    return _environment().get_template(template).render(**values)


def toml(value: str | float | Iterable[str]) -> str:
    """Write a value as TOML does: a string, a number, a boolean, or a list of strings on one line.

    Raises `ValueError` for a string that is not Unicode text.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"{value!r} is not Unicode text, which a configuration file must be") from error
        # A JSON string is a basic string of TOML, but for DEL, which only TOML wants escaped (TOML 1.0, Strings).
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return "[" + ", ".join(toml(entry) for entry in value) + "]"


@memoize
def crictl(endpoint: str, existing: str) -> Written:
    """Give crictl's configuration: it finds the runtime at `endpoint`; the user's other keys and comments stay.

    `existing` is the present text, "" when there is none.
    Raises `ValueError` when that is not a YAML mapping, or when `endpoint` is not `unix:///…`.
    """
    if not _ENDPOINT.fullmatch(endpoint):
        raise ValueError(f"{endpoint!r} is no address of a runtime: it must be unix:// and an absolute path")
    ours: dict[object, object] = {"runtime-endpoint": endpoint, "image-endpoint": endpoint}
    present = _mapping(existing)
    plain = render("crictl.yaml.j2", endpoint=endpoint)
    if all(present.get(key) == value for key, value in ours.items()):
        return Written(path=CRICTL, content=existing)
    if set(present) <= set(ours):
        return Written(path=CRICTL, content=plain)
    edited = _edited(existing, endpoint, [key for key in ours if key not in present])
    if _same(edited, {**present, **ours}):
        return Written(path=CRICTL, content=edited)
    # A layout that lines cannot be replaced in: the keys are kept, the comments are not.
    others = {key: value for key, value in present.items() if key not in ours}
    return Written(path=CRICTL, content=plain + yaml.safe_dump(others, sort_keys=False))


@memoize
def modules(names: Iterable[str] = KEPT_MODULES) -> Written:
    """Give the list of kernel modules that systemd loads at boot, in the order given.

    Raises `ValueError` for a name that no module can have.
    """
    wanted = tuple(names)
    for name in wanted:
        if not _MODULE.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a kernel module")
    return Written(path=MODULES, content=render("modules-load.conf.j2", modules=wanted))


@memoize
def sysctl(settings: RuntimeSettings) -> Written:
    """Give the sysctls that systemd turns on at boot: what Docker turned on, sorted by name.

    Raises `ValueError` for a name that no sysctl can have.
    """
    wanted = {*KEPT_SYSCTLS, *settings.forwarding}
    for name in sorted(wanted):
        if not _SYSCTL.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a sysctl, such as net.ipv4.ip_forward")
    return Written(path=SYSCTL, content=render("sysctl.conf.j2", settings=dict.fromkeys(wanted, 1)))


@functools.cache
def _environment() -> jinja2.Environment:
    """Made once, and never looked at the disk again: plans are made for thousands of nodes."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(data_files.folder("templates")),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        auto_reload=False,
        autoescape=False,  # noqa: S701 - configuration files, not HTML; values are quoted by what they stand in
    )
    environment.filters["toml"] = toml
    return environment


def _mapping(text: str) -> Mapping[object, object]:
    try:
        document = yaml.safe_load(text)
        bound(document)
    except NOT_YAML as error:
        raise ValueError(f"{CRICTL} is not YAML: {error}") from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise ValueError(f"{CRICTL} is not a YAML mapping of crictl's settings")  # noqa: TRY004 - one kind of error
    return document


def _edited(text: str, endpoint: str, missing: Iterable[object]) -> str:
    replaced = _CRICTL_KEY.sub(lambda match: f'{match[1]}: "{endpoint}"', text)
    if not replaced.endswith("\n"):
        replaced += "\n"
    return replaced + "".join(f'{key}: "{endpoint}"\n' for key in missing)


def _same(text: str, wanted: Mapping[object, object]) -> bool:
    try:
        return _mapping(text) == wanted
    except ValueError:
        return False
