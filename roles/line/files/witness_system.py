"""The host itself: its kernel's settings, its firewall, its services, its room."""

import os
import platform
import re
import shutil

from witness_base import RUNNING, names, part, question, read, run
from witness_process import view

SYSCTLS = (
    "net/ipv4/ip_forward",
    "net/ipv4/conf/all/forwarding",
    "net/ipv4/conf/all/rp_filter",
    "net/ipv6/conf/all/forwarding",
    "net/bridge/bridge-nf-call-iptables",
    "net/bridge/bridge-nf-call-ip6tables",
    "net/ipv4/ip_unprivileged_port_start",
    "net/ipv4/ping_group_range",
    "net/netfilter/nf_conntrack_max",
    "fs/inotify/max_queued_events",
    "fs/inotify/max_user_instances",
    "fs/inotify/max_user_watches",
    "kernel/hostname",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/pid_max",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "user/max_user_namespaces",
)
OTHERS = (
    "/proc/stat",
    "/proc/cgroups",
    "/proc/filesystems",
    "/proc/meminfo",
    "/proc/net/ip_tables_names",
    "/etc/resolv.conf",
    "/sys/kernel/security/lsm",
    "/sys/module/apparmor/parameters/enabled",
    "/sys/fs/selinux/enforce",
    "/sys/fs/cgroup/cgroup.controllers",
    "/sys/fs/cgroup/cgroup.subtree_control",
)
MODULES = (
    "overlay",
    "br_netfilter",
    "bridge",
    "veth",
    "nf_conntrack",
    "ip_tables",
    "iptable_nat",
    "nf_tables",
    "xt_conntrack",
    "vxlan",
    "ip_vs",
)
RESTING = ("net/ipv4/ip_forward",)
"""What starting a pod may set (containernetworking/plugins, plugins/main/bridge: isGateway)."""
SERVICES = ("kubelet", "containerd", "docker", "crio")


@question
def host(free=(), at=""):
    """Describe the host; see HostView in migrator/model/evidence.py. `free` names folders whose room counts."""
    raw = view(1, at)
    if not raw["links"] and not at:
        # In a container PID 1 may be somebody else's; the namespaces that we are in are the host's.
        raw["links"] = view(os.getpid())["links"]
    for path in [f"/proc/sys/{name}" for name in SYSCTLS] + list(OTHERS):
        text = read(path, at)
        if text is not None:
            raw["files"][path] = text
    # The rest of it has a number for each interrupt of each processor.
    started = re.search(r"^btime \d+$", raw["files"].get("/proc/stat", ""), re.MULTILINE)
    raw["files"]["/proc/stat"] = started.group() + "\n" if started else ""
    raw["lists"]["/sys/class/net"] = names("/sys/class/net", at)
    return {
        "raw": raw,
        "hostname": platform.node(),
        "forward_policy": forward_policy(at),
        "modules": modules(at),
        "services": services(at),
        "free": {path: room for path, room in ((path, _room(path, at)) for path in free) if room is not None},
        "page_size": os.sysconf("SC_PAGE_SIZE"),
    }


@question
def resting(at=""):
    """Give the settings of the kernel that starting a pod may change, by their path below /proc/sys."""
    found = {name: read(f"/proc/sys/{name}", at) for name in RESTING}
    return {name: text.strip() for name, text in found.items() if text is not None}


def modules(at=""):
    """Name those of the modules that containers need which are there: loaded, or built into the kernel."""
    present = {line.split(" ")[0] for line in (read("/proc/modules", at) or "").splitlines()}
    built_in = read(f"/lib/modules/{platform.release()}/modules.builtin", at) or ""
    present.update(re.sub(r"\.ko$", "", line.rpartition("/")[2]) for line in built_in.splitlines())
    # What some kernels that were built without a list of modules tell in other ways.
    if re.search(r"\boverlay$", read("/proc/filesystems", at) or "", re.MULTILINE):
        present.add("overlay")
    if read("/proc/sys/net/bridge/bridge-nf-call-iptables", at) is not None:
        present.add("br_netfilter")
    present.update(name for name in MODULES if os.path.isdir(f"{at}/sys/module/{name}"))
    return [name for name in MODULES if name in present]


def forward_policy(at=""):
    """Give the policy of the FORWARD chain, the stricter one of both flavours of iptables; "" for unknown.

    iptables-legacy is asked only where its table exists: asking would make it.
    """
    wanted = ["iptables", "iptables-nft"]
    if "filter" in (read("/proc/net/ip_tables_names", at) or "").split():
        wanted.append("iptables-legacy")
    programs = {os.path.realpath(path): path for path in map(shutil.which, wanted) if path}
    printed = [run([path, "-w", "-S", "FORWARD"], seconds=20)[1] for path in programs.values()]
    found = re.findall(r"^-P FORWARD (\w+)", "\n".join(printed), re.MULTILINE)
    return next((policy for policy in found if policy != "ACCEPT"), "ACCEPT" if found else "")


def services(at=""):
    """Give the state of each service that systemd knows, as "active/enabled"."""
    if not os.path.isdir(at + RUNNING):
        return {}
    units = [name + ".service" for name in SERVICES]
    words = ["systemctl", "show", "--no-pager", "--property=Id,LoadState,ActiveState,UnitFileState"]
    return parse_services(run(words + units, seconds=30)[1])


def parse_services(text):
    """Read what `systemctl show` prints."""
    found = {}
    for block in re.split(r"\n\s*\n", text):
        told = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if told.get("LoadState") == "loaded":
            name = re.sub(r"\.service$", "", told.get("Id", ""))
            found[name] = f"{told.get('ActiveState', '')}/{told.get('UnitFileState', '')}"
    return found


def _room(path, at):
    try:
        status = os.statvfs(at + path)
    except OSError:
        return None
    return status.f_frsize * status.f_bavail


part("witness_system", globals())
