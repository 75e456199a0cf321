"""What a private containerd makes outside of its own folders, told from what was there and from what others make."""

import os
import re
import socket

from witness_base import names, part, read
from witness_cni import PLUGINS, attachments, ipam_folders, release, reservations
from witness_removal import detach, remove_empty, remove_tree

PROFILE = "cri-containerd.apparmor.d"
"""What CRI loads into AppArmor (containerd, pkg/cri/server/container_create_linux.go)."""
PROFILES = "/sys/kernel/security/apparmor"
SHIMS = "/run/containerd/s"
"""Sockets of shims of every containerd, wherever its own state is (runtime/v2/shim/util_unix.go)."""
RUNC = "/run/containerd/runc/k8s.io"
BUNDLES = "io.containerd.runtime.v2.task/k8s.io"
DATABASE = "io.containerd.metadata.v1.bolt/meta.db"
FOLDERS = (
    "/opt/containerd/bin",
    "/opt/containerd/lib",
    "/opt/containerd",
    "/opt/nri/plugins",
    "/opt/nri",
    "/run/nri",
    "/run/containerd/s",
    "/run/containerd/fifo",
    "/run/containerd/runc/k8s.io",
    "/run/containerd/runc",
    "/run/containerd",
    "/run/netns",
    "/etc/cni/net.d",
    "/etc/cni",
    "/var/lib/cni/cache/results",
    "/var/lib/cni/cache",
    "/var/lib/cni/results",
    "/var/lib/cni/networks",
    "/var/lib/cni",
)
"""Folders that containerd, its shims and network plugins make when they are missing; the inner ones first."""
_IPAM_KEEPS = re.compile(r"lock$|last_reserved_ip\.\d+$")
_LARGEST = 1 << 27


def before():
    """Note what is there already."""
    return {
        "folders": [path for path in FOLDERS if os.path.isdir(path)],
        "shims": names(SHIMS),
        "networks": [f"{root}/{name}" for root in ipam_folders() for name in names(root)],
        "profile": PROFILE in _profiles(),
    }


def identities(state, data):
    """Give the ids of the containers that an instance had, and the paths of its network namespaces.

    From its bundles, and from the text in its database, where removed ones may still show: they were its own as well.
    Hashes of image layers are among the ids; nothing else is named by them.
    """
    found = set(names(f"{state}/{BUNDLES}"))
    try:
        with open(f"{data}/{DATABASE}", "rb") as file:
            content = file.read(_LARGEST)
    except OSError:
        content = b""
    # Overlapping ones too: in a database nothing need part an id from what happens to stand beside it.
    found.update(text.decode() for text in re.findall(rb"(?=([0-9a-f]{64}))", content))
    spaces = re.findall(rb"/run/netns/cni-[0-9a-f-]{36}", content)
    return found, sorted({text.decode() for text in spaces})


def clean(ids, spaces, was, plugins=PLUGINS):
    """Remove what containers with these ids left and what was not there `before`; give what stayed."""
    stayed = []
    for path in attachments(ids):
        release(path, next((space for space in spaces if space in (read(path) or "")), ""), plugins)
    for space in spaces:
        stayed += _remove_namespace(space)
    stayed += _release_addresses(ids, was["networks"])
    for identity in ids.intersection(names(RUNC)):
        stayed += remove_tree(f"{RUNC}/{identity}")
    for name in set(names(SHIMS)).difference(was["shims"]):
        if _dead(f"{SHIMS}/{name}"):
            os.unlink(f"{SHIMS}/{name}")
    if not was["profile"]:
        _unload_profile()
    # Others may use one by now: then it is not empty, and stays.
    for path in FOLDERS:
        if path not in was["folders"]:
            remove_empty(path)
    return stayed


def _remove_namespace(path):
    if not os.path.lexists(path):
        return []
    detach(path)
    try:
        os.unlink(path)
    except OSError as error:
        return [f"{path}: {error.strerror}"]
    return []


def _release_addresses(ids, known):
    """Remove reservations of ours, and what host-local keeps of a network that it did not know before."""
    for path, owner in reservations():
        if owner in ids:
            os.unlink(path)
    stayed = []
    for root in ipam_folders():
        for network in names(root):
            folder = f"{root}/{network}"
            if folder not in known and all(_IPAM_KEEPS.match(name) for name in names(folder)):
                stayed += remove_tree(folder)
    return stayed


def _dead(path):
    """Tell whether nobody listens on a socket any more."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(1)
        try:
            client.connect(path)
        except ConnectionRefusedError:
            return True
        except OSError:
            pass
    return False


def _profiles():
    return re.findall(r"^(\S+) \(", read(f"{PROFILES}/profiles") or "", re.MULTILINE)


def _unload_profile():
    """Take our profile out of the kernel, unless a process is confined by it, which would be set free."""
    confined = any(PROFILE in (read(f"/proc/{pid}/attr/current") or "") for pid in names("/proc") if pid.isdigit())
    if PROFILE in _profiles() and not confined:
        try:
            with open(f"{PROFILES}/.remove", "w") as file:
                file.write(PROFILE)
        except OSError:
            pass  # without the right to, nor could it have been loaded


part("witness_residue", globals())
