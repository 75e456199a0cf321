"""CRI-O's configuration and its drop-ins beside real CRI-Os: what `crio config` prints of all of them together."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

from lab.settings import Settings
from migrator.nodeconf.settings import RuntimeSettings
from migrator.runtimes.crio import read as crio_read
from tests.fuzz.case import Compare, Disagreement, Reader, Tally

_KEYS: dict[str, dict[str, tuple[str, ...]]] = {
    "crio": {"root": ('"/srv/a"', '"/var/lib/containers/storage"'), "storage_driver": ('"overlay"', '"vfs"'),
             "storage_option": ('["overlay.mountopt=nodev"]', "[]", '["overlay.size=1G", "overlay.mountopt=nodev"]')},
    "crio.runtime": {"cgroup_manager": ('"systemd"', '"cgroupfs"'), "default_runtime": ('"runc"', '"crun"'), "selinux": ("true", "false"),
                     "log_level": ('"info"', '"debug"'), "default_ulimits": ('["nofile=10:20"]', "[]"), "default_sysctls": ('["net.ipv4.ip_unprivileged_port_start=0"]', "[]"),
                     "conmon_cgroup": ('"pod"',)},
    "crio.runtime.runtimes.runc": {"runtime_path": ('"/usr/bin/runc"', '""'), "runtime_type": ('"oci"', '""')},
    "crio.runtime.runtimes.crun": {"runtime_path": ('"/usr/bin/crun"',), "monitor_path": ('"/usr/bin/conmon"', '""')},
    "crio.image": {"pause_image": ('"registry.example/pause:3.9"', '"x"')},
    "crio.network": {"network_dir": ('"/etc/cni/net.d"', '"/srv/net.d/"'), "plugin_dirs": ('["/opt/cni/bin"]', '["/a", "/b/"]')},
    "crio.metrics": {"enable_metrics": ("true", "false"), "metrics_port": ("9090", "9537")},
}  # fmt: skip
_NAMES = ("00-a.conf", "10-b.conf", "99-c.conf", "a", ".hidden.conf")


def programs(settings: Settings) -> list[str]:
    """Give the CRI-O that somebody named."""
    program = Path(settings.crio, "crio")
    return [str(program)] if settings.crio and program.exists() else []


def _text(chance: Random) -> str:
    lines = []
    for table in chance.sample([*_KEYS], chance.randint(1, 4)):
        lines.append(f"[{table}]" + chance.choice(("", " # why")))
        keys = _KEYS[table]
        lines += [f"{key} = {chance.choice(keys[key])}" for key in chance.sample([*keys], chance.randint(1, len(keys)))]
    return "\n".join(lines) + "\n"


def _printed(program: str, main: Path, folder: Path) -> str:
    words = [program, "--config", str(main), "--config-dir", str(folder), "config"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout if done.returncode == 0 else ""


def _compared(program: str, seeds: Sequence[int]) -> Tally:
    refused, found = 0, []
    for seed in seeds:
        chance = Random(seed)  # noqa: S311 - no secret
        main, drop_ins = (
            _text(chance),
            {name: _text(chance) for name in sorted(chance.sample(_NAMES, chance.randint(0, 3)))},
        )
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "none").mkdir()
            (folder / "conf.d").mkdir()
            (folder / "crio.conf").write_text(main)
            for path, text in drop_ins.items():
                (folder / "conf.d" / path).write_text(text)
            alone, together = (_printed(program, folder / "crio.conf", folder / place) for place in ("none", "conf.d"))
        theirs, ours = _read(together), _read(alone, [*drop_ins.values()])
        if isinstance(ours, str) or isinstance(theirs, str):
            refused += 1
        elif theirs != ours:
            names = [key for key in type(ours).model_fields if getattr(ours, key) != getattr(theirs, key)]
            given = "\n".join([main, *(f"--- {path}\n{text}" for path, text in drop_ins.items())])
            pair = ({key: getattr(said, key) for key in names} for said in (theirs, ours))
            found.append(Disagreement(seed, given, *map(repr, pair)))
    return Tally(len(seeds), refused, tuple(found))


def _read(effective: str, drop_ins: Sequence[str] = ()) -> RuntimeSettings | str:
    """Read it; why not, where CRI-O has printed nothing or we refuse it."""
    if not effective:
        return "it is refused"
    try:
        return crio_read.settings(effective, drop_ins)
    except ValueError as error:
        return str(error)


@contextmanager
def _start(_: Settings, program: str) -> Iterator[tuple[str, Compare]]:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()
    yield f"CRI-O {said[2]}", lambda seeds: _compared(program, seeds)


READER = Reader("crio", programs, _start, missing="MIGRATOR_CRIO names a folder with `crio` (no Debian package)")
