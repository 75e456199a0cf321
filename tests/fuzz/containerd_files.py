"""containerd's configuration beside real containerds: what one file, or several that import each other, make of each setting.

Compared is what `containerd config dump` prints, setting by setting: what a file says must be what the dump has, and
what no file says must be what the dump of an empty file has.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from lab import parsers
from lab.parsers import Containerd
from lab.settings import Settings
from migrator.runtimes.containerd import config_versions, imports
from migrator.runtimes.containerd import read as containerd_read
from tests.fuzz.case import Compare, Reader, Tally, tallied

_MEANT = re.compile("no longer know|loses settings|is not TOML|is needed|which is not there")
"""Refusals that are meant where a containerd starts: keys that 2.x lost, tables that are said twice, values of another
kind that go-toml passes over, and a missing import, which 1.4 passes over."""
_CRI = 'plugins."io.containerd.grpc.v1.cri"'
_RUNTIME, _IMAGES = 'plugins."io.containerd.cri.v1.runtime"', 'plugins."io.containerd.cri.v1.images"'
_KINDS = (
    "io.containerd.runc.v2",
    "io.containerd.runc.v2",
    "io.containerd.runc.v1",
    "io.containerd.kata.v2",
    "io.containerd.runsc.v1",
    "",
)
_HEADERS = ("[{0}]", "[{0}]", "[{0}] # why", "  [{0}]  ", "[ {0} ]", "\n# above\n[{0}]")
_TOP = ("root", "state", "log_level", "log_format", "metrics_address")
_COMPARED = ("root", "state", "log_level", "log_format", "pause_image", "storage", "default_handler", "cni_conf_dir", "cni_bin_dir",
             "cni_bin_dirs", "selinux", "unprivileged_ports", "unprivileged_ping", "cdi", "max_downloads", "config_path")  # fmt: skip
_WRONG = ("root = 1", 'imports = "x"', "disabled_plugins = 1", f"[{_CRI}]\nsandbox_image = 1", f"[{_CRI}]\nenable_selinux = 'x'", f"[{_CRI}.containerd.runtimes]\nrunc = 1",
          f"[{_CRI}.containerd]\nruntimes = 1", "plugins = 1", "[[plugins]]", "a = = 1", "version = 9", f"[{_CRI}.registry]\nmirrors = []", f"[{_CRI}.registry.mirrors.x]\nendpoint = 'x'",
          "[debug]\nlevel = 5", "x = [", "\ufeff", "\0", "root = 'a'\nroot = 'b'")  # fmt: skip


def _value(chance: Random, name: str) -> str:
    if name in {"selinux", "unprivileged_ports", "unprivileged_ping", "cdi", "SystemdCgroup", "NoPivotRoot"}:
        return chance.choice(("true", "false"))
    if name == "max_downloads":
        return str(chance.choice((0, 1, 5)))
    if name in {"cni_bin_dirs", "cdi_folders"}:
        return chance.choice(('["/a", "/b"]', "[]", '["/c"]', "[\n '/a', # one\n]"))
    if name == "log_level":
        return chance.choice(('"info"', '"debug"', '""'))
    if name == "log_format":
        return chance.choice(('"text"', '"json"'))
    quoted = (f'"/{name}/{chance.randint(1, 9)}"', f"'/{name}/{chance.randint(1, 9)}'", '"é"', '""', f'"""/{name}/x"""')
    return chance.choice(quoted)


def _sections(chance: Random, number: int, version: tuple[int, ...]) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Give settings of one file, each with its table, key and value."""
    for name in chance.sample(_COMPARED, chance.randint(0, 6)):
        if path := config_versions.place(name, number, version[:2]):
            yield path[:-1], path[-1], _value(chance, name)
    handlers = config_versions.place("handlers", number, version[:2]) or ()
    for name in chance.sample(("runc", "kata", "nvidia", "a.b"), chance.choice((0, 0, 1, 2))):
        yield (*handlers, name), "runtime_type", f'"{chance.choice(_KINDS)}"'
        for option in chance.sample(("SystemdCgroup", "NoPivotRoot"), chance.randint(0, 2)):
            yield (*handlers, name, "options"), option, _value(chance, option)
        if chance.random() < 0.3:
            yield (*handlers, name, "options"), "BinaryName", '"/usr/bin/other"'
    registry = config_versions.place("registry", number, version[:2]) or ()
    if chance.random() < 0.3:
        name = chance.choice(("docker.io", "*", "r.example:5000"))
        yield (
            (*registry, "mirrors", name),
            "endpoint",
            chance.choice(('["https://m.example"]', '["https://m.example", "http://n"]', "[]")),
        )
    if chance.random() < 0.2:
        yield (*registry, "configs", "m.example", "tls"), chance.choice(("ca_file", "cert_file")), '"/x.crt"'
    if chance.random() < 0.2:
        yield (
            (),
            "disabled_plugins",
            chance.choice(('["io.containerd.a.v1.b"]', "[]", '["io.containerd.a.v1.c", "io.containerd.a.v1.b"]')),
        )


def _text(chance: Random, number: int, version: tuple[int, ...], imported: Sequence[str]) -> str:
    """Write one file."""
    tables: dict[tuple[str, ...], dict[str, str]] = {}
    for path, key, value in _sections(chance, number, version):
        tables.setdefault(path, {})[key] = value
    lines = [f"version = {number}"] if number > 1 and chance.random() < 0.95 else []
    if imported:
        lines.append(f"imports = [{', '.join(map(repr, imported))}]")
    lines += [f"{key} = {value}" for key, value in tables.pop((), {}).items()]
    order = list(tables)
    chance.shuffle(order)
    for path in order:
        name = ".".join(
            part if part.replace("_", "").isalnum() else chance.choice(('"{}"', "'{}'")).format(part) for part in path
        )
        lines.append(chance.choice(_HEADERS).format(name))
        lines += [
            chance.choice(("{} = {}", "  {}={}", "{} = {} # x")).format(key, value)
            for key, value in tables[path].items()
        ]
    text = "\n".join(lines) + "\n"
    if chance.random() < 0.08:
        text += chance.choice(_WRONG) + "\n"
    return text


def _pattern(chance: Random, folder: str, name: str, *, nested: bool) -> str:
    """Name a file, or several, in an import."""
    relative = f"../x/../{name}" if nested else f"./{name}"
    patterns = (
        f"{folder}/conf.d/*.toml", f"{folder}/conf.d/[ab].t*", f"{folder}/*/?.toml", "conf.d/*.toml",
        f"{folder}/conf.d/[z-a]*", f"{folder}/conf.d/{'*a' * 14}*.toml", f"{folder}/**/*[^z-a].t***",
    )  # fmt: skip
    return chance.choice((f"{folder}/{name}", f"{folder}/{name}", relative, *patterns))


def files(chance: Random, folder: str, version: tuple[int, ...]) -> dict[str, str]:
    """Make a configuration, alone or with files that it imports."""
    names = [
        "config.toml",
        *chance.sample(
            ("more.toml", "conf.d/a.toml", "conf.d/b.toml", "conf.d/.c.toml", "sub/d.toml"),
            chance.choice((0, 0, 1, 2, 4)),
        ),
    ]
    number = 2 if version < (2, 0) else chance.choice((2, 3, 3))
    made = {}
    for name in names:
        imported: list[str] = []
        if len(names) > 1 and (name == "config.toml" or chance.random() < 0.4):
            others = chance.sample(names, chance.randint(1, len(names)))
            imported += [_pattern(chance, folder, other, nested="/" in name) for other in others]
            if chance.random() < 0.03:
                imported.append(f"{folder}/none.toml")
        made[f"{folder}/{name}"] = _text(chance, number, version, imported)
    return made


def _said(document: Mapping[str, Any]) -> dict[str, Any]:
    """Give what is compared."""
    found: dict[str, Any] = {name: containerd_read.chosen(document, name) for name in _COMPARED if name not in _TOP}
    number = containerd_read.version(document)
    for name in _TOP:
        found[name] = next(
            (
                value
                for path in config_versions.candidates(name, number)
                if (value := containerd_read.find(document, path))
            ),
            None,
        )
    settings = containerd_read.settings_of(document)
    found["max_downloads"] = settings.max_downloads
    found["cni_bin_dirs"] = [*(_texts(found.pop("cni_bin_dir")) or _texts(found["cni_bin_dirs"]))]
    for name, handler in containerd_read.tables(document).items():
        found[f"runtimes.{name}"] = handler.get("runtime_type") or ""
        for option in ("SystemdCgroup", "NoPivotRoot", "BinaryName"):
            found[f"runtimes.{name}.{option}"] = containerd_read.find(handler, ("options", option)) or None
    registry = containerd_read.chosen(document, "registry") or {}
    for name, mirror in containerd_read.entries(registry, "mirrors").items():
        found[f"mirrors.{name}"] = [*containerd_read.strings(mirror.get("endpoint"))]
    for name, config in containerd_read.entries(registry, "configs").items():
        tls = containerd_read.entries(config, "tls")
        found[f"configs.{name}"] = (tls.get("ca_file") or "", tls.get("cert_file") or "")
    found["disabled_plugins"] = [*containerd_read.strings(document.get("disabled_plugins"))]
    return found


def _texts(value: object) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) and value else containerd_read.strings(value)


def _compared(release: Containerd, empty: Mapping[str, Any], seeds: Sequence[int]) -> Tally:
    def one(seed: int) -> tuple[Mapping[str, str], tuple[str, str] | str]:
        folder = Path(tempfile.mkdtemp(prefix="migrator-fuzz-"))
        try:
            made = files(Random(seed), str(folder), release.version)  # noqa: S311 - no secret
            return made, _one(release, empty, folder, made)
        finally:
            shutil.rmtree(folder)

    return tallied(seeds, one)


def _one(release: Containerd, empty: Mapping[str, Any], folder: Path, made: Mapping[str, str]) -> tuple[str, str] | str:
    """Try one case; give what they and we say where that is not the same."""
    for path, text in made.items():
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).write_text(text)
    main = str(folder / "config.toml")
    printed, complaints = release.dump(Path(main))
    theirs = _said(containerd_read.load(printed)) if not complaints.startswith("exit") else complaints[-300:]
    try:
        document = imports.merged(main, made, release.version[:2])
        ours = _said(document)
    except ValueError as error:
        # What we do not read is refused, and the node is left alone.
        return "" if isinstance(theirs, str) else "refused" if _MEANT.search(str(error)) else (repr(theirs), str(error))
    if isinstance(theirs, str):
        return theirs, repr({key: value for key, value in ours.items() if value})
    wrong = {}
    for key in {*ours, *theirs}:
        expected = ours.get(key)
        if key in empty and expected in (None, "", 0, [], ("", "")):
            continue  # by default, or by an empty value: which of both, releases decide
        if (theirs.get(key) or None) != (expected or None) and not _unseen(key, release.version):
            wrong[key] = (theirs.get(key), expected)
    if wrong:
        return repr({key: pair[0] for key, pair in wrong.items()}), repr({key: pair[1] for key, pair in wrong.items()})
    return ""


def _unseen(key: str, version: tuple[int, ...]) -> bool:
    """Tell whether a dump lacks it: 1.4's has no options of handlers, and 2.x takes no certificates there."""
    options = key.startswith("runtimes.") and key.endswith(("SystemdCgroup", "NoPivotRoot", "BinaryName"))
    return (version >= (2, 0) and key.startswith("configs.")) or (version < (1, 5) and options)


@contextmanager
def _start(settings: Settings, suite: str) -> Iterator[tuple[str, Compare]]:
    release = parsers.containerd(settings, suite)
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.toml"
        config.write_text("version = 2\n")
        empty = _said(containerd_read.load(release.dump(config)[0]))
    yield f"containerd {'.'.join(map(str, release.version))}", lambda seeds: _compared(release, empty, seeds)


READER = Reader("containerd", lambda _: parsers.SUITES, _start, batch=20)
