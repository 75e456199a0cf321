"""CRI-O's configuration and its drop-ins beside real CRI-Os: what `crio config` prints of all of them together."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

from lab.settings import Settings
from migrator import versions
from migrator.nodeconf.settings import Handler, RuntimeSettings
from migrator.runtimes import crio
from migrator.runtimes.crio import in_force
from migrator.runtimes.crio import read as crio_read
from migrator.versions import Version
from tests.fuzz.case import Compare, Disagreement, Reader, Tally

_KEYS: dict[str, dict[str, tuple[str, ...]]] = {
    "crio": {"root": ('"/srv/a"', '"/var/lib/containers/storage"'), "storage_driver": ('"overlay"', '"vfs"'),
             "storage_option": ('["overlay.mountopt=nodev"]', "[]", '["overlay.size=1G", "overlay.mountopt=nodev"]')},
    "crio.runtime": {"cgroup_manager": ('"systemd"', '"cgroupfs"'), "default_runtime": ('"runc"', '"crun"'), "selinux": ("true", "false"),
                     "log_level": ('"info"', '"debug"'), "default_ulimits": ('["nofile=10:20"]', "[]"), "default_sysctls": ('["net.ipv4.ip_unprivileged_port_start=0"]', "[]"),
                     "conmon_cgroup": ('"pod"',), "cdi_spec_dirs": ('["/etc/cdi"]', "[]")},
    "crio.runtime.runtimes.runc": {"runtime_path": ('"/usr/bin/runc"', '""'), "runtime_type": ('"oci"', '""')},
    "crio.runtime.runtimes.kata": {"runtime_path": ('"/usr/bin/containerd-shim-kata-v2"',), "runtime_type": ('"vm"',), "privileged_without_host_devices": ("true",)},
    "crio.runtime.runtimes.other": {"inherit_default_runtime": ("true", "false"), "default_annotations": ('{ "a.b/c" = "x" }', "{}"), "monitor_cgroup": ('"pod"', '"system.slice"'),
                                    "runtime_path": ('"/usr/bin/other"',), "allowed_annotations": ('["io.kubernetes.cri-o.Devices"]', "[]"), "monitor_env": ('["A=b"]',)},
    "crio.runtime.workloads.w": {"annotation_prefix": ('"a.b"',), "resources": ('{ "cpushares" = 5 }', '{ "cpuset" = "0-1" }')},
    "crio.runtime.runtimes.crun": {"runtime_path": ('"/usr/bin/crun"',), "monitor_path": ('"/usr/bin/conmon"', '""')},
    "crio.image": {"pause_image": ('"registry.example/pause:3.9"', '"x"'), "pinned_images": ('["x", "y*"]', "[]")},
    "crio.network": {"network_dir": ('"/etc/cni/net.d"', '"/srv/net.d/"'), "plugin_dirs": ('["/opt/cni/bin"]', '["/a", "/b/"]')},
    "crio.metrics": {"enable_metrics": ("true", "false"), "metrics_port": ("9090", "9537")},
}  # fmt: skip
_NAMES = (
    "00-a.conf",
    "10-b.conf",
    "99-c.conf",
    "a",
    ".hidden.conf",
    "20-migrator.conf.bak",
    "20-migrator.conf~",
    "sub/x",
    "20-migrator.conf.d/y.conf",
    ".git/z",
    "20-migrator.con",
    "é.conf",
    "Z.conf",
    "10-b/c.conf",
    "10-b-x.conf",
)
_PACKAGED = '[crio.runtime.runtimes."crun"]\nruntime_path = "/usr/libexec/crio/crun"\n[crio.runtime.runtimes."runc"]\nruntime_path = "/usr/libexec/crio/runc"\n'
"""Upstream's packages describe both runtimes."""
_ODD = (
    "x",
    "[crio.runtime]\nselinux = 'true'",
    "[crio.runtime]\nlog_level = 1",
    "[crio]\nroot = []",
    "[crio.runtime]\nruntimes = 1",
    "crio = 1",
    "[crio.runtime.runtimes]\nrunc = 1",
    "[crio.image]\npause_image = true",
    "[crio.metrics]\nmetrics_port = '1'",
    "[crio.network]\nplugin_dirs = '/a'",
    "\0",
    "unknown = 1\n[crio]\nunknown = 2",
    "[CRIO.Runtime]\nSELINUX = true",
)


_SPELLED = (
    "[Crio.Api]\nLISTEN = '/run/x.sock'",
    "[crio.stats]\nStats_Collection_Period = 5",
    "[CRIO.tracing]\nEnable_Tracing = true",
)


def programs(settings: Settings) -> list[str]:
    """Give the CRI-O that somebody named."""
    program = Path(settings.crio, "crio")
    return [str(program)] if settings.crio and program.exists() else []


def _text(chance: Random) -> str:
    lines = [chance.choice(_SPELLED)] if chance.random() < 0.1 else []
    for table in chance.sample([*_KEYS], chance.randint(1, 4)):
        lines.append(f"[{table}]" + chance.choice(("", " # why")))
        keys = _KEYS[table]
        if table == "crio.runtime.workloads.w":
            lines.append('activation_annotation = "a.b/w"')
        lines += [f"{key} = {chance.choice(keys[key])}" for key in chance.sample([*keys], chance.randint(1, len(keys)))]
    return "\n".join(lines) + "\n" + (chance.choice(_ODD) if chance.random() < 0.03 else "")


class _InvalidError(Exception):
    """CRI-O reads the files, and does not like what they mean: a runtime that nothing describes, an image without a name."""


def _printed(program: str, main: str, drop_ins: Mapping[str, str]) -> str:
    """Give what `crio config` prints of these files; "" where it cannot read one."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "conf.d").mkdir()
        (folder / "crio.conf").write_text(main)
        for path, text in drop_ins.items():
            (folder / "conf.d" / path).parent.mkdir(exist_ok=True)
            (folder / "conf.d" / path).write_text(text)
        words = [program, "--config", str(folder / "crio.conf"), "--config-dir", str(folder / "conf.d"), "config"]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
        if 'msg="validating ' in done.stderr:
            raise _InvalidError
        return done.stdout.replace(name, "") if done.returncode == 0 else ""


def _settings(chance: Random) -> RuntimeSettings:
    """Make settings that Docker could have had."""
    handlers = chance.sample(
        (
            Handler(name="other", program="/usr/bin/other"),
            Handler(name="kata", program="/usr/bin/containerd-shim-kata-v2", kind="io.containerd.kata.v2"),
            Handler(name="crun", program="/usr/bin/crun"),
        ),
        chance.randint(0, 3),
    )
    return RuntimeSettings(
        cgroup_driver=chance.choice(("systemd", "cgroupfs")),
        root=chance.choice(("", "/srv/crio")),
        storage=chance.choice(("", "overlay2", "vfs")),
        storage_options=chance.choice(((), ("overlay2.size=1G",))),
        log_level=chance.choice(("", "debug", "info")),
        default_handler=chance.choice(("", "runc", *(handler.name for handler in handlers))),
        handlers=tuple(handlers),
        ulimits=chance.choice(({}, {"nofile": "10:20"})),
        selinux=chance.choice((True, False)),
        pause_image=chance.choice(("", "registry.example/pause:3.9")),
        cni_conf_dir=chance.choice(("", "/etc/cni/net.d", "/srv/net.d")),
        cni_bin_dirs=chance.choice(((), ("/opt/cni/bin",), ("/a", "/b"))),
        metrics_address=chance.choice(("", "127.0.0.1:9537")),
        cdi_folders=chance.choice(((), ("/etc/cdi",))),
    )


def _compared(program: str, version: Version, seeds: Sequence[int]) -> Tally:
    usual = _default_runtime(program)
    refused, found = 0, []
    for seed in seeds:
        chance = Random(seed)  # noqa: S311 - no secret
        main = _text(chance)
        made = {name: _text(chance) for name in chance.sample(_NAMES, chance.choice((0, 1, 2, 3)))}
        made["10-crio.conf"] = _PACKAGED
        drop_ins = {path: made[path] for path in sorted(made, key=lambda path: path.split("/"))}
        ours = {Path(file.path).name: file.content for file in crio.write(_settings(chance), version)}
        try:
            one = _read_alike(program, usual, main, drop_ins) or _in_force(program, main, drop_ins, ours)
        except _InvalidError:
            one = "refused"
        refused += one == "refused"
        if isinstance(one, tuple):
            given = "\n".join([main, *(f"--- {path}\n{text}" for path, text in (drop_ins | ours).items())])
            found.append(Disagreement(seed, given, *one))
    return Tally(len(seeds), refused, tuple(found))


def _default_runtime(program: str) -> str:
    """Give the runtime that this release takes where nobody says one: it does not print a default as said."""
    printed = _printed(program, "", {})
    return next(line.split('"')[1] for line in printed.splitlines() if line.startswith("# default_runtime = "))


def _read_alike(program: str, usual: str, main: str, drop_ins: Mapping[str, str]) -> tuple[str, str] | str:
    """Read what is printed of all files, and our merging of them; give both where they are not the same."""
    alone, together = _printed(program, main, {}), _printed(program, main, drop_ins)
    theirs, ours = _read(usual, together), _read(usual, alone, [*drop_ins.values()])
    if isinstance(ours, str) and (isinstance(theirs, str) or "two spellings" in ours):
        return "refused"
    if isinstance(ours, str) or isinstance(theirs, str):
        return repr(theirs), repr(ours)
    names = [key for key in type(ours).model_fields if getattr(ours, key) != getattr(theirs, key)]
    theirs_and_ours = [repr({key: getattr(said, key) for key in names}) for said in (theirs, ours)]
    return (theirs_and_ours[0], theirs_and_ours[1]) if names else ""


def _in_force(program: str, main: str, drop_ins: dict[str, str], ours: dict[str, str]) -> tuple[str, str] | str:
    """Compare what is printed with ours in its place, and with ours after all others: the same, or we name what wins.

    Options of the storage add up, in another order then.
    """
    texts = {f"{in_force.FOLDER}/{path}": text for path, text in (drop_ins | ours).items()} | {in_force.MAIN: main}
    try:
        lost = in_force.overruled(texts, {f"{in_force.FOLDER}/{path}" for path in ours})
    except ValueError as error:
        return "refused" if "two spellings" in str(error) else ("it starts", str(error))
    last = {f"\u4e00{path}": text for path, text in ours.items()}
    placed, after = (_printed(program, main, drop_ins | mine) for mine in (ours, last))
    if not placed:
        return "it does not start", "it starts"
    same = sorted(placed.splitlines()) == sorted(after.splitlines())
    sure = [entry for entry in lost if ".runtimes." not in entry.key]  # an entry may say the same in other words
    if (same and sure) or not (same or lost):
        return f"in force: {same}", repr(lost)
    return ""


def _read(usual: str, effective: str, drop_ins: Sequence[str] = ()) -> RuntimeSettings | str:
    """Read it; why not, where CRI-O has printed nothing or we refuse it."""
    if not effective:
        return "it is refused"
    try:
        found = crio_read.settings(effective, drop_ins)
        return found.model_copy(update={"default_handler": ""}) if found.default_handler == usual else found
    except ValueError as error:
        return str(error)


@contextmanager
def _start(_: Settings, program: str) -> Iterator[tuple[str, Compare]]:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()
    yield f"CRI-O {said[2]}", lambda seeds: _compared(program, versions.parse(said[2]), seeds)


READER = Reader("crio", programs, _start, missing="MIGRATOR_CRIO names a folder with `crio` (no Debian package)")
