"""registries.conf and its drop-ins, ours among them, beside real podmans: what each says of every prefix.

Compared is what `podman info` prints: each prefix with its location and mirrors, and where short names are looked for.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from lab import podmans
from lab.podmans import Podman
from lab.settings import Settings
from migrator.nodeconf.settings import Endpoint, Registry
from migrator.runtimes.crio import registries_conf, registries_read
from tests.fuzz.case import Compare, Reader, Tally, tallied

_MEANT = re.compile(
    "is not TOML|first format|mixes|pull-from-mirror|is none:|is not a list|the prefix|the alias|has aliases"
)
"""Refusals that are meant where an older podman takes the file: newer releases, CRI-O's among them, know more rules."""
_HOSTS = ("docker.io", "reg.example:5000", "reg.example", "a.example", "10.0.0.1:5000", "x.y.example")
_PREFIXES = (
    *_HOSTS,
    "docker.io/library",
    "reg.example/team/app",
    "*.example",
    "*.y.example",
    "docker.io/",
    "*.example:5000",
    "*.",
    "http://a.example",
)
_LOCATIONS = (*_HOSTS, "m.example", "m.example/proxy", "m.example:443/", "https://m.example", "")
_FILES = ("{}/00.conf", "{}/a.conf", "{}/zz-migrator.con", "{}/zz-migrator.conf.bak", "{}/zzz.conf", "{}/.hidden.conf", "{}/ZZ.conf", "{}/sub/zzz.conf",
          "{}/zz-migrator.conf.conf", "{}/zz-migrator0.conf", "{}/zz-migrator-.conf", "{}/zzz", "{}/~.conf", "{}/é.conf")  # fmt: skip
_LISTS = (
    '["docker.io"]',
    '["docker.io", "quay.example"]',
    '["quay.example/"]',
    "[]",
    '["docker.io/library"]',
    '["https://x"]',
    '["localhost"]',
)
_ODD = (
    "x", "[registry]\nlocation = 'a.example'", "registry = []", "short-name-mode = 1", "unqualified-search-registries = 'docker.io'",
    "unqualified-search-registries = [1]", "[[registry]]\nlocation = 1", "[[registry]]\ninsecure = 'true'\nlocation = 'a.example'", "[[registry]]", "[aliases]\nx = 1",
    "aliases = 1", "[[registry]]\nprefix = 'a.example'", "[[registry]]\nlocation = 'a.example'\nblocked = 1", "registries = 1", "[registries]\nsearch = []",
    "[registries.search]\nregistries = ['s.example']", "[registries.block]\nregistries = ['a.example']", "[registries.insecure]\nregistries = []", "[registries]", "unknown = 1",
    "[[registry]]\nlocation = 'a.example'\n[registry.mirror]\nlocation = 'm.example'", "\ufeff", "\0", "[[registry]]\nLocation = 'A.example'\nBLOCKED = true",
    "credential-helpers = []", "credential-helpers = 'x'", "a.b = 1", "short-name-mode = 'loud'", "Short-Name-Mode = 'disabled'",
)  # fmt: skip
_ALIASES = (
    '"nginx" = "docker.io/library/nginx"',
    '"x" = "quay.example/x"',
    '"x" = ""',
    '"x" = "x"',
    '"a.b/x" = "q.example/x"',
    '"X" = "q.example/x"',
    '"x" = "q.example/x:1"',
    '"team/x" = "localhost/x"',
)


def _boolean(chance: Random) -> str:
    return chance.choice(("true", "false"))


def _registry(chance: Random) -> Iterator[str]:
    """Write one table, with its mirrors."""
    yield "[[registry]]"
    if chance.random() < 0.7:
        yield f'prefix = "{chance.choice(_PREFIXES if chance.random() < 0.3 else _PREFIXES[:9])}"'
    if chance.random() < 0.95:
        yield f'location = "{chance.choice(_LOCATIONS if chance.random() < 0.2 else _LOCATIONS[:8])}"'
    for key in ("insecure", "blocked", "mirror-by-digest-only"):
        if chance.random() < 0.15:
            yield f"{key} = {_boolean(chance)}"
    for _ in range(chance.choice((0, 0, 1, 2))):
        yield "[[registry.mirror]]"
        yield f'location = "{chance.choice(_LOCATIONS if chance.random() < 0.1 else _LOCATIONS[:8])}"'
        if chance.random() < 0.3:
            yield f"insecure = {_boolean(chance)}"
        if chance.random() < 0.2:
            yield f'pull-from-mirror = "{chance.choice(("all", "digest-only", "tag-only", "tag-only", "never"))}"'


def _old(chance: Random) -> str:
    lists = chance.sample(("search", "insecure", "block"), chance.randint(1, 3))
    names = {name: ", ".join(f'"{host}"' for host in chance.sample(_HOSTS, chance.randint(0, 3))) for name in lists}
    return "".join(f"[registries.{name}]\nregistries = [{hosts}]\n" for name, hosts in names.items())


def _text(chance: Random, *, old: float) -> str:
    if chance.random() < old:
        return _old(chance)
    lines = []
    if chance.random() < 0.4:
        lines.append(
            f"unqualified-search-registries = {chance.choice(_LISTS if chance.random() < 0.3 else _LISTS[:4])}"
        )
    if chance.random() < 0.2:
        lines.append(f'short-name-mode = "{chance.choice(("enforcing", "permissive", "disabled"))}"')
    if chance.random() < 0.07:
        lines.append(chance.choice(_ODD))
    for _ in range(chance.choice((0, 1, 1, 2))):
        lines += _registry(chance)
    if chance.random() < 0.15:
        lines += ["[aliases]", chance.choice(_ALIASES if chance.random() < 0.3 else _ALIASES[:3])]
    return "\n".join(lines) + "\n"


def _endpoint(chance: Random, host: str) -> Endpoint:
    return Endpoint(url=f"{chance.choice(('https', 'http'))}://{host}", skip_verify=chance.random() < 0.2)


def _ours(chance: Random) -> tuple[Registry, ...]:
    found = []
    for name in chance.sample(_HOSTS, chance.randint(0, 3)):
        mirrors = chance.sample(("m.example", "n.example:5000", "m.example/v2/proxy"), chance.choice((0, 1, 2)))
        places = tuple(_endpoint(chance, mirror) for mirror in mirrors)
        found.append(Registry(name=name, server=_endpoint(chance, name), mirrors=places))
    return tuple(found)


def files(chance: Random) -> tuple[dict[str, str], tuple[Registry, ...]]:
    """Make the files of a node, ours among them; give them with the registries that ours describes."""
    made = {}
    if chance.random() < 0.7:
        made[registries_conf.CONFIG] = _text(chance, old=0.2)
    for name in chance.sample(_FILES, chance.choice((0, 1, 1, 2, 3))):
        made[name.format(registries_read.FOLDER)] = _text(chance, old=0.03)
    if chance.random() < 0.05:
        made[registries_read.OWN_CONFIG] = _text(chance, old=0.2)
    if chance.random() < 0.08:
        made[f"{registries_read.OWN_FOLDER}/a.conf"] = _text(chance, old=0)
    registries = _ours(chance)
    (written,) = registries_conf.write(registries)
    return {**made, written.path: written.content}, registries


def _printed(podman: Podman, made: Mapping[str, str]) -> dict[str, Any] | str:
    with tempfile.TemporaryDirectory() as name:
        etc, home = Path(name, "etc"), Path(name, "home")
        for path, text in made.items():
            place = Path(path.replace("/etc/containers", str(etc), 1).replace("/root", str(home), 1))
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        home.mkdir(exist_ok=True)
        return podman.registries(etc, home)


def _theirs(printed: Mapping[str, Any]) -> dict[str, Any]:
    """Give what is compared; 3.0 leaves the slash at the end of a mirror, which is nothing's name."""
    found: dict[str, Any] = {"search": printed.get("search") or []}
    for prefix, entry in printed.items():
        if prefix != "search":
            mirrors = [
                (one["Location"].rstrip("/"), one["Insecure"], one.get("PullFromMirror"))
                for one in entry["Mirrors"] or ()
            ]
            found[f"registry {prefix}"] = (entry["Location"], entry["Insecure"], entry["Blocked"], entry["MirrorByDigestOnly"], mirrors)  # fmt: skip
    return found


def _said(read: registries_read.Registries, *, pulls: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"search": [*read.search]}
    for prefix, entry in read.entries.items():
        mirrors = [(one.location, one.insecure, one.pulls if pulls else None) for one in entry.mirrors]
        found[f"registry {prefix}"] = (entry.place.location, entry.place.insecure, entry.blocked, entry.by_digest, mirrors)  # fmt: skip
    return found


def _one(podman: Podman, made: Mapping[str, str]) -> tuple[str, str] | str:
    """Try one case; give what they and we say where that is not the same."""
    printed = _printed(podman, made)
    try:
        read = registries_read.merged(made)
    except ValueError as error:
        if isinstance(printed, str):
            return ""
        return "refused" if _MEANT.search(str(error)) else (repr(_theirs(printed)), str(error))
    if isinstance(printed, str):
        return printed[-400:], repr(_said(read, pulls=True))
    theirs = _theirs(printed)
    ours = _said(read, pulls=not podman.version.startswith("3."))
    return "" if theirs == ours else (repr(theirs), repr(ours))


def _compared(podman: Podman, seeds: Sequence[int]) -> Tally:
    def one(seed: int) -> tuple[Mapping[str, str], tuple[str, str] | str]:
        made, _ = files(Random(seed))  # noqa: S311 - no secret
        return made, _one(podman, made)

    return tallied(seeds, one)


@contextmanager
def _start(settings: Settings, suite: str) -> Iterator[tuple[str, Compare]]:
    podman = podmans.podman(settings, suite)
    yield f"podman {podman.version}", lambda seeds: _compared(podman, seeds)


READER = Reader("registries", lambda _: podmans.SUITES, _start, batch=20)
