#!/usr/bin/python
"""Look at what is left of Docker on a node whose kubelet uses another runtime, or remove it.

Runs on the node: Python 3.6 or later, standard library only.
"""

DOCUMENTATION = r"""
module: docker_removal
short_description: Look at or remove what is left of Docker
description:
  - With I(state=look), gives packages, units, data, interfaces, firewall rules and files that are Docker's own, and
    what speaks against their removal. Changes nothing.
  - With I(state=absent), removes exactly what a look gave before, and nothing when there is more by now. It may be
    asked again after it was cut short.
options:
  state:
    description: Whether it is only looked at, or removed.
    type: str
    choices: [look, absent]
    required: true
  expected:
    description: What a look gave.
    type: dict
    default: {}
author: [the migrator project]
"""

EXAMPLES = r"""
- name: See what is left
  docker_removal:
    state: look
"""

RETURN = r"""
removal:
  description: What is left of Docker.
  returned: always
  type: dict
"""

import json
import os
import re
import shlex
import shutil
import stat

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.migrator_node import POD_UID, NodeError, docker_containers, run, unit_active

UNITS = ("docker.socket", "docker.service")
PACKAGES = (
    "docker.io",
    "docker-cli",
    "docker-buildx",
    "docker-compose",
    "docker-ce",
    "docker-ce-cli",
    "docker-ce-rootless-extras",
    "docker-buildx-plugin",
    "docker-compose-plugin",
    "docker-model-plugin",
    "docker-scan-plugin",
    "docker-engine",
    "moby-engine",
    "moby-cli",
    "moby-buildx",
    "moby-compose",
)
"""Of Debian, Ubuntu, Docker's own repository, Microsoft's; containerd and runc are none of these, and stay."""
ROOT = "/var/lib/docker"
CONFIG = "/etc/docker/daemon.json"
IN_ROOT = frozenset(
    "builder buildkit containerd containers engine-id fuse-overlayfs image network overlay overlay2 plugins runtimes "
    "swarm tmp tmp-old trust vfs volumes .migrate.lock lost+found".split()
)
"""What dockerd makes in its folder (moby, daemon/daemon.go, 17.09 to 28); lost+found is the file system's and stays."""
SPECIAL = frozenset("aufs btrfs devicemapper zfs".split())
"""Stores that are more than files: volumes of a file system or a block device."""
LEFT = ("/run/docker.sock", "/run/docker.pid", "/run/docker", "/run/dockershim.sock", "/var/lib/dockershim")
"""What else dockerd and dockershim leave (dockershim/checkpoint_store.go and docker_service.go, 1.20)."""
BRIDGE = re.compile(r"docker0$|br-[0-9a-f]{12}$")
"""Bridges of Docker's networks (libnetwork, drivers/bridge/bridge.go)."""
CHAIN = re.compile(r"DOCKER(-[A-Z0-9-]+)?$")
"""Its chains (libnetwork, drivers/bridge/setup_ip_tables.go)."""
TABLES = (("iptables", "filter"), ("iptables", "nat"), ("ip6tables", "filter"), ("ip6tables", "nat"))


def data_root():
    """Give the folder of Docker's data: by its unit's command line, else its configuration, else where it always is."""
    shown = run(["systemctl", "show", "docker.service", "--property", "ExecStart"], check=False)[1]
    found = re.search(r"argv\[\]=(.*?) ;", shown)
    words = shlex.split(found.group(1)) if found else []
    told = option(words, ("--data-root", "--graph", "-g"))
    if told:
        return os.path.normpath(told)
    path = option(words, ("--config-file",)) or CONFIG
    try:
        with open(path) as file:
            document = json.load(file)
    except (OSError, ValueError):
        return ROOT
    return os.path.normpath(str(document.get("data-root") or document.get("graph") or ROOT))


def option(words, names):
    """Give an option's value on a command line; "" without it."""
    for place, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name in names:
            return value if equals else "".join(words[place + 1 : place + 2])
    return ""


def packages():
    """Give Docker's packages with their versions, and the command that removes them and nothing else."""
    if shutil.which("dpkg-query"):
        shown = run(["dpkg-query", "-W", "-f", "${Package} ${Version} ${db:Status-Status}\n"], check=False)[1]
        rows = [line.split() for line in shown.splitlines()]
        found = {row[0]: row[1] for row in rows if len(row) == 3 and row[0] in PACKAGES and row[2] != "config-files"}
        return found, ["dpkg", "--remove"], ["dpkg", "--no-act", "--remove"]
    if shutil.which("rpm"):
        shown = run(["rpm", "-qa", "--queryformat", "%{NAME} %{VERSION}-%{RELEASE}\n"], check=False)[1]
        rows = [line.split() for line in shown.splitlines()]
        return {row[0]: row[1] for row in rows if row[0] in PACKAGES}, ["rpm", "-e"], ["rpm", "-e", "--test"]
    return {}, [], []


def size(path):
    """Give the bytes that removing a path returns; other file systems that are mounted below it are not counted."""
    try:
        top = os.lstat(path)
    except OSError:
        return 0
    total, seen = top.st_blocks * 512, set()
    if not stat.S_ISDIR(top.st_mode):
        return total
    for folder, names, files in os.walk(path, onerror=lambda _: None):
        for name in list(names) + files:
            try:
                entry = os.lstat(os.path.join(folder, name))
            except OSError:
                continue
            if entry.st_dev != top.st_dev and name in names:
                names.remove(name)
            elif entry.st_nlink == 1 or (entry.st_dev, entry.st_ino) not in seen:
                seen.add((entry.st_dev, entry.st_ino))
                total += entry.st_blocks * 512
    return total


def mounts_below(path):
    """Give the mount points below a path."""
    with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as file:
        places = [re.sub(r"\\([0-7]{3})", lambda it: chr(int(it.group(1), 8)), line.split()[1]) for line in file]
    return sorted({place for place in places if place.startswith(path.rstrip("/") + "/")})


def stored_containers(root):
    """Give the names of containers that are not Kubernetes', from Docker's own files: nobody has to run for that."""
    names = []
    folder = os.path.join(root, "containers")
    for identity in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        try:
            with open(os.path.join(folder, identity, "config.v2.json")) as file:
                document = json.load(file)
        except (OSError, ValueError):
            continue
        if POD_UID not in ((document.get("Config") or {}).get("Labels") or {}):
            names.append(str(document.get("Name", identity)).strip("/"))
    return names


def named_volumes(root):
    """Give the names of volumes that somebody has named: an unnamed one belongs to its container."""
    folder = os.path.join(root, "volumes")
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return sorted(
        name
        for name in names
        if os.path.isdir(os.path.join(folder, name, "_data")) and not re.match(r"[0-9a-f]{64}$", name)
    )


def running():
    """Give the names of containers that Docker has running, of anybody's; those too that have outlived it."""
    if unit_active("docker.service"):
        return sorted(entry["Names"][0].strip("/") for entry in docker_containers() if entry["State"] == "running")
    return sorted(shims())


def shims():
    """Give the ids of containers of Docker's that a shim of containerd keeps (moby, libcontainerd: namespace moby)."""
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/{}/cmdline".format(process), "rb") as file:
                words = file.read().decode(errors="replace").split("\0")
        except OSError:
            continue
        if os.path.basename(words[0]).startswith("containerd-shim") and option(words, ("-namespace",)) == "moby":
            yield option(words, ("-id",))[:12]


def bridges():
    """Give Docker's bridges, without those that something is plugged into, which are told apart."""
    free, used = [], []
    for name in sorted(os.listdir("/sys/class/net")):
        if BRIDGE.match(name) and os.path.isdir("/sys/class/net/{}/bridge".format(name)):
            (used if os.listdir("/sys/class/net/{}/brif".format(name)) else free).append(name)
    return free, used


def rules(names):
    """Give the commands that remove Docker's own rules and chains, and the rules of others that its chains keep.

    Its own are its chains with their rules, what jumps to them, and what names one of its bridges. The chain
    DOCKER-USER is other people's place: with rules of theirs in it, it stays with the jump to it.
    """
    commands, kept = [], []
    for program, table in TABLES:
        code, shown, _ = run([program, "-w", "10", "-t", table, "-S"], check=False)
        if code != 0:
            continue
        words = [shlex.split(line) for line in shown.splitlines()]
        chains = [entry[1] for entry in words if entry[0] == "-N" and CHAIN.match(entry[1])]
        own = [entry for entry in words if entry[:2] == ["-A", "DOCKER-USER"] and entry[2:] != ["-j", "RETURN"]]
        if own:
            chains.remove("DOCKER-USER")
            kept += [" ".join([program, "-t", table] + entry) for entry in own]
        base = [program, "-w", "10", "-t", table]
        commands += [
            base + ["-D"] + entry[1:]
            for entry in words
            if entry[0] == "-A" and entry[1] not in chains and entry[1] != "DOCKER-USER" and ours(entry, chains, names)
        ]
        commands += [base + ["-F", chain] for chain in chains] + [base + ["-X", chain] for chain in chains]
    return commands, kept


def ours(rule, chains, names):
    """Tell whether a rule of another chain is Docker's: it jumps to one of its chains, or names one of its bridges."""
    told = {(rule[place], rule[place + 1]) for place in range(len(rule) - 1)}
    own = {("-j", chain) for chain in chains} | {(way, name) for way in ("-i", "-o") for name in names}
    return bool(told & own)


def look():
    """Give all that is left of Docker, and what speaks against its removal."""
    found, _, test = packages()
    root = data_root()
    entries = sorted(os.listdir(root)) if os.path.isdir(root) and not os.path.islink(root) else []
    inside = [name for name in entries if name in IN_ROOT and name != "lost+found"]
    free, used = bridges()
    commands, kept = rules(free)
    files = [path for path in LEFT if os.path.lexists(path)]
    refusal = ""
    if found:
        code, out, err = run(test + sorted(found), check=False)
        refusal = (err or out).strip()[-600:] if code != 0 else ""
    return {
        "packages": found,
        "units": [unit for unit in UNITS if run(["systemctl", "cat", unit], check=False)[0] == 0],
        "active": [unit for unit in UNITS if unit_active(unit)],
        "root": root,
        "data": [{"path": os.path.join(root, name), "bytes": size(os.path.join(root, name))} for name in inside],
        "others": [os.path.join(root, name) for name in entries if name not in IN_ROOT | SPECIAL],
        "special": [os.path.join(root, name) for name in entries if name in SPECIAL],
        "mounts": mounts_below(root) if entries else [],
        "running": running(),
        "containers": stored_containers(root),
        "volumes": named_volumes(root),
        "interfaces": free,
        "plugged": used,
        "rules": [" ".join(map(shlex.quote, command)) for command in commands],
        "kept_rules": kept,
        "files": files,
        "refusal": refusal,
    }


def objection(now, expected):
    """Say what is there now that nobody has agreed to; "" for nothing."""
    if now["running"]:
        return "containers of Docker run: {}".format(", ".join(now["running"]))
    if now["mounts"]:
        return "something is mounted below {}: {}".format(now["root"], ", ".join(now["mounts"][:5]))
    if now["special"]:
        return "{} is no plain folder of files".format(now["special"][0])
    if now["refusal"]:
        return "the packages cannot be removed alone: {}".format(now["refusal"])
    if now["root"] != expected.get("root"):
        return "Docker's data is in {} now, not in {}".format(now["root"], expected.get("root"))
    paths = {entry["path"] for entry in expected.get("data", ())}
    more = {
        "package": set(now["packages"]) - set(expected.get("packages", ())),
        "container": set(now["containers"]) - set(expected.get("containers", ())),
        "volume": set(now["volumes"]) - set(expected.get("volumes", ())),
        "folder": {entry["path"] for entry in now["data"]} - paths,
        "interface": set(now["interfaces"]) - set(expected.get("interfaces", ())),
        "file": set(now["files"]) - set(expected.get("files", ())),
    }
    return "; ".join(
        "a {} that was not shown: {}".format(what, ", ".join(sorted(names))) for what, names in more.items() if names
    )


def remove(now):
    """Remove what was looked at; give what could not be."""
    for unit in now["units"]:
        run(["systemctl", "disable", "--now", "--quiet", unit], check=False)
    still = running()
    if still:
        raise NodeError("containers of Docker run although it is stopped: {}".format(", ".join(still)))
    if now["packages"]:
        os.environ["DEBIAN_FRONTEND"] = "noninteractive"
        run(packages()[1] + sorted(now["packages"]), timeout=600)
        run(["systemctl", "daemon-reload"])
    problems = []
    for command in rules(bridges()[0])[0]:
        code, _, err = run(command, check=False)
        if code != 0:
            problems.append("{}: {}".format(" ".join(command), err.strip()))
    for name in bridges()[0]:
        code, _, err = run(["ip", "link", "delete", name], check=False)
        if code != 0:
            problems.append("interface {}: {}".format(name, err.strip()))
    for path in [entry["path"] for entry in now["data"]] + now["files"]:
        delete(path, problems)
    if os.path.isdir(now["root"]) and not os.listdir(now["root"]) and not os.path.ismount(now["root"]):
        os.rmdir(now["root"])
    return problems


def delete(path, problems):
    """Remove a path with all below it; what another file system has mounted there stays, and is told."""
    if os.path.islink(path) or not os.path.isdir(path):
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        return
    below = mounts_below(path)
    if below or os.path.ismount(path):
        problems.append("{} stays: {} is mounted there".format(path, ", ".join(below) or path))
        return
    shutil.rmtree(path, onerror=lambda _, name, error: problems.append("{}: {}".format(name, error[1])))


def main():
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["look", "absent"], "required": True},
            "expected": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    try:
        now = look()
        if module.params["state"] == "look" or module.check_mode:
            module.exit_json(changed=False, removal=now)
        against = objection(now, module.params["expected"])
        if against:
            module.fail_json(msg="nothing was removed: {}".format(against))
        problems = remove(now)
        after = look()
    except (NodeError, OSError, ValueError) as error:
        module.fail_json(msg=str(error))
    left = [name for name in ("packages", "data", "interfaces", "rules", "files") if after[name]]
    if left:
        module.fail_json(msg="not all is gone: {}: {}".format(", ".join(left), "; ".join(problems)), removal=after)
    module.exit_json(changed=after != now, removal=after, problems=problems)


if __name__ == "__main__":
    main()
