"""Containerds that really run containers on this machine: no guest, nothing installed, nothing left.

Each has namespaces of its own for mounts, network and processes, and ends with the first process in them, as do its
shims and containers. Only cgroups are the machine's.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import images, network, shell, waiting
from lab.apt import workshop
from lab.artefacts import artefact
from lab.parsers import Containerd, containerd
from lab.settings import SUITE, Settings

_PACKAGES = ["runc", "libseccomp2", "containernetworking-plugins"]
_SECONDS = 30.0
_CGROUPS = Path("/sys/fs/cgroup")
_INIT = """
mount -t tmpfs none /run
mount -t tmpfs none /opt
ip link set lo up
sysctl -qw net.ipv4.ip_forward=1
exec sleep infinity
"""
_NETWORK = {
    "cniVersion": "0.4.0",
    "name": "private",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": True,
            "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.88.0.0/24"}]], "dataDir": "/run/cni"},
        },
    ],
}
_BEFORE_2 = """
version = 2
disabled_plugins = {disabled}
root = "{folder}/root"
state = "{folder}/state"
[grpc]
address = "{folder}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause}"
restrict_oom_score_adj = true
stream_server_address = "127.0.0.1"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{plugins}"
conf_dir = "{folder}/net.d"
"""
_SINCE_2 = """
version = 3
disabled_plugins = {disabled}
root = "{folder}/root"
state = "{folder}/state"
[grpc]
address = "{folder}/containerd.sock"
[plugins."io.containerd.cri.v1.images"]
snapshotter = "native"
[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{pause}"
[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = true
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
SystemdCgroup = false
[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["{plugins}"]
conf_dir = "{folder}/net.d"
"""


def low_level(settings: Settings) -> Path:
    """Give the folder with runc, its library and the CNI plugins, unpacked."""

    def build(folder: Path) -> None:
        with workshop(settings, "low-level") as (archive, _):
            archive.unpack(_PACKAGES, into=folder)

    inputs = {"suite": SUITE, "packages": " ".join(_PACKAGES), "recipe": "1"}
    return artefact(settings.cache, "low-level", inputs, build)


@contextmanager
def private(settings: Settings, suite: str, *, disabled: bool = False) -> Iterator[Private]:
    """Give a Debian release's containerd, running; end it, and all that it runs, afterwards.

    With `disabled` its CRI plugin is.
    """
    release, tools = containerd(settings, suite), low_level(settings)
    # A short path: a socket's may have 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="cri-"))
    _configure(folder, release, tools, disabled=disabled)
    first = subprocess.Popen(
        ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-ec", _INIT],
        stdin=subprocess.DEVNULL,
    )
    here = Private(release, tools, folder, first)
    try:
        waiting.until(
            lambda: network.process_name(_child(first.pid)) == "sleep",
            "its namespaces are there",
            seconds=_SECONDS,
            every=0.02,
        )
        here.start()
        yield here
    finally:
        here.end()


def _configure(folder: Path, release: Containerd, tools: Path, *, disabled: bool) -> None:
    template = _BEFORE_2 if release.version < (2, 0) else _SINCE_2
    words = '["io.containerd.grpc.v1.cri"]' if disabled else "[]"
    plugins = tools / "usr/lib/cni"
    config = template.format(folder=folder, pause=images.PAUSE, plugins=plugins, disabled=words)
    (folder / "config.toml").write_text(config)
    (folder / "net.d").mkdir()
    (folder / "net.d/10-private.conflist").write_text(json.dumps(_NETWORK))


class Private:
    """One containerd with a folder and namespaces of its own."""

    def __init__(self, release: Containerd, tools: Path, folder: Path, first: subprocess.Popen[bytes]) -> None:
        self.release = release
        self.folder = folder
        self.socket = folder / "containerd.sock"
        self.log = folder / "containerd.log"
        self.cgroup = f"/migrator-{folder.name}"
        """Parent for its pods."""
        self._tools = tools
        self._first = first
        self._daemons: list[subprocess.Popen[bytes]] = []

    @property
    def pid(self) -> int:
        """Of the daemon itself, not of what brought it into its namespaces."""
        return _child(self._daemons[-1].pid)

    def start(self) -> None:
        """Start the daemon and return when it answers."""
        environment = {
            "PATH": f"{self.release.folder}/usr/bin:{self._tools}/usr/sbin:{os.environ['PATH']}",
            "LD_LIBRARY_PATH": f"{self._tools}/usr/lib/x86_64-linux-gnu",
        }
        enter = ["nsenter", "--target", str(_child(self._first.pid)), "--mount", "--net", "--pid"]
        with self.log.open("ab") as sink:
            daemon = subprocess.Popen(
                [*enter, self.release.folder / "usr/bin/containerd", "--config", self.folder / "config.toml"],
                stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, env=environment, cwd=self.folder,
            )  # fmt: skip
        self._daemons.append(daemon)
        waiting.until(
            lambda: daemon.poll() is not None or waiting.succeeds(self.ctr("version")),
            f"containerd answers (its log: {self.log})", seconds=_SECONDS, every=0.1,
        )  # fmt: skip

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Keep the daemon from running, as a machine that hangs."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            # The signal comes back before the last thread has stopped.
            waiting.until(lambda: _states(self.pid) == {"T"}, "the daemon is stopped", seconds=_SECONDS, every=0.02)
            yield
        finally:
            # What entered the namespaces stops itself with what it waits for, and must go on too.
            for pid in (self.pid, self._daemons[-1].pid):
                os.kill(pid, signal.SIGCONT)

    def kill(self) -> None:
        """Kill the daemon alone; its shims and containers go on."""
        os.kill(self.pid, signal.SIGKILL)
        self._daemons[-1].wait(_SECONDS)

    def load(self, reference: str, layout: Path) -> None:
        """Import an image from an OCI layout, under this name."""
        archive = archived(reference, layout, self.folder)
        # Not unpacked: `ctr` of containerd 2 does it only with the snapshotter that its own settings name.
        shell.run(self.ctr("-n", "k8s.io", "images", "import", "--no-unpack", str(archive)))

    def ctr(self, *words: str) -> list[str]:
        """Give the words that ask it by its own client."""
        return [str(self.release.folder / "usr/bin/ctr"), "--address", str(self.socket), *words]

    def end(self) -> None:
        """End everything that runs in its namespaces, and remove its cgroups and its folder."""
        self._first.kill()
        for process in (self._first, *self._daemons):
            process.wait(_SECONDS)
        waiting.until(lambda: not self.cgroups(), "its cgroups are gone", seconds=_SECONDS, every=0.1)
        shutil.rmtree(self.folder)

    def cgroups(self) -> list[Path]:
        """Remove those of its cgroups that are empty, and give the others."""
        left = []
        for top in _CGROUPS.glob(f"*{self.cgroup}"):
            for folder, _, _ in os.walk(top, topdown=False):
                try:
                    Path(folder).rmdir()
                except OSError:
                    left.append(Path(folder))
        return left


def archived(reference: str, layout: Path, folder: Path) -> Path:
    """Write an OCI layout into a folder, as an archive that `ctr` imports under this name."""
    copy, archive = folder / "layout", folder / "layout.tar"
    shutil.copytree(layout, copy)
    index = json.loads((copy / "index.json").read_text())
    index["manifests"][0]["annotations"] = {"io.containerd.image.name": reference}
    (copy / "index.json").write_text(json.dumps(index))
    shell.run(["tar", "-cf", archive, "-C", copy, "."])
    shutil.rmtree(copy)
    return archive


def _child(pid: int) -> int:
    """Give the only child of a process; 0 while it has none."""
    try:
        words = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return 0
    return int(words[0]) if words else 0


def _states(pid: int) -> set[str]:
    """Give the states that the threads of a process have, as in proc(5)."""
    files = Path(f"/proc/{pid}/task").glob("*/stat")
    return {file.read_text().rpartition(")")[2].split()[0] for file in files}
