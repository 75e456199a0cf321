"""A node that belongs to no cluster: systemd, dockerd and containerd as on any node, and a stand-in for the kubelet.

It is a container (lab.container) in a lab of its own, so several of them run side by side. Its disk is made once.
"""

from __future__ import annotations

import contextlib
import fcntl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import container, guest_image, images, network, runtimes, shell, waiting
from lab.artefacts import digest, key_of
from lab.errors import LabError
from lab.settings import Node, Settings

NODE = Node(1)
PROGRAM = Path(__file__).with_name("standin_kubelet.c")
FLAGS = "/var/lib/kubelet/kubeadm-flags.env"
NETWORK = "10.244.1.0/24"
_CNI = f"""{{
  "cniVersion": "0.4.0", "name": "lab",
  "plugins": [
    {{"type": "bridge", "bridge": "cni0", "isGateway": true,
      "ipam": {{"type": "host-local", "ranges": [[{{"subnet": "{NETWORK}"}}]], "routes": [{{"dst": "0.0.0.0/0"}}]}}}},
    {{"type": "portmap", "capabilities": {{"portMappings": true}}}}
  ]
}}
"""
_FILES = {
    FLAGS: f'KUBELET_KUBEADM_ARGS="--network-plugin=cni --pod-infra-container-image={images.PAUSE}"\n',
    "/var/lib/kubelet/config.yaml": "cgroupDriver: cgroupfs\n",
    "/etc/cni/net.d/10-lab.conflist": _CNI,
}
_MAKE = """
rm /etc/systemd/system/multi-user.target.wants/* 2>/dev/null || true
systemctl -q enable kubelet.service docker.service docker.socket containerd.service ssh.service
until docker version >/dev/null 2>&1; do sleep 0.1; done
for archive in /tmp/*.docker; do docker load -q -i $archive; done
for archive in /tmp/*.oci; do ctr -n k8s.io images import --no-unpack $archive; done
sync
"""


class Lone:
    """One that is on."""

    def __init__(self, settings: Settings) -> None:
        """Take the lab that it is the only node of."""
        self.settings = settings

    @property
    def pid(self) -> int:
        """Its first process, as this machine numbers it; 0 while it is off."""
        return container.init(self.settings, NODE)

    def at(self, path: str) -> Path:
        """Give a path of this machine to a file that is there."""
        return Path(f"/proc/{self.pid}/root{path}")

    def run(self, script: str, *, seconds: float = 120, data: str = "") -> subprocess.CompletedProcess[str]:
        """Run a shell script there as root; give what came of it."""
        words = ["nsenter", "--target", str(self.pid), "--all", "sh", "-eu", "-c", script]
        return subprocess.run(
            words, input=data, capture_output=True, text=True, timeout=seconds, check=False, env=_ENVIRONMENT, cwd="/"
        )

    def do(self, script: str, *, seconds: float = 120) -> str:
        """Run a shell script there; give what it prints. Raises `LabError` when it fails."""
        done = self.run(script, seconds=seconds)
        if done.returncode != 0:
            raise LabError(f"{script!r} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def await_boot(self) -> None:
        """Return when systemd has started what it starts at boot."""
        waiting.until(
            lambda: bool(self.pid) and self.run("systemctl is-system-running --wait").stdout.strip() in _BOOTED,
            "the node has booted",
            seconds=240, every=0.1,
        )  # fmt: skip

    def boot_id(self) -> str:
        """Name its boot; "" while it is off."""
        with contextlib.suppress(OSError):
            return self.at("/proc/sys/kernel/random/boot_id").read_text().strip()
        return ""

    def renew(self) -> None:
        """Give it a new disk, and boot it."""
        base = disk(self.settings)
        container.remove(self.settings, NODE)
        container.create_disk(self.settings, NODE, base, raw=base)
        container.start(self.settings, NODE, base)
        self.await_boot()

    def reset(self) -> None:
        """Take its power away and boot it: all of it ends at once."""
        before = self.pid
        self.at("/run/lab/sysrq-trigger").write_text("b")
        waiting.until(lambda: self.pid not in {0, before}, "the node is on again", seconds=120, every=0.05)
        self.await_boot()


_BOOTED = ("running", "degraded")
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}


def disk(settings: Settings) -> Path:
    """Give the disk that such nodes start from; it is made where the cache has none."""
    image = guest_image.guest_image(settings, NODE)
    files = repr(sorted(_FILES.items()))
    key = key_of({"image": image.name, "kubelet": digest(PROGRAM), "files": files, "make": _MAKE, "recipe": "1"})
    made = settings.cache / "node-disks" / f"lone-{key}.img"
    made.parent.mkdir(parents=True, exist_ok=True)
    with (settings.cache / "lone.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            _make(Settings(name=f"{settings.name}-disk"), image, made)
    return made


def _make(settings: Settings, image: Path, made: Path) -> None:
    for old in made.parent.glob("lone-*.img"):
        old.unlink()
    with _on(settings, image) as node, tempfile.TemporaryDirectory() as name:
        node.await_boot()
        folder = Path(name)
        for path, text in _FILES.items():
            node.at(path).parent.mkdir(parents=True, exist_ok=True)
            node.at(path).write_text(text)
        shell.run(["gcc", "-Os", "-static", "-s", "-Wall", "-Werror", "-o", folder / "kubelet", PROGRAM])
        node.at("/usr/bin/kubelet").unlink()
        shell.run(["cp", folder / "kubelet", node.at("/usr/bin/kubelet")])
        layouts = images.layouts(settings)
        for number, reference in enumerate((images.PAUSE, images.BUSYBOX)):
            layout = layouts[reference]
            archive = runtimes.archived(reference, layout, folder)
            shell.run(["cp", archive, node.at(f"/tmp/{number}.oci")])
            docker = folder / f"{number}.docker"
            shell.run(["skopeo", "copy", "-q", f"oci:{layout}", f"docker-archive:{docker}:{reference}"])
            shell.run(["cp", docker, node.at(f"/tmp/{number}.docker")])
            archive.unlink()
        node.do(_MAKE)
        node.run("systemctl --no-block poweroff")
        waiting.until(lambda: not node.pid, "the node is off", seconds=60, every=0.05)
        shell.run(["cp", "--sparse=always", container.folder(settings, NODE) / "root.img", f"{made}.partial"])
    Path(f"{made}.partial").rename(made)


@contextmanager
def _on(settings: Settings, image: Path, raw: Path | None = None) -> Iterator[Lone]:
    """Have the node on with a new disk, in a network of its own; nothing of it stays but that disk."""
    off(settings)
    container.create_disk(settings, NODE, image, raw=raw)
    network.create(settings, taps=False)
    try:
        container.start(settings, NODE, image)
        yield Lone(settings)
    finally:
        off(settings)


def off(settings: Settings) -> None:
    """End what there is of it."""
    container.remove(settings, NODE)
    network.destroy(settings)


@contextmanager
def lone(settings: Settings) -> Iterator[Lone]:
    """Give such a node, booted, its kubelet well on Docker."""
    base = disk(settings)
    with _on(settings, base, raw=base) as node:
        node.await_boot()
        yield node


if __name__ == "__main__":
    began = time.monotonic()
    with lone(Settings()) as here:
        print(f"{time.monotonic() - began:.1f} s")
        print(here.do("systemctl --failed; systemctl status kubelet docker containerd --no-pager -n3; docker images"))
