"""Namespaces of this machine that stand for a node on which a containerd serves: no guest, nothing installed.

Only the kernel, the cgroups and the programs are the machine's. Everything else ends with the first process.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from lab import images, runtimes, shell, waiting
from lab.parsers import Containerd, containerd
from lab.settings import Settings

_SECONDS = 30.0
_CGROUPS = Path("/sys/fs/cgroup")
_PLACES = ("/run", "/opt", "/var/lib", "/dev/shm")
"""Where runtimes make things; they begin empty."""
_LOCKS = "/run/migrator"
"""Folder of the probe's lock; it stays, so that nobody else makes it."""
# The interfaces in /sys are those of the network namespace that it was mounted in.
_INIT = """
hostname stand-in
mount --rbind /sys/fs/cgroup /mnt
mount -t sysfs none /sys
mount --rbind /mnt /sys/fs/cgroup
umount --lazy /mnt
for place in {places}; do mount -t tmpfs none $place; done
mkdir /run/lock
ip link set lo up
ip link add cni0 type bridge
sysctl -qw net.ipv4.ip_forward=1
mkdir /var/lib/ready
# It waits for what loses its parent.
while :; do sleep 1; done
"""
_SERVING = """
version = 2
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime"]
root = "{folder}/serving"
"""
_SOCKET = "/run/containerd/containerd.sock"


class StandIn:
    """What stands for a node."""

    def __init__(self, release: Containerd, tools: Path, folder: Path) -> None:
        """Make the namespaces; the folder is on a disk, and its path is short."""
        self.release, self.folder = release, folder
        self.plugins = tools / "usr/lib/cni"
        self.environment = {
            "PATH": f"{release.folder}/usr/bin:{tools}/usr/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LD_LIBRARY_PATH": f"{tools}/usr/lib/x86_64-linux-gnu",
        }
        spaces = ["unshare", "--mount", "--net", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"]
        self._first = subprocess.Popen(
            [*spaces, "sh", "-ec", _INIT.format(places=" ".join(_PLACES))], stdin=subprocess.DEVNULL
        )
        self.sessions: set[str] = set()
        """Names of what was tried there, which its cgroups have in theirs."""
        self._serving: subprocess.Popen[bytes] | None = None
        waiting.until(lambda: self.at("/var/lib/ready").exists(), "a node stands in", seconds=_SECONDS, every=0.02)

    @property
    def pid(self) -> int:
        """Its first process, as this machine numbers it; 0 while it has none."""
        words = Path(f"/proc/{self._first.pid}/task/{self._first.pid}/children").read_text().split()
        return int(words[0]) if words else 0

    def at(self, path: str) -> Path:
        """Give a path of this machine to a file that is there."""
        return Path(f"/proc/{self.pid}/root{path}")

    def inside(self, *words: str | Path) -> list[str]:
        """Give a command that runs there."""
        spaces = ["--mount", "--net", "--uts", "--ipc", "--pid"]
        return ["nsenter", "--target", str(self.pid), *spaces, *map(str, words)]

    def look(self, script: str) -> str:
        """Run a script there; give what it prints."""
        return shell.run(self.inside("sh", "-ec", script), env=self.environment)

    def serve(self, pause: Path) -> None:
        """Start the containerd that serves, and give it an image."""
        config = self.folder / "serving.toml"
        config.write_text(_SERVING.format(folder=self.folder))
        self._serving = subprocess.Popen(
            self.inside("containerd", "--config", config),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.environment,
        )  # fmt: skip
        waiting.until(lambda: self.at(_SOCKET).exists(), "containerd serves", seconds=_SECONDS, every=0.05)
        self.look(f"ctr -n k8s.io images import --no-unpack {pause}")
        # What the import left over goes at the next collection, which would otherwise come at any time.
        self.look("ctr -n k8s.io leases delete --sync $(ctr -n k8s.io leases create)")

    def state(self) -> dict[str, Sequence[str]]:
        """Give everything that could stay of what was tried there."""
        return {
            "files": self.look(f"find {' '.join(_PLACES)} {self.folder} | grep -vx {_LOCKS} | sort").splitlines(),
            "mounts": self.look("findmnt -rno TARGET,SOURCE | sort").splitlines(),
            "processes": self.look("ps -eo comm= | sort | grep -vxE 'ps|sort|grep|sh|sleep' || true").splitlines(),
            "segments": self.look("tail -n +2 /proc/sysvipc/shm").splitlines(),
            "interfaces": self.look("ls /sys/class/net").split(),
            "rules": self.look("iptables-save | sed 's/^#.*//; s/ \\[.*//'").splitlines(),
        }

    @staticmethod
    def cgroups(word: str) -> list[Path]:
        """Give the cgroups that have a word in their paths, the inner ones first; they are this machine's."""
        folders = (Path(folder) for folder, _, _ in os.walk(_CGROUPS, topdown=False))
        return [folder for folder in folders if word in str(folder)]

    def end(self, words: Iterable[str] = ()) -> None:
        """End everything that runs there, and remove the cgroups that have one of the words in their paths."""
        self._first.kill()
        for process in (self._first, self._serving):
            if process:
                process.wait(_SECONDS)
        for word in words:
            for folder in self.cgroups(word):
                waiting.until(partial(_removed, folder), f"{folder} is gone", seconds=_SECONDS, every=0.05)


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return not folder.exists()
    return True


@contextmanager
def stand_in(settings: Settings, suite: str) -> Iterator[StandIn]:
    """Give a node with a Debian release's containerd, which serves and has the pause image; end it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="node-"))
    node = StandIn(containerd(settings, suite), runtimes.low_level(settings), folder)
    try:
        archive = runtimes.archived(images.PAUSE, images.layouts(settings)[images.PAUSE], folder)
        node.serve(archive)
        yield node
    finally:
        node.end(node.sessions)
        shutil.rmtree(folder)
