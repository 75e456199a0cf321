#!/usr/bin/python
"""Read in one go all that a migration must know of a node; change nothing.

Runs on the node: Python 3.6 or later, standard library only.
"""

DOCUMENTATION = r"""
module: node_facts
short_description: Read what a runtime migration must know of a node
description:
  - Reads the host, the kubelet, Docker over its API socket, containerd, the CNI configuration and the files that a
    migration may read or write. Changes nothing.
options: {}
author: [the migrator project]
"""
EXAMPLES = r"""
- name: Read the node
  node_facts:
"""
RETURN = r"""
node:
  description: The facts, as the schema of migrator/model/facts.py describes them.
  type: dict
  returned: always
"""

import glob
import grp
import json
import os
import platform
import pwd
import re
import socket

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.migrator_node import (
    POD_UID,
    docker,
    docker_containers,
    read_bytes,
    run,
    sha256,
    unit_active,
)

SCHEMA = 1
LARGEST_FILE = 1024 * 1024
FILES = (
    "/var/lib/kubelet/kubeadm-flags.env",
    "/var/lib/kubelet/config.yaml",
    "/var/lib/kubelet/instance-config.yaml",
    "/etc/default/kubelet",
    "/etc/sysconfig/kubelet",
    "/etc/docker/daemon.json",
    "/etc/containerd/config.toml",
    "/etc/crictl.yaml",
    "/etc/modules-load.d/migrator.conf",
    "/etc/sysctl.d/90-migrator.conf",
)
CNI_CONFIG = "/etc/cni/net.d"
CNI_FOLDERS = ("/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni")


def file_fact(path):
    """Describe one file, with its content."""
    data = read_bytes(path)
    if data is None:
        return {"path": path}
    if len(data) > LARGEST_FILE:
        raise ValueError("{} has {} bytes; at most {} are read".format(path, len(data), LARGEST_FILE))
    status = os.stat(path)
    try:
        content = data.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("{} is not UTF-8 text".format(path))
    return {
        "path": path,
        "exists": True,
        "content": content,
        "mode": "{:04o}".format(status.st_mode & 0o7777),
        "owner": _name(pwd.getpwuid, status.st_uid),
        "group": _name(grp.getgrgid, status.st_gid),
        "sha256": sha256(data),
    }


def _name(lookup, number):
    try:
        return lookup(number)[0]
    except KeyError:
        return str(number)


def version_of(argv):
    """Ask a program for its version; "" when it is not installed."""
    code, out, _ = run(argv, timeout=60, check=False)
    match = re.search(r"v?(\d+\.\d+\.\d+)", out) if code == 0 else None
    return match.group(1) if match else ""


def kubelet():
    """Describe the kubelet, with the command line that it really runs with."""
    pid = run(["systemctl", "show", "--property=MainPID", "kubelet.service"], check=False)[1].strip().partition("=")[2]
    command = read_bytes("/proc/{}/cmdline".format(pid)) if pid not in ("", "0") else None
    words = command.decode(errors="replace").rstrip("\0").split("\0") if command else []
    version = version_of([words[0] if words else "kubelet", "--version"])
    return {"version": version, "arguments": words[1:], "active": bool(words)}


def docker_facts():
    """Describe Docker, or give None when none answers."""
    try:
        info = docker("GET", "/info")
        images = docker("GET", "/images/json")
        containers = docker_containers()
    except OSError:
        return None
    return {
        "version": info.get("ServerVersion", ""),
        "root": info.get("DockerRootDir", ""),
        "cgroup_driver": info.get("CgroupDriver", ""),
        "containerd_store": any("io.containerd.snapshotter" in str(row) for row in info.get("DriverStatus") or []),
        "images": sorted({tag for image in images for tag in image.get("RepoTags") or [] if tag != "<none>:<none>"}),
        "containers": [
            {
                "id": container["Id"],
                "name": (container.get("Names") or ["/?"])[0].lstrip("/"),
                "image": container.get("Image", ""),
                "running": container.get("State") == "running",
                "pod_uid": (container.get("Labels") or {}).get(POD_UID, ""),
            }
            for container in containers
        ],
    }


def cni(arguments):
    """Describe the network configuration that counts, and the plugins that are there for it."""
    configs = sorted(
        path for ending in ("conf", "conflist", "json") for path in glob.glob("{}/*.{}".format(CNI_CONFIG, ending))
    )
    folders = list(CNI_FOLDERS)
    for argument in arguments:
        if argument.startswith("--cni-bin-dir="):
            folders = argument.partition("=")[2].split(",") + folders
    found = {folder: sorted(os.listdir(folder)) for folder in folders if os.path.isdir(folder)}
    if not configs:
        return {"folders": found}
    with open(configs[0]) as file:
        document = json.load(file)
    plugins = set()
    for plugin in document.get("plugins", [document]):
        plugins.add(plugin.get("type", ""))
        plugins.add((plugin.get("ipam") or {}).get("type", ""))
    return {"config": os.path.basename(configs[0]), "plugins": sorted(plugins - {""}), "folders": found}


def host():
    """Describe the machine."""
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', (read_bytes("/etc/os-release") or b"").decode(), re.MULTILINE))
    addresses = re.findall(
        r"inet6? ([0-9a-f.:]+)", run(["ip", "-o", "address", "show", "scope", "global"], check=False)[1]
    )
    return {
        "hostname": socket.gethostname(),
        "machine_id": (read_bytes("/etc/machine-id") or b"").decode().strip(),
        "addresses": addresses,
        "os": release.get("PRETTY_NAME", "unknown"),
        "kernel": platform.release(),
        "systemd": os.path.isdir("/run/systemd/system"),
        "cgroup_version": 2 if os.path.exists("/sys/fs/cgroup/cgroup.controllers") else 1,
    }


def facts():
    """Put the document together."""
    document = {"schema_version": SCHEMA, "root": os.geteuid() == 0}
    if not document["root"]:
        return document
    document.update(host())
    document["kubelet"] = kubelet()
    document["docker"] = docker_facts()
    document["containerd"] = {
        "version": version_of(["containerd", "--version"]),
        "active": unit_active("containerd.service"),
    }
    document["cni"] = cni(document["kubelet"]["arguments"])
    document["files"] = {path: file_fact(path) for path in FILES}
    return document


def main():
    """Run as an Ansible module."""
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    try:
        module.exit_json(changed=False, node=facts())
    except Exception as error:  # a broken file on the node is the user's to mend: name it, do not trace
        module.fail_json(msg="{}: {}".format(type(error).__name__, error))


if __name__ == "__main__":
    main()
