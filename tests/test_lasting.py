"""What of a host a reboot empties: mounts as live images, read-only systems and people's own units make them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.test_node_modules import Tree, put

lasting = importlib.import_module("ansible.module_utils.migrator_inspect_lasting")
JOURNAL = "/var/lib/migrator/transactions"
DISK = "/dev/sda1 / ext4 rw,relatime 0 0"
RUN = "tmpfs /run tmpfs rw,nosuid,nodev,size=803000k,mode=755 0 0"


@dataclass(frozen=True)
class Host:
    """What is mounted where, and what comes of it."""

    source: str
    """Who has such mounts."""
    mounts: tuple[str, ...]
    """Lines of /proc/mounts."""
    where: Mapping[str, str] = field(default_factory=dict)
    """Where the paths lie that a reboot empties; all other ones stay."""
    unsure: tuple[str, ...] = ()
    """Those of which nobody can tell."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Files that there are, "" for a folder."""
    links: Mapping[str, str] = field(default_factory=dict)


def overlay(point: str, upper: str) -> str:
    """Give the line of an overlay."""
    return f"overlay {point} overlay rw,relatime,lowerdir=/lower,upperdir={upper},workdir={upper}-work 0 0"


ETC, VAR = {"/etc/containerd/config.toml", "/etc/systemd/system"}, {JOURNAL, "/var/lib/containerd"}
PATHS = sorted(ETC | VAR)
HOSTS = {
    "a disk": Host("any", (DISK, RUN, "/dev/sda2 /var ext4 rw 0 0")),
    "/var in memory": Host("systemd-volatile-root.service(8), state", (DISK, RUN, "tmpfs /var tmpfs rw 0 0"), dict.fromkeys(VAR, "the tmpfs at /var")),
    "a disk over it": Host("mount(8)", (DISK, "tmpfs /var tmpfs rw 0 0", "/dev/sdb1 /var/lib ext4 rw 0 0")),
    "memory over a disk": Host("mount(8)", (DISK, "/dev/sdb1 /var ext4 rw 0 0", "tmpfs /var tmpfs rw 0 0"), dict.fromkeys(VAR, "the tmpfs at /var")),
    "the journal's folder alone": Host("folder2ram", (DISK, "ramfs /var/lib/migrator ramfs rw 0 0"), {JOURNAL: "the ramfs at /var/lib/migrator"}),
    "a neighbour of a like name": Host("mount(8)", (DISK, "tmpfs /var/lib/migrator-old tmpfs rw 0 0")),
    "an initramfs": Host("ramfs-rootfs-initramfs.rst", ("rootfs / rootfs rw 0 0",), dict.fromkeys(PATHS, "the rootfs at /")),
    "an initramfs that was left": Host("switch_root(8)", ("rootfs / rootfs rw 0 0", DISK)),
    "a live image": Host(
        "live-boot", (overlay("/", "/run/live/overlay/rw"), RUN, "tmpfs /run/live/overlay tmpfs rw 0 0"),
        dict.fromkeys(PATHS, "the overlay at /, whose upper folder /run/live/overlay/rw is on the tmpfs at /run/live/overlay"),
        files={"/run/live/overlay/rw": ""},
    ),
    "a live image that keeps its changes on a disk": Host(
        "live-boot, persistence", (overlay("/", "/run/live/persistence/sdb1/rw"), RUN, "/dev/sdb1 /run/live/persistence/sdb1 ext4 rw 0 0"),
        files={"/run/live/persistence/sdb1/rw": ""},
    ),
    "a live image whose upper folder is out of sight": Host(
        "casper", (overlay("/", "/cow/upper"), RUN), dict.fromkeys(PATHS, "the overlay at /, whose upper folder /cow/upper is not to be seen from here"), unsure=tuple(PATHS),
    ),
    "systemd's own": Host(
        "systemd.volatile=overlay", (overlay("/", "/run/systemd/overlay-sysroot/upper"), RUN),
        dict.fromkeys(PATHS, "the overlay at /, whose upper folder /run/systemd/overlay-sysroot/upper is on a tmpfs"), files={"/run/systemd/overlay-sysroot": ""},
    ),
    "/etc alone": Host(
        "a unit of the user's", (DISK, RUN, overlay("/etc", "/run/etc")), dict.fromkeys(ETC, "the overlay at /etc, whose upper folder /run/etc is on the tmpfs at /run"), files={"/run/etc": ""},
    ),
    "/etc over a disk": Host("MicroOS: /sysroot is what an initramfs calls the root", (DISK, RUN, overlay("/etc", "/sysroot/var/lib/overlay/1/etc")), files={"/var/lib/overlay/1/etc": ""}),
    "/etc over what it hides": Host("Flatcar", (DISK, RUN, overlay("/etc", "/sysroot/etc")), files={"/etc": ""}),
    "an overlay over an overlay": Host(
        "overlayroot", (overlay("/", "/media/root-rw/overlay"), "tmpfs-root /media/root-rw tmpfs rw 0 0", RUN, overlay("/etc", "/over/etc")),
        dict.fromkeys(VAR, "the overlay at /, whose upper folder /media/root-rw/overlay is on the tmpfs at /media/root-rw")
        | dict.fromkeys(ETC, "the overlay at /etc, whose upper folder /over/etc is on the overlay at /, whose upper folder /media/root-rw/overlay is on the tmpfs at /media/root-rw"),
        files={"/media/root-rw/overlay": "", "/over/etc": ""},
    ),
    "an overlay without an upper folder": Host("overlayfs.rst: it is read-only, which is another finding", (DISK, "overlay /etc overlay ro,lowerdir=/a:/b 0 0")),
    "names with blanks and commas": Host(
        "proc(5); overlayfs.rst", (DISK, "tmpfs /run/a\\040b\\134,c tmpfs rw 0 0", overlay("/etc", "/run/a\\040b\\134\\134\\134,c/up")),
        dict.fromkeys(ETC, "the overlay at /etc, whose upper folder /run/a b\\,c/up is on the tmpfs at /run/a b\\,c"), files={"/run/a b\\,c/up": ""},
    ),
    "a compressed disk in memory": Host("zram-generator", (DISK, "/dev/zram1 /var ext4 rw 0 0"), dict.fromkeys(VAR, "the ext4 at /var, on zram1")),
    "a file in memory": Host(
        "losetup(8)", (DISK, RUN, "/dev/loop3 /var xfs rw 0 0"), dict.fromkeys(VAR, "the xfs at /var, on loop3 in the tmpfs at /run"),
        files={"/run/var.img": "x", "/sys/class/block/loop3/loop/backing_file": "/run/var.img\n"},
    ),
    "a file on a disk": Host("losetup(8)", (DISK, RUN, "/dev/loop3 /var xfs rw 0 0"), files={"/big/var.img": "x", "/sys/class/block/loop3/loop/backing_file": "/big/var.img\n"}),
    "a file that is out of sight": Host("losetup(8)", (DISK, "/dev/loop3 /var xfs rw 0 0"), files={"/sys/class/block/loop3/loop/backing_file": "/x (deleted)\n"}),
    "a mapped disk with a part in memory": Host(
        "dmsetup(8), snapshot", ("/dev/mapper/live-rw / ext4 rw 0 0", RUN), dict.fromkeys(PATHS, "the ext4 at /, on loop1 in the tmpfs at /run"),
        files={"/dev/dm-0": "x", "/sys/class/block/dm-0/slaves/loop0/x": "x", "/sys/class/block/dm-0/slaves/loop1/x": "x", "/run/overlay.img": "x", "/sys/class/block/loop1/loop/backing_file": "/run/overlay.img\n"},
        links={"/dev/mapper/live-rw": "../dm-0"},
    ),
    "encrypted disks": Host("cryptsetup(8)", ("/dev/mapper/root / ext4 rw 0 0",), files={"/dev/dm-0": "x", "/sys/class/block/dm-0/slaves/sda2/x": "x"}, links={"/dev/mapper/root": "../dm-0"}),
    "a folder that leads elsewhere": Host("ln(1)", (DISK, RUN), {JOURNAL: "the tmpfs at /run"}, files={"/run/migrator-data/transactions": ""}, links={"/var/lib/migrator": "../../run/migrator-data"}),
    "a network's disk": Host("nfs(5)", ("server:/root / nfs4 rw 0 0", RUN)),
    "an overlay that is its own upper folder": Host("no kernel makes it", (overlay("/", "/up"),), files={"/up": ""}),
}  # fmt: skip


@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)
def test_what_a_reboot_empties(host: Host, tmp_path: Path) -> None:
    """Each path is followed down to what its bytes are on; what stays is left out."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/mounts").write_text("".join(f"{line}\n" for line in host.mounts))
    points = {line.split(" ")[1].encode().decode("unicode_escape"): "" for line in host.mounts}
    for path, text in {**points, **host.files}.items():
        if text:
            put(tmp_path, {path: text})
        else:
            (tmp_path / path[1:]).mkdir(parents=True, exist_ok=True)
    for path, target in host.links.items():
        (tmp_path / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path[1:]).symlink_to(target)

    found = lasting.fleeting(Tree(str(tmp_path)), PATHS)

    assert {path: fact["where"] for path, fact in found.items()} == host.where
    assert {path for path, fact in found.items() if not fact["certain"]} == set(host.unsure)
