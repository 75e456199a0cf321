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

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.migrator_docker_data import data_root, mounts_below, option, size
from ansible.module_utils.migrator_docker_network import bridges, rules
from ansible.module_utils.migrator_files import free_space
from ansible.module_utils.migrator_node import POD_UID, NodeError, docker_containers, run, unit_active, write_file

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
STAYING = ("containerd", "containerd.io", "moby-containerd", "runc", "moby-runc", "crun", "iptables")
"""What Docker's packages may have brought as their dependencies, and the node's runtime needs."""
TRANSACTIONS = "/var/lib/migrator/transactions"
RECORD = "/var/lib/migrator/cleanup.json"
"""What was agreed to, until all of it is gone: a removal that is cut short has no unit any more to ask for the root."""
IN_ROOT = frozenset(
    "builder buildkit containerd containers engine-id fuse-overlayfs image network overlay overlay2 plugins runtimes "
    "swarm tmp tmp-old trust vfs volumes .migrate.lock".split()
)
"""What dockerd makes in its folder (moby, daemon/daemon.go, 17.09 to 28)."""
MARKS = ("image", "containers")
"""What it makes there first, and nobody else has side by side."""
SPECIAL = frozenset("aufs btrfs devicemapper zfs".split())
"""Stores that are more than files: volumes of a file system or a block device."""
LEFT = ("/run/docker.sock", "/run/docker.pid", "/run/docker", "/run/dockershim.sock", "/var/lib/dockershim")
"""What else dockerd and dockershim leave (dockershim/checkpoint_store.go and docker_service.go, 1.20)."""
STANDING = frozenset(("created", "exited", "dead", "removing"))
"""States of containers in which nothing runs."""


def recorded():
    """Give what was agreed to before a removal that is not through; {} for none."""
    try:
        with open(RECORD, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return {}


def debian():
    """Tell whether dpkg keeps this node's packages."""
    return os.path.exists("/var/lib/dpkg/status")


def installed(names):
    """Give those of these packages that are installed, with their versions."""
    if debian():
        shown = run(["dpkg-query", "-W", "-f", "${Package} ${Version} ${db:Status-Status}\n"])[1]
        rows = [line.split() for line in shown.splitlines()]
        return {row[0]: row[1] for row in rows if len(row) == 3 and row[0] in names and row[2] != "config-files"}
    if not shutil.which("rpm"):
        return {}
    shown = run(["rpm", "-qa", "--queryformat", "%{NAME} %{VERSION}-%{RELEASE}\n"])[1]
    return {row[0]: row[1] for row in map(str.split, shown.splitlines()) if row[0] in names}


def refusal(names):
    """Say why these packages cannot be removed alone; "" when they can."""
    test = ["dpkg", "--no-act", "--remove"] if debian() else ["rpm", "-e", "--test"]
    code, out, err = run(test + sorted(names), check=False) if names else (0, "", "")
    return (err or out).strip()[-600:] if code != 0 else ""


def keep(names):
    """Have the package manager keep what came as a dependency of Docker's: nothing else would hold it afterwards."""
    if names and debian():
        run(["apt-mark", "manual"] + sorted(names))
    elif names and shutil.which("dnf"):
        run(["dnf", "-q", "mark", "install"] + sorted(names))


def others_data():
    """Give the folders in which the node's runtimes and its kubelet keep their data."""
    found = {"/var/lib/containerd", "/run/containerd", "/var/lib/containers", "/var/lib/kubelet", "/var/lib/migrator"}
    shown = run(["containerd", "config", "dump"], check=False)[1]
    found |= set(re.findall(r"^(?:root|state) = [\"'](.+)[\"']$", shown, re.MULTILINE))
    for words in command_lines():
        if os.path.basename(words[0]) == "kubelet":
            found.add(option(words, ("--root-dir",)) or "/var/lib/kubelet")
    return {os.path.realpath(path) for path in found}


def overlap(paths, others):
    """Name the folders of others that are, or lie in, one of these paths."""
    return sorted(other for other in others for path in paths if (other + "/").startswith(path.rstrip("/") + "/"))


def stored_containers(root):
    """Give the names of containers that are not Kubernetes', from Docker's own files: nobody has to run for that."""
    names = []
    folder = os.path.join(root, "containers")
    for identity in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        try:
            with open(os.path.join(folder, identity, "config.v2.json"), encoding="utf-8") as file:
                document = json.load(file)
            labels = (document.get("Config") or {}).get("Labels") or {}
        except (OSError, ValueError, AttributeError):
            names.append(identity[:12])  # whose it is cannot be known
            continue
        if POD_UID not in labels:
            names.append(str(document.get("Name", identity)).strip("/"))
    return names


def named_volumes(root):
    """Give the names of volumes that somebody has named: an unnamed one belongs to its container."""
    folder = os.path.join(root, "volumes")
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return sorted(
        name for name in names if os.path.isdir(os.path.join(folder, name)) and not re.match(r"[0-9a-f]{64}$", name)
    )


def command_lines():
    """Give the command lines of all processes."""
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/{}/cmdline".format(process), "rb") as file:
                words = file.read().decode(errors="replace").split("\0")
        except OSError:
            continue
        if words[0]:
            yield words


def running():
    """Give the names of containers that Docker has running, of anybody's; those too that have outlived it."""
    if unit_active("docker.service"):
        return sorted(entry["Names"][0].strip("/") for entry in docker_containers() if entry["State"] not in STANDING)
    return sorted(shims())


def shims():
    """Give the ids of containers of Docker's that a shim of containerd keeps (moby, libcontainerd: namespace moby)."""
    for words in command_lines():
        namespace = option(words, ("-namespace",))
        if "containerd-shim" in os.path.basename(words[0]) and (namespace == "moby" or namespace.endswith(".moby")):
            yield option(words, ("-id",))[:12]


def dependents():
    """Name the units that would stop with Docker, or not start without it."""
    names = "RequiredBy,RequisiteOf,BoundBy,ConsistsOf"
    shown = run(["systemctl", "show"] + list(UNITS) + ["--property", names], check=False)[1]
    found = {unit for line in shown.splitlines() for unit in line.partition("=")[2].split()}
    return sorted(found - set(UNITS) - {"sockets.target", "multi-user.target"})


def look():
    """Give all that is left of Docker, and what speaks against its removal."""
    agreed = recorded()
    found = installed(PACKAGES)
    root = agreed.get("root") or data_root()
    entries = sorted(os.listdir(root)) if os.path.isdir(root) else []
    inside = [name for name in entries if name in IN_ROOT]
    paths = [os.path.join(root, name) for name in inside]
    marked = bool(agreed) or all(name in entries for name in MARKS)
    free, used = bridges()
    commands, kept = rules(free)
    units = [unit for unit in UNITS if run(["systemctl", "cat", unit], check=False)[0] == 0]
    return {
        "packages": found,
        "keeps": installed(STAYING),
        "units": units,
        "dependents": dependents() if units else [],
        "active": [unit for unit in units if unit_active(unit)],
        "root": root,
        "data": [{"path": path, "bytes": size(path)} for path in paths],
        "others": [os.path.join(root, name) for name in entries if name not in IN_ROOT | SPECIAL | {"lost+found"}],
        "special": [os.path.join(root, name) for name in entries if name in SPECIAL],
        "strange": [] if marked or not inside else [root],
        "shared": overlap(paths, others_data()),
        "mounts": mounts_below(root) if entries else [],
        "running": running(),
        "containers": stored_containers(root),
        "volumes": named_volumes(root),
        "interfaces": sorted(free),
        "plugged": used,
        "rules": commands,
        "kept_rules": kept,
        "files": [path for path in LEFT if os.path.lexists(path) and not os.path.islink(path)],
        "refusal": refusal(found),
    }


def objection(now, expected):
    """Say what is there now that forbids it, or that nobody has agreed to; "" for nothing."""
    forbidden = {
        "containers of Docker run": now["running"],
        "these units need it": now["dependents"],
        "something is mounted in {}, or from there".format(now["root"]): now["mounts"],
        "no plain folder of files": now["special"],
        "not only Docker's": now["others"] + now["strange"],
        "somebody else's data lies there": now["shared"],
        "the packages cannot be removed alone": [now["refusal"]] if now["refusal"] else [],
    }
    for what, names in forbidden.items():
        if names:
            return "{}: {}".format(what, ", ".join(names[:5]))
    if now["root"] != expected.get("root"):
        return "Docker's data is in {} now, not in {}".format(now["root"], expected.get("root"))
    more = {
        "package": set(now["packages"]) - set(expected.get("packages", ())),
        "container": set(now["containers"]) - set(expected.get("containers", ())),
        "volume": set(now["volumes"]) - set(expected.get("volumes", ())),
        "folder": {entry["path"] for entry in now["data"]} - {entry["path"] for entry in expected.get("data", ())},
        "interface": set(now["interfaces"]) - set(expected.get("interfaces", ())),
        "file": set(now["files"]) - set(expected.get("files", ())),
        "rule": set(now["rules"]) - set(expected.get("rules", ())),
    }
    return "; ".join(
        "a {} that was not shown: {}".format(what, ", ".join(sorted(names))) for what, names in more.items() if names
    )


def remove(now):
    """Remove what was looked at; give what could not be."""
    write_file(RECORD, json.dumps(now).encode(), 0o600)
    for unit in now["units"]:
        run(["systemctl", "disable", "--now", "--quiet", unit], timeout=300, check=False)
    left = running() + [words[0] for words in command_lines() if os.path.basename(words[0]) == "dockerd"]
    if left:
        raise NodeError("Docker does not stop: {}".format(", ".join(left)))
    keep(now["keeps"])
    if now["packages"]:
        os.environ["DEBIAN_FRONTEND"] = "noninteractive"
        run((["dpkg", "--remove"] if debian() else ["rpm", "-e"]) + sorted(now["packages"]), timeout=600)
        run(["systemctl", "daemon-reload"])
    problems = []
    links = [["ip", "link", "delete", name] for name in now["interfaces"]]
    for command in [shlex.split(command) for command in now["rules"]] + links:
        code, _, err = run(command, check=False)
        if code != 0:
            problems.append("{}: {}".format(" ".join(command), err.strip()))
    for path in [entry["path"] for entry in now["data"]] + now["files"]:
        delete(path, problems)
    if os.path.isdir(now["root"]) and not os.listdir(now["root"]) and not os.path.ismount(now["root"]):
        os.rmdir(now["root"])
    return problems


def delete(path, problems):
    """Remove a path with all below it; what belongs to another file system stays, and is told."""
    try:
        if os.path.islink(path) or not os.path.isdir(path):
            os.unlink(path)
            return
        device = os.lstat(path).st_dev
        for name in os.listdir(path):
            below = os.path.join(path, name)
            if os.lstat(below).st_dev != device or os.path.ismount(below):
                problems.append("{} stays: it belongs to another file system".format(below))
            else:
                delete(below, problems)
        os.rmdir(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        problems.append("{}: {}".format(path, error.strerror))


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
    except (NodeError, OSError, ValueError, KeyError) as error:
        module.fail_json(msg=str(error))
    left = [name for name in ("packages", "data", "interfaces", "rules", "files") if after[name]]
    if left:
        module.fail_json(msg="not all is gone: {}: {}".format(", ".join(left), "; ".join(problems)), removal=after)
    free_space(TRANSACTIONS)
    os.unlink(RECORD)
    module.exit_json(changed=after != now, removal=after, problems=problems)


if __name__ == "__main__":
    main()
