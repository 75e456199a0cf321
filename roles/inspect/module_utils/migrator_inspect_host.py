"""The machine: its system, its kernel, what a pod network needs of it, its disks.

Runs on the node: Python 3.6 or later, standard library only.
"""

import os
import re
import socket
import time

from ansible.module_utils.migrator_inspect_programs import Program, find
from ansible.module_utils.migrator_inspect_tree import LARGEST_HASHED

SYSCTLS = (
    "net.ipv4.ip_forward",
    "net.bridge.bridge-nf-call-iptables",
    "net.bridge.bridge-nf-call-ip6tables",
    "net.ipv6.conf.all.forwarding",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "fs.inotify.max_queued_events",
    "fs.inotify.max_user_instances",
    "fs.inotify.max_user_watches",
)
DISKS = ("/var/lib/docker", "/var/lib/containerd", "/var/lib/containers/storage", "/var/lib/kubelet", "/var/log")
_WRITTEN_OUT = re.compile(r"\\([0-7]{3})")


def host_fact(tree):
    """Describe the machine, but for its disks and its firewall."""
    release = os_release(tree.text("/etc/os-release") or tree.text("/usr/lib/os-release"))
    kernel = os.uname()
    return {
        "os": release.get("PRETTY_NAME", ""),
        "os_id": release.get("ID", ""),
        "kernel": kernel.release,
        "architecture": kernel.machine,
        "systemd": tree.is_folder("/run/systemd/system"),
        "cgroup": cgroup(mounts(tree)),
        "security_modules": security_modules(tree),
        "modules": modules(tree),
        "built_in": built_in(tree, kernel.release),
        "refused_modules": refused_modules(tree.text("/proc/cmdline")),
        "sysctls": sysctls(tree),
        "clock": time.time(),
    }


def identity(tree):
    """Give what tells this machine from others: its name, its machine-id, its addresses."""
    return {
        "hostname": socket.gethostname(),
        "machine_id": tree.text("/etc/machine-id").strip(),
        "addresses": addresses(tree.text("/proc/net/fib_trie", LARGEST_HASHED), tree.text("/proc/net/if_inet6")),
    }


def os_release(text):
    """Read os-release(5): its variables, quotes taken off."""
    found = {}
    for line in text.splitlines():
        match = re.match(r"""\s*(\w+)=(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|(\S*))\s*$""", line)
        if match:
            value = match.group(2) if match.group(2) is not None else match.group(3) or match.group(4) or ""
            found[match.group(1)] = re.sub(r"\\(.)", r"\1", value)
    return found


def addresses(fib_trie, if_inet6):
    """Give the machine's own addresses, as the kernel lists them, without those of the loopback and of the link."""
    found = re.findall(r"\|-- ([0-9.]+)\n\s+/32 host LOCAL", fib_trie)
    own = [address for address in found if not address.startswith("127.")]
    for line in if_inet6.splitlines():
        words = line.split()
        if len(words) == 6 and words[3] == "00" and len(words[0]) == 32:
            own.append(socket.inet_ntop(socket.AF_INET6, bytes(bytearray.fromhex(words[0]))))
    return sorted(set(own))


def mounts(tree):
    """Give what is mounted, in order, each as mount point and kind."""
    return parse_mounts(tree.text("/proc/self/mounts", LARGEST_HASHED))


def parse_mounts(text):
    """Read /proc/mounts: mount point and kind of each line; blanks in paths are written as octal numbers."""
    rows = [line.split(" ") for line in text.splitlines()]
    return [(_WRITTEN_OUT.sub(_sign, row[1]), row[2]) for row in rows if len(row) > 2]


def _sign(match):
    return chr(int(match.group(1), 8))


def cgroup(mounted):
    """Tell which cgroup hierarchy the host has: "v1", "v2", "hybrid", or "" for none at all."""
    kinds = [kind for path, kind in mounted if path == "/sys/fs/cgroup" or path.startswith("/sys/fs/cgroup/")]
    if "cgroup" not in kinds:
        return "v2" if "cgroup2" in kinds else ""
    return "hybrid" if "cgroup2" in kinds else "v1"


def security_modules(tree):
    """Name the Linux security modules that are on; kernels before 4.11 do not list them."""
    listed = tree.text("/sys/kernel/security/lsm").strip()
    if listed:
        return listed.split(",")
    found = ["apparmor"] if tree.text("/sys/module/apparmor/parameters/enabled").startswith("Y") else []
    return found + (["selinux"] if tree.exists("/sys/fs/selinux/enforce") else [])


def modules(tree):
    """Name those of the modules that a pod network needs which are there, loaded or built in."""
    present = loaded(tree)
    if re.search(r"\boverlay$", tree.text("/proc/filesystems"), re.MULTILINE):
        present.add("overlay")
    if tree.exists("/proc/sys/net/bridge/bridge-nf-call-iptables"):
        present.add("br_netfilter")
    return [name for name in ("br_netfilter", "overlay") if name in present]


def loaded(tree):
    """Name the modules that were loaded."""
    return {line.split(" ")[0] for line in tree.text("/proc/modules", LARGEST_HASHED).splitlines()}


def built_in(tree, release):
    """Name those of them that are a part of the kernel, which nothing has to load.

    That is also what is there without having been loaded: a kernel without modules comes without lists of them.
    """
    listed = tree.text("/lib/modules/{}/modules.builtin".format(release), LARGEST_HASHED).split()
    names = {line.rpartition("/")[2].partition(".")[0] for line in listed}
    return sorted(names.intersection(("br_netfilter", "overlay")).union(set(modules(tree)) - loaded(tree)))


def refused_modules(text):
    """Name the modules that the kernel's command line refuses (modprobe.d(5), kernel-parameters.txt)."""
    said = [word.partition("=")[2] for word in text.split() if re.match(r"(?:module_|modprobe\.)blacklist=", word)]
    return sorted({name.replace("-", "_") for words in said for name in words.split(",") if name})


def sysctls(tree):
    """Read the kernel's settings that containers depend on; one that does not exist is left out."""
    found = {}
    for name in SYSCTLS:
        path = "/proc/sys/" + name.replace(".", "/")
        if tree.exists(path):
            found[name] = " ".join(tree.text(path).split())
    return found


def disks(tree, paths):
    """Describe the filesystem under each folder, or under where it would be."""
    mounted = mounts(tree)
    found = []
    for path in paths:
        there = path
        while not tree.exists(there) and there not in ("", "/"):
            there = os.path.dirname(there)
        mount, kind = mount_of(tree.real(there or "/"), mounted)
        try:
            status = os.statvfs(tree.at(there or "/"))
            device = os.stat(tree.at(there or "/")).st_dev
        except OSError:
            continue
        found.append({
            "path": path,
            "mount": mount,
            "kind": kind,
            "device": "{}:{}".format(os.major(device), os.minor(device)),
            "size": status.f_frsize * status.f_blocks,
            "free": status.f_frsize * status.f_bfree,
        })  # fmt: skip
    return found


def mount_of(path, mounted):
    """Give mount point and kind of the filesystem that a path without links is on; the last mount hides others."""
    best = ("/", "")
    for point, kind in mounted:
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best[0]):
            best = (point, kind)
    return best


def ask_firewall(tree, in_use):
    """Start the questions for the FORWARD chain, only where a firewall is in use: asking may load its modules.

    A host may have rules in both of iptables' flavours; the kernel applies both.
    """
    legacy = "filter" in tree.text("/proc/net/ip_tables_names").split()
    if not (legacy or in_use or re.search(r"^nf_tables ", tree.text("/proc/modules"), re.MULTILINE)):
        return []
    programs = {find(tree, "iptables"), find(tree, "iptables-legacy") if legacy else ""} - {""}
    real = {tree.real(path): path for path in sorted(programs)}
    return [Program(tree, [path, "-w", "-S", "FORWARD"], seconds=15) for path in sorted(real.values())]


def forward_policy(texts):
    """Read what `iptables -S FORWARD` printed: "DROP" when one flavour drops; "" when none was printed."""
    found = re.findall(r"^-P FORWARD (\w+)", "\n".join(texts), re.MULTILINE)
    return next((policy for policy in found if policy != "ACCEPT"), "ACCEPT" if found else "")
