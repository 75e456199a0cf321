"""Give back what network plugins gave to sandboxes whose runtime is gone, as the runtime would have.

For each attachment libcni keeps a file with what it asked of the plugins (containernetworking/cni, libcni/api.go,
cachedInfo).
"""

import base64
import json
import os
import re
import subprocess

from witness_base import names, part, read

CACHES = ("/var/lib/cni/results", "/var/lib/cni/cache/results")
PLUGINS = ("/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni")
_SECONDS = 30


def attachments(ids, at=""):
    """List the files that libcni keeps for these sandboxes."""
    found = []
    for folder in CACHES:
        for name in names(folder, at):
            if ids.intersection(re.findall(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])", name)):
                found.append(f"{folder}/{name}")
    return found


def release(path, netns, folders=PLUGINS, at=""):
    """Let the plugins of one attachment undo it, the last one first, then forget it; `netns` may be "" for none."""
    try:
        kept = json.loads(read(path, at) or "")
        network = json.loads(base64.b64decode(kept["config"]).decode())
        plugins = network.get("plugins", [network])
        for plugin in reversed(plugins):
            _delete(kept, network, plugin, netns, folders)
    except (ValueError, KeyError, TypeError, AttributeError):
        pass  # an older libcni's, or not one at all: there is nothing to ask a plugin with
    if os.path.lexists(at + path):
        os.unlink(at + path)


def _delete(kept, network, plugin, netns, folders):
    """Run one plugin (CNI specification, section 2); what it does not manage shows in what is left."""
    programs = [f"{folder}/{plugin['type']}" for folder in folders]
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
    process = subprocess.Popen([program], stdin=pipe, stdout=pipe, stderr=pipe, env=environment)
    try:
        process.communicate(json.dumps(given).encode(), timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


part("witness_cni", globals())
