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
  - With I(state=absent), removes exactly what a look gave before, and nothing when there is more by now, or anything
    that cannot be removed. It may be asked again after it was cut short. What can only go at the next boot is told.
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
  returned: when it is looked at
  type: dict
problems:
  description: What stays for now, and why.
  returned: when it is removed
  type: list
"""

import contextlib
import json
import os
import re
import shlex
import shutil

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.migrator_docker_data import (
    ROOT,
    bound_from,
    data_root,
    mounted,
    mounts_below,
    namespaces,
    passing,
    real,
)
from ansible.module_utils.migrator_docker_files import MOST, delete, measured
from ansible.module_utils.migrator_docker_network import bridges, rules
from ansible.module_utils.migrator_docker_packages import OURS, interrupted, protected, turn
from ansible.module_utils.migrator_docker_users import command_lines, dependents, option, running, units
from ansible.module_utils.migrator_files import free_space
from ansible.module_utils.migrator_node import POD_UID, NodeError, run, unit_active, write_file

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
BY_PACKAGE = "nuke-graph-directory.sh"
"""What Debian's package puts there while it is removed, for its purge (docker.io 20.10, debian/docker.io.prerm)."""
MARKS = ("image", "containers")
"""What it makes there first, and nobody else has side by side."""
SPECIAL = frozenset("aufs btrfs devicemapper zfs".split())
"""Stores that are more than files: volumes of a file system or a block device."""
UNNOTED = frozenset(("lost+found", BY_PACKAGE))
"""What may be there besides, and is nobody's data."""
LEFT = ("/run/docker.sock", "/run/docker.pid", "/run/docker", "/run/dockershim.sock", "/var/lib/dockershim")
"""What else dockerd and dockershim leave (dockershim/checkpoint_store.go and docker_service.go, 1.20)."""


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


def refusal(names, begun):
    """Say why these packages cannot be removed alone; "" when they can.

    A dpkg that was cut short in a removal of ours, which has `begun`, goes on by itself.
    """
    if not names:
        return ""
    if debian() and interrupted() and not begun:
        return "dpkg is at work, or was interrupted: wait for it, or run dpkg --configure -a"
    stuck = protected(names, debian())
    if stuck:
        return "their files cannot be removed: {}".format(", ".join(stuck[:5]))
    code, out, err = run(
        (["dpkg", "--no-act", "--remove"] if debian() else ["rpm", "-e", "--test"]) + sorted(names), check=False
    )
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


def stored_containers(root, begun):
    """Give the names of containers that are not Kubernetes', from Docker's own files: nobody has to run for that.

    One without its file was being removed when the removal that was `begun` was cut short.
    """
    names = []
    folder = os.path.join(root, "containers")
    for identity in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        try:
            with open(os.path.join(folder, identity, "config.v2.json"), encoding="utf-8") as file:
                document = json.load(file)
            labels = (document.get("Config") or {}).get("Labels") or {}
        except FileNotFoundError:
            names += [] if begun else [identity[:12]]
            continue
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


def look():
    """Give all that is left of Docker, and what speaks against its removal."""
    agreed = recorded()
    found, known = installed(PACKAGES), units()
    root = agreed["root"] if agreed.get("root") and "docker.service" not in known else data_root()
    entries = sorted(os.listdir(root)) if os.path.isdir(root) else []
    data = [os.path.join(root, name) for name in entries if name in IN_ROOT]
    marked = bool(agreed) or all(name in entries for name in MARKS)
    free, used = bridges()
    commands, kept = rules(free)
    left = [path for path in LEFT if os.path.lexists(path) and not os.path.islink(path)]
    # What the next boot takes away is no reason for a removal, only a part of one that has another reason.
    reason = found or data or free or commands or not all(map(passing, left))
    files = left if reason else []
    mounts = mounted_there(root if data else "", data, files)
    places = frozenset(mount.place for mount in mounted())
    weights = {path: measured(real(path), places) for path in data + files}
    return {
        "packages": found,
        "keeps": installed(STAYING),
        "units": known,
        "dependents": dependents() if known else [],
        "active": [unit for unit in known if unit_active(unit)],
        "root": root,
        "data": [{"path": path, "bytes": weights[path][0]} for path in data],
        "others": shown(os.path.join(root, name) for name in entries if name not in IN_ROOT | SPECIAL | UNNOTED),
        "special": [os.path.join(root, name) for name in entries if name in SPECIAL],
        "strange": [] if marked or not data else [root],
        "shared": overlap(data, others_data()),
        "mounts": shown(mounts),
        "stuck": shown({what for _, stuck in weights.values() for what in stuck}),
        "namespaces": sorted({place for path in files for place in namespaces(path)}),
        "running": running(),
        "containers": stored_containers(root, bool(agreed)),
        "volumes": named_volumes(root),
        "interfaces": sorted(free),
        "plugged": used,
        "rules": commands,
        "kept_rules": kept,
        "files": files,
        "passing": [] if reason else left,
        "refusal": refusal(found, bool(agreed)),
    }


def mounted_there(root, data, files):
    """Give what is mounted in what would go, or from there, but for the namespaces that dockerd has left."""
    found = set(mounts_below(root)) if root else set()
    for path in map(real, files):
        found |= set(mounts_below(path)) | {mount.place for mount in mounted() if mount.place == path}
        found -= set(namespaces(path))
    for path in map(real, data + files):
        found |= set(bound_from(path))
    return sorted(found)


def shown(names):
    """Give names for people: not too many, and as Unicode, which a file's name need not be."""
    return [name.encode("utf-8", "backslashreplace").decode("utf-8") for name in sorted(names)[:MOST]]


def objection(now, expected):
    """Say what is there now that forbids it, or that nobody has agreed to; "" for nothing."""
    forbidden = {
        "containers of Docker run": now["running"],
        "these units need it": now["dependents"],
        "something is mounted in what would go, or from there": now["mounts"],
        "this cannot be removed": now["stuck"],
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
        argv = ["dpkg", "--remove"] if debian() else ["rpm", "-e"]
        run(argv + sorted(now["packages"]), timeout=600, settings=OURS)
    # From here on nothing ends it: what is not done now is told, and the next removal finds it.
    problems = []
    run(["systemctl", "daemon-reload"], check=False)
    clear_network(now, problems)
    for path in [entry["path"] for entry in now["data"]] + now["files"] + [os.path.join(ROOT, BY_PACKAGE)]:
        delete(path, problems)
    with contextlib.suppress(OSError):  # others have something in it, or mounted there
        if not os.path.ismount(now["root"]):
            os.rmdir(now["root"])
    return problems


def clear_network(now, problems):
    """Remove those rules and bridges that were agreed to and are still free: packages take minutes to go."""
    try:
        free, used = bridges()
        commands = [shlex.split(command) for command in rules(free)[0] if command in now["rules"]]
    except (NodeError, OSError) as error:
        problems.append("rules and bridges stay: {}".format(error))
        return
    problems += [
        "{} stays: something is plugged into it by now".format(name) for name in now["interfaces"] if name in used
    ]
    commands += [["ip", "link", "delete", name] for name in now["interfaces"] if name in free]
    for command in commands:
        code, _, err = run(command, check=False)
        if code != 0:
            problems.append("{}: {}".format(" ".join(command), err.strip()))


def remaining(now):
    """Give what is still there of what was to go, and those parts of it that do not outlive the next boot.

    Rules and bridges are among these: nobody makes them again.
    """
    paths = [path for path in [entry["path"] for entry in now["data"]] + now["files"] if os.path.lexists(path)]
    later = [path for path in paths if passing(path)]
    with contextlib.suppress(NodeError, OSError):
        free, _ = bridges()
        later += [name for name in now["interfaces"] if name in free]
        later += [command for command in rules(free)[0] if command in now["rules"]]
    return sorted(installed(now["packages"])) + [path for path in paths if path not in later], later


def absent(expected):
    """Remove what `expected` says, and nothing else; give what stays for now. Raises NodeError."""
    with turn() if debian() else contextlib.ExitStack():
        now = look()
        against = objection(now, expected)
        if against:
            raise NodeError("nothing was removed: {}".format(against))
        problems = remove(now)
    lasting, later = remaining(now)
    if lasting:
        text = "not all is gone: {}: {}; a cleanup of the same node goes on"
        raise NodeError(text.format(", ".join(lasting[:5]), "; ".join(problems[:10])))
    free_space(TRANSACTIONS)
    try:
        os.unlink(RECORD)
    except OSError as error:
        problems.append("{} stays: {}".format(RECORD, error.strerror))
    return problems[:MOST] + ["{} goes at the next boot".format(what) for what in later]


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
        if module.params["state"] == "look" or module.check_mode:
            module.exit_json(changed=False, removal=look())
        module.exit_json(changed=True, problems=absent(module.params["expected"]))
    except (NodeError, OSError, ValueError, KeyError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
