"""Give back what network plugins gave to sandboxes that are gone, as their runtime would have.

For each attachment libcni keeps a file with what it asked of the plugins (containernetworking/cni, libcni/api.go,
cachedInfo). Host-local IPAM keeps a reservation: a file named by the address, whose first line is the sandbox's id
(containernetworking/plugins, ipam/host-local/backend/disk/backend.go).

Runs on the node: Python 3.6 or later, standard library only. It is a module of Ansible's, and under the name
witness_cni a part of the witness too, whose names are all different. `at` is a folder that stands for "/".
"""

import base64
import json
import os
import re
import subprocess

CACHES = ("/var/lib/cni/results", "/var/lib/cni/cache/results")
PLUGINS = ("/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni")
CNI = "/etc/cni/net.d"
IPAM = "/var/lib/cni/networks"
ADDRESS = re.compile(r"[0-9a-f]*[.:][0-9a-f.:]+$")
PLUGIN_SECONDS = 30


def attachments(ids, at=""):
    """List the files that libcni keeps for these sandboxes."""
    return [
        "{}/{}".format(folder, name)
        for folder in CACHES
        for name in _listed(at + folder)
        if ids.intersection(re.findall(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])", name))
    ]


def release(path, netns, folders=PLUGINS, at=""):
    """Let the plugins of one attachment undo it, the last one first, then forget it; `netns` may be "" for none."""
    try:
        kept = json.loads(_content(at + path))
        network = json.loads(base64.b64decode(kept["config"]).decode())
        for plugin in reversed(network.get("plugins", [network])):
            _delete(kept, network, plugin, netns, folders)
    except (ValueError, KeyError, TypeError, AttributeError):
        pass  # an older libcni's, or not one at all: there is nothing to ask a plugin with
    try:
        os.unlink(at + path)
    except FileNotFoundError:
        pass  # its plugin, or somebody else, was faster


def _delete(kept, network, plugin, netns, folders):
    """Run one plugin (CNI specification, section 2); what it does not manage shows in what is left."""
    programs = ["{}/{}".format(folder, plugin["type"]) for folder in folders]
    program = next((path for path in programs if os.access(path, os.X_OK)), None)
    if program is None:
        return
    given = dict(plugin, name=network.get("name", ""), cniVersion=network.get("cniVersion", "0.3.1"))
    wanted = given.pop("capabilities", {})
    told = {name: value for name, value in (kept.get("capabilityArgs") or {}).items() if wanted.get(name)}
    given.update({"prevResult": kept["result"]} if kept.get("result") else {})
    given.update({"runtimeConfig": told} if told else {})
    environment = dict(
        os.environ,
        CNI_COMMAND="DEL",
        CNI_CONTAINERID=kept["containerId"],
        CNI_NETNS=netns,
        CNI_IFNAME=kept["ifName"],
        CNI_ARGS=";".join("=".join(pair) for pair in kept.get("cniArgs") or ()),
        CNI_PATH=":".join(folders),
    )
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen([program], stdin=pipe, stdout=pipe, stderr=pipe, env=environment)
    except OSError:  # it went, or is none for this machine
        return
    try:
        process.communicate(json.dumps(given).encode(), timeout=PLUGIN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def ipam_folders(at=""):
    """Give where host-local keeps reservations: its usual folder, and what the network configurations name."""
    texts = [_content("{}{}/{}".format(at, CNI, name)) for name in _listed(at + CNI)]
    told = re.findall(r'"dataDir"\s*:\s*"(/[^"]+)"', "\n".join(texts))
    return sorted({IPAM}.union(path.rstrip("/") for path in told))


def reservations(at=""):
    """Give the path of each reservation with the id of the sandbox that it is for; "" for a file that names none."""
    found = []
    for root in ipam_folders(at):
        for network in _listed(at + root):
            for name in _listed("{}{}/{}".format(at, root, network)):
                if ADDRESS.match(name):
                    path = "{}/{}/{}".format(root, network, name)
                    found.append((path, reserved_for(path, at)))
    return found


def reserved_for(path, at=""):
    """Give the id of the sandbox that a reservation is for; "" when there is none."""
    return (_content(at + path).splitlines() or [""])[0].strip()


def _listed(folder):
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _content(path):
    try:
        with open(path, "rb") as file:
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


if "part" in globals():  # joined with the witness's others
    globals()["part"]("witness_cni", globals())
