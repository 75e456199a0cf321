"""Boot a node that needs no machine: systemd as the first process of namespaces of its own. Started by lab.container.

It stays as long as the node has power: it boots it anew when it reboots, or when somebody there asks for that at once
(by a "b" in /run/lab/sysrq-trigger), and takes everything with it when it ends. In the lab's network namespace:
`python container_boot.py DESCRIPTION`, a JSON file with the fields of `Told`.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import stat
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import NamedTuple

NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWPID, NEWNET = 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x20000000, 0x40000000
NOSUID, NODEV, NOEXEC, BIND, REC, PRIVATE, SHARED = 2, 4, 8, 4096, 16384, 1 << 18, 1 << 20
DETACHED = 2
PARENT_DEATH_SIGNAL = 1
SYS_RESOURCE = 1 << 24
BROKEN = 70
"""What a node that cannot be booted ends with: no number of a signal."""
CGROUPS = Path("/sys/fs/cgroup")
DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "kmsg", "fuse", "net/tun")
"""Of this machine, that a node has; its disks are its own."""
MASKED = (
    "systemd-udevd.service", "systemd-udev-trigger.service", "systemd-udevd-control.socket",
    "systemd-udevd-kernel.socket", "systemd-networkd.service", "systemd-networkd.socket", "console-getty.service",
)  # fmt: skip
"""What is done from outside, or is this machine's business."""
GENERATORS = (
    "bless-boot", "cryptsetup", "debug", "gpt-auto", "hibernate-resume", "integritysetup", "rc-local", "run", "ssh",
    "system-update", "sysv", "tpm2", "veritysetup",
)  # fmt: skip
"""Of systemd's generators, those that find nothing on a node: each reload would start them all."""
REAL = "/run/lab"
"""Where a node has what only the lab knows of: its switch for a reset, the low-level runtimes behind a shim."""
libc = ctypes.CDLL(None, use_errno=True)


class Told(NamedTuple):
    """What a node is."""

    name: str
    folder: str
    """Of the node's own files."""
    root: str
    """Block device of its root file system."""
    data: str
    """Block device of its second disk, "" for none."""
    data_mount: str
    """Where that is mounted once it has a file system."""
    cgroup: str
    address: str
    gateway: str
    mac: str
    link: str
    """Name of the other end of its network, in the lab's namespace."""
    bridge: str
    shim: str
    """Program that stands before low-level runtimes, beside runc_shim.py; "" where this machine lacks nothing."""


def mount(source: str, place: str | Path, kind: str = "", flags: int = 0, words: str = "") -> None:
    """Mount; a bind mount has no kind."""
    given = [text.encode() if text else None for text in (source, str(place), kind, words)]
    if libc.mount(given[0], given[1], given[2], flags, given[3]):
        error = ctypes.get_errno()
        raise OSError(error, f"mount {source} at {place}: {os.strerror(error)}")


def hierarchies() -> dict[str, tuple[str, str]]:
    """Give this machine's cgroup hierarchies by the name of their folder: the kind of mount, and what it is told.

    The one hierarchy of a machine with cgroup v2 alone has the name "".
    """
    found = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        place, kind, options = Path(left.split()[4]), right.split()[0], right.split()[2].split(",")
        if kind == "cgroup2" and place == CGROUPS:
            found[""] = (kind, "")
        elif kind == "cgroup2" and place.parent == CGROUPS:
            found[place.name] = (kind, "")
        elif kind == "cgroup" and place.parent == CGROUPS:
            told = [word for word in options if word not in {"rw", "ro", "xattr", "clone_children"}]
            named = any("=" in word for word in told)
            found[place.name] = (kind, ",".join(["none", *told] if named else told))
    return found


def join_cgroups(name: str) -> None:
    """Put this process into cgroups of the node's own, before the namespaces are made: theirs begins there."""
    for folder in hierarchies():
        own = CGROUPS / folder / name
        own.mkdir(exist_ok=True)
        for file in ("cpuset.cpus", "cpuset.mems"):
            if (own / file).exists() and (own.parent / file).exists():
                (own / file).write_text((own.parent / file).read_text())
        (own / "cgroup.procs").write_text(str(os.getpid()))


def become_init(told: Told, boot_id: str) -> None:
    """Make the node's view of the world and become its systemd. Never returns."""
    libc.prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL)
    root = Path(told.folder, "root")
    cgroups = hierarchies()
    own = Path(told.folder)
    (own / "boot_id").write_text(boot_id + "\n")
    mount("", "/", flags=REC | PRIVATE)
    mount(told.root, root, "ext4")
    mount("proc", root / "proc", "proc", NOSUID | NODEV | NOEXEC)
    mount("sysfs", root / "sys", "sysfs", NOSUID | NODEV | NOEXEC)
    _mount_cgroups(root / "sys/fs/cgroup", cgroups)
    mount("tmpfs", root / "run", "tmpfs", NOSUID | NODEV, "mode=755")
    mount("tmpfs", root / "tmp", "tmpfs", NOSUID | NODEV)
    _make_devices(told, root / "dev")
    mount(str(own / "boot_id"), root / "proc/sys/kernel/random/boot_id", flags=BIND)
    if told.data and _has_file_system(told.data):
        mount(told.data, root / told.data_mount.lstrip("/"), "ext4")
    _prepare_run(told, root)
    subprocess.run(["hostname", told.name], check=True)
    (root / ".outside").mkdir(exist_ok=True)
    os.chdir(root)
    if libc.pivot_root(b".", b".outside"):
        raise OSError(ctypes.get_errno(), "pivot_root")
    os.chdir("/")
    if libc.umount2(b"/.outside", DETACHED):
        raise OSError(ctypes.get_errno(), "umount")
    Path("/.outside").rmdir()
    # Docker on a private root binds its folder onto itself, which looks like a disk of its own.
    mount("", "/", flags=REC | SHARED)
    os.setsid()
    silence = os.open("/dev/null", os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(silence, number)
    os.execve(
        "/sbin/init",
        ["/sbin/init"],
        {"container": "lab", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )


def _mount_cgroups(place: Path, cgroups: dict[str, tuple[str, str]]) -> None:
    if list(cgroups) == [""]:
        mount("cgroup2", place, "cgroup2", NOSUID | NODEV | NOEXEC)
        return
    mount("tmpfs", place, "tmpfs", NOSUID | NODEV | NOEXEC, "mode=755")
    for folder, (kind, words) in cgroups.items():
        if folder:
            (place / folder).mkdir()
            mount("cgroup", place / folder, kind, NOSUID | NODEV | NOEXEC, words)


def _make_devices(told: Told, dev: Path) -> None:
    mount("tmpfs", dev, "tmpfs", NOSUID, "mode=755")
    # Made and not bound: owners and modes of what is bound are this machine's own, and a getty changes its console's.
    for name, source in (*((name, name) for name in DEVICES), ("console", "null")):
        if Path("/dev", source).exists():
            (dev / name).parent.mkdir(exist_ok=True)
            _make_device(dev / name, 0o644 if name == "kmsg" else 0o666, Path("/dev", source))
    for name in ("pts", "shm"):
        (dev / name).mkdir()
    mount("devpts", dev / "pts", "devpts", NOSUID | NOEXEC, "newinstance,ptmxmode=0666,mode=620,gid=5")
    mount("tmpfs", dev / "shm", "tmpfs", NOSUID | NODEV)
    (dev / "ptmx").symlink_to("pts/ptmx")
    for name, place in (("fd", "self/fd"), ("stdin", "self/fd/0"), ("stdout", "self/fd/1"), ("stderr", "self/fd/2")):
        (dev / name).symlink_to(f"/proc/{place}")
    for name, device in (("vda", told.root), ("vdb", told.data)):
        if device:
            _make_device(dev / name, 0o660, Path(device))


def _make_device(path: Path, mode: int, like: Path) -> None:
    known = like.stat()
    os.mknod(path, mode | stat.S_IFMT(known.st_mode), known.st_rdev)
    path.chmod(mode)  # whatever the umask is


def _has_file_system(device: str) -> bool:
    with Path(device).open("rb") as file:
        file.seek(1024 + 56)
        return file.read(2) == b"\x53\xef"  # ext4's magic number


def _prepare_run(told: Told, root: Path) -> None:
    units = root / "run/systemd/system"
    units.mkdir(parents=True)
    for unit in MASKED:
        (units / unit).symlink_to("/dev/null")
    generators = root / "run/systemd/system-generators"
    generators.mkdir()
    for name in GENERATORS:
        (generators / f"systemd-{name}-generator").symlink_to("/dev/null")
    lab = root / REAL.lstrip("/")
    lab.mkdir()
    (lab / "sysrq-trigger").touch()
    mount(str(Path(told.folder, "sysrq-trigger")), lab / "sysrq-trigger", flags=BIND)
    if not told.shim:
        return
    (lab / "without.py").write_text(Path(told.shim).with_name("runc_shim.py").read_text())
    for path in ("usr/sbin/runc", "usr/bin/crun"):
        if (root / path).exists():
            real = lab / Path(path).name
            real.touch()
            mount(str(root / path), real, flags=BIND)
            mount(told.shim, root / path, flags=BIND)


class Power:
    """A node that is on."""

    def __init__(self, told: Told) -> None:
        """Take what it is; it is off yet."""
        self._told = told
        self._trigger = Path(told.folder, "sysrq-trigger")
        self._parent = 0
        self._init = 0

    def on(self) -> None:
        """Boot it."""
        self._trigger.write_text("")
        reading, writing = os.pipe()
        ours = os.getpid()
        self._parent = os.fork()
        if self._parent == 0:
            try:
                _be_parent(self._told, writing, ours)
            except BaseException as error:  # noqa: BLE001 - a process of its own: nobody above hears of it
                print(f"{self._told.name} cannot be made: {error!r}", file=sys.stderr, flush=True)
                os._exit(BROKEN)
        os.close(writing)
        with os.fdopen(reading) as said:
            self._init = int(said.read() or "0")
        if self._init:
            self._connect()
        Path(self._told.folder, "pid").write_text(str(self._init))

    def _connect(self) -> None:
        told = self._told
        inside = ["nsenter", f"--net=/proc/{self._init}/ns/net", "ip"]
        # At a reboot the kernel may not have taken the one before away yet.
        subprocess.run(["ip", "link", "delete", told.link], check=False, stderr=subprocess.DEVNULL)
        for words in (
            ["ip", "link", "add", told.link, "type", "veth", "peer", "name", "eth0", "netns", str(self._init)],
            ["ip", "link", "set", told.link, "master", told.bridge, "up"],
            [*inside, "link", "set", "eth0", "address", told.mac, "up"],
            [*inside, "link", "set", "lo", "up"],
            [*inside, "addr", "add", f"{told.address}/24", "dev", "eth0"],
            [*inside, "route", "add", "default", "via", told.gateway],
        ):
            subprocess.run(words, check=True)

    def watch(self) -> bool:
        """Wait until it is off; tell whether it wants to boot again."""
        while True:
            ended, status = os.waitpid(self._parent, os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(status) == signal.SIGHUP  # what the kernel ends a reboot with
            if "b" in self._trigger.read_text():
                self.off()
                return True
            time.sleep(0.1)

    def off(self) -> None:
        """Take the power away: all of it ends at once."""
        if self._init:
            os.kill(self._init, signal.SIGKILL)
        os.waitpid(self._parent, 0)
        self._init = 0


def _be_parent(told: Told, writing: int, supervisor: int) -> None:
    """Be the parent of a node's first process, so that it ends with us; exit with the number of what ended it."""
    libc.prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != supervisor:
        os._exit(BROKEN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    join_cgroups(told.cgroup)
    boot_id = str(uuid.uuid4())
    if libc.unshare(NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWPID | NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    init = os.fork()
    if init == 0:
        os.close(writing)
        try:
            become_init(told, boot_id)
        except BaseException as error:  # noqa: BLE001 - likewise
            print(f"{told.name} cannot be booted: {error!r}", file=sys.stderr, flush=True)
        os._exit(BROKEN)
    os.write(writing, str(init).encode())
    os.close(writing)
    _, status = os.waitpid(init, 0)
    os._exit(os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))


def attempt(cgroup: str) -> None:
    """Try what a node needs of this machine; print what it refuses, and leave nothing behind."""
    child = os.fork()
    if child == 0:
        try:
            join_cgroups(cgroup)
            if libc.unshare(NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWPID | NEWNET):
                raise OSError(ctypes.get_errno(), "unshare")  # noqa: TRY301 - to be printed like the others
            mount("", "/", flags=REC | PRIVATE)
            mount("tmpfs", "/mnt", "tmpfs")
            _mount_cgroups(Path("/mnt"), hierarchies())
        except OSError as error:
            print(error, flush=True)
        os._exit(0)
    os.waitpid(child, 0)
    for folder in hierarchies():
        own = CGROUPS / folder / cgroup
        if own.exists():
            own.rmdir()


def main() -> None:
    """Keep the node on until it powers itself off, or somebody ends this process."""
    if sys.argv[1] == "--try":
        attempt(sys.argv[2])
        return
    told = Told(**json.loads(Path(sys.argv[1]).read_text()))
    power = Power(told)

    def end(*_: object) -> None:
        power.off()
        Path(told.folder, "pid").write_text("0")
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    power.on()
    while power.watch():
        power.on()
    Path(told.folder, "pid").write_text("0")


if __name__ == "__main__":
    main()
