"""The root file system and what is mounted in it."""
# ruff: noqa: D401 - each function says what must hold

from __future__ import annotations

from migrator.proof.checks.inputs import CheckInputs, Result, Subject, holds, need, unknown
from migrator.proof.runtime_traits import setting

KINDS = frozenset({"overlay", "aufs", "btrfs", "zfs", "xfs", "ext4", "fuse.fuse-overlayfs", "fuse-overlayfs"})
"""What snapshots of images are mounted as."""
STANDARD = {"/proc": "proc", "/dev": "tmpfs", "/dev/pts": "devpts", "/dev/shm": "tmpfs", "/sys": "sysfs"}  # noqa: S108
DEVICES = frozenset({"null", "zero", "full", "random", "urandom", "tty"})
_OF_HOST = ("mem", "kmem", "port", "kmsg", "kvm", "mapper", "loop-control", "disk", "vhost-net")
_DEVICES_SETTING = "privileged_without_host_devices"
"""What runtimes that speak CRI call it (containerd, CRI-O)."""
_DISKS = ("sd", "vd", "xvd", "nvme", "loop", "dm-", "md")
_SHM = "64 MiB"
_SHM_SIZES = frozenset({"size=65536k", "size=64m", "size=67108864"})


def own(scene: CheckInputs, subject: Subject) -> Result:
    """The root directory of a container is not the host's."""
    mine = need(subject.outside.mount("/") or subject.inside.mount("/"), "root mount of the container")
    host = need(scene.host.mount("/"), "root mount of the host")
    expected = f"not the host's {host.device}{host.root}"
    return holds(mine.place != host.place, expected, f"{mine.kind} {mine.device}{mine.root}")


def kind(_: CheckInputs, subject: Subject) -> Result:
    """The root file system is one that images are unpacked to."""
    mine = need(subject.outside.mount("/") or subject.inside.mount("/"), "root mount of the container")
    if mine.kind in KINDS:
        return holds(good=True, expected="a snapshot of the image", found=mine.kind)
    if mine.kind in {"tmpfs", "ramfs", "rootfs"}:
        return holds(good=False, expected="a snapshot of the image", found=f"{mine.kind}, which is memory")
    return unknown("a snapshot of the image", f"{mine.kind}, which we do not know")


def writable(_: CheckInputs, subject: Subject) -> Result:
    """The root file system can be written to, since nobody asked for a read-only one."""
    mine = need(subject.outside.mount("/") or subject.inside.mount("/"), "root mount of the container")
    return holds(not mine.read_only, "rw", "ro" if mine.read_only else "rw")


def private(_: CheckInputs, subject: Subject) -> Result:
    """The root mount passes nothing on to the host (mountPropagation None)."""
    mine = need(subject.outside.mount("/") or subject.inside.mount("/"), "root mount of the container")
    shared = [word for word in mine.propagation if word.startswith("shared:")]
    return holds(not shared, "private", " ".join(shared) or "private")


def standard(_: CheckInputs, subject: Subject) -> Result:
    """The file systems that every Linux container has are there."""
    view = subject.inside if subject.inside.mounts is not None else subject.outside
    need(view.mounts, "mounts of the container")
    found = {point: mount.kind for point in STANDARD if (mount := view.mount(point))}
    odd = [f"{point}: {found.get(point, 'none')}" for point, name in STANDARD.items() if found.get(point) != name]
    return holds(not odd, ", ".join(f"{point} {name}" for point, name in STANDARD.items()), ", ".join(odd) or "all")


def shm(scene: CheckInputs, subject: Subject) -> Result:
    """The size of /dev/shm is what Kubernetes' pods have; Docker can be told another (default-shm-size)."""
    mine = need(subject.inside.mount("/dev/shm") or subject.outside.mount("/dev/shm"), "/dev/shm")  # noqa: S108
    size = next((word for word in mine.of_file_system if word.startswith("size=")), "no limit")
    if size in _SHM_SIZES:
        return holds(good=True, expected=_SHM, found=_SHM)
    if said := setting(scene.circumstances, "shm"):
        return unknown(_SHM, f"{size}: {said}?")
    return holds(good=False, expected=_SHM, found=size)


def masked(_: CheckInputs, subject: Subject) -> Result | None:
    """Files that tell of the host are hidden from unprivileged containers."""
    if subject.asked.privileged:
        return None
    shown = need(subject.inside.listed("unmasked"), "what the container can read of the host")
    return holds(not shown, "nothing of the host", ", ".join(sorted(shown)) or "nothing of the host")


def read_only(_: CheckInputs, subject: Subject) -> Result | None:
    """Settings of the kernel cannot be changed by unprivileged containers."""
    if subject.asked.privileged:
        return None
    open_ones = need(subject.inside.listed("writable"), "what the container can write of the kernel's")
    return holds(not open_ones, "all read-only", f"writable: {', '.join(sorted(open_ones))}" if open_ones else "all")


def sysfs(_: CheckInputs, subject: Subject) -> Result:
    """Only privileged containers can write to /sys.

    Their mount must let them; the file system behind it may be read-only still, by containerd 1.x's sandbox.
    """
    mine = need(subject.inside.mount("/sys") or subject.outside.mount("/sys"), "/sys of the container")
    if subject.asked.privileged:
        return holds("rw" in mine.options, "rw", "ro" if "ro" in mine.options else "rw")
    return holds(mine.read_only, "ro", "ro" if mine.read_only else "rw")


def devices(scene: CheckInputs, subject: Subject) -> Result:
    """Every container has the harmless devices, and only a privileged one the host's."""
    found = need(subject.inside.listed("/dev"), "devices of the container")
    missing = DEVICES - found
    if missing:
        return holds(good=False, expected=", ".join(sorted(DEVICES)), found=f"missing: {', '.join(sorted(missing))}")
    of_host = sorted(name for name in found if _of_host(name))
    written = ", ".join(of_host[:5]) or "none of the host's"
    if not subject.asked.privileged:
        return holds(not of_host, "none of the host's", written)
    if not of_host and (said := setting(scene.circumstances, "devices", otherwise=_DEVICES_SETTING)):
        return unknown("the host's too", f"none of the host's: {said}?")
    return holds(bool(of_host), "the host's too", written)


def _of_host(name: str) -> bool:
    if name in _OF_HOST:
        return True
    return any(name.startswith(disk) and name[len(disk) : len(disk) + 1].isalnum() for disk in _DISKS)
