"""The pod network: its configuration, its plugins, the addresses that are kept.

Runs on the node: Python 3.6 or later, standard library only.
"""

import json
import re

from ansible.module_utils.migrator_inspect_toml import strings
from ansible.module_utils.migrator_inspect_tree import MOST_FILES, MOST_ROWS
from ansible.module_utils.migrator_inspect_units import option

CONFIG = "/etc/cni/net.d"
FOLDERS = ("/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni")
IPAM = "/var/lib/cni/networks"
_ENDINGS = (".conf", ".conflist", ".json")


def config_folder(words):
    """Give the folder with the network configuration, as the kubelet was told."""
    return (option(words, "cni-conf-dir") or CONFIG).rstrip("/") or "/"


def config_files(tree, folder):
    """Give the paths of the configuration files, in the order in which runtimes look at them (libcni, ConfFiles)."""
    return [folder + "/" + name for name in tree.names(folder) if name.endswith(_ENDINGS)][:MOST_FILES]


def cni_fact(tree, words, configurations):
    """Describe the network; `words` are the kubelet's, `configurations` texts of runtimes that name folders too."""
    configs = config_files(tree, config_folder(words))
    plugins = plugins_of(_document(tree.text(configs[0]))) if configs else []
    return {
        "config": _name(configs[0]) if configs else "",
        "configs": [_name(path) for path in configs],
        "plugins": sorted({entry["type"] for entry in plugins}),
        "folders": programs(tree, folders(words, configurations)),
        "reservations": reservations(tree, [IPAM] + [entry["data"] for entry in plugins if entry["data"]]),
    }


def folders(words, configurations):
    """Name the folders that may hold plugins: the kubelet's first, then those of runtimes, then the usual ones."""
    told = [folder for folder in option(words, "cni-bin-dir").split(",") if folder]
    for text in configurations:
        for key in ("bin_dir", "bin_dirs", "plugin_dirs"):
            told += strings(text, key)
    found = []
    for folder in told + list(FOLDERS):
        plain = folder.rstrip("/")
        if plain.startswith("/") and plain not in found:
            found.append(plain)
    return found


def programs(tree, paths):
    """List the programs in each folder that is there."""
    return {
        path: [name for name in tree.names(path) if tree.is_program(path + "/" + name)]
        for path in paths
        if tree.is_folder(path)
    }


def plugins_of(document):
    """Give the plugins that a configuration names, IPAM included, each with the folder that it keeps data in."""
    listed = document.get("plugins", [document]) if isinstance(document, dict) else []
    found = []
    for plugin in listed if isinstance(listed, list) else []:
        for entry in (plugin, plugin.get("ipam") if isinstance(plugin, dict) else None):
            if isinstance(entry, dict) and isinstance(entry.get("type"), str) and entry["type"]:
                data = entry.get("dataDir")
                found.append({"type": entry["type"], "data": data if isinstance(data, str) else ""})
    return found


def reservations(tree, roots):
    """List the addresses that host-local IPAM keeps.

    A reservation is a file named by the address whose first line is the sandbox's id
    (containernetworking/plugins, ipam/host-local/backend/disk/backend.go).
    """
    found = []
    for root in sorted(set(roots)):
        for network in tree.names(root):
            for name in tree.names(root + "/" + network):
                if re.match(r"^[0-9a-f]*[.:][0-9a-f.:]+$", name) and len(found) < MOST_ROWS:
                    path = "{}/{}/{}".format(root, network, name)
                    lines = tree.text(path).splitlines()
                    container = lines[0].strip() if lines else ""
                    found.append({"network": network, "address": name, "container": container, "path": path})
    return found


def _document(text):
    try:
        return json.loads(text)
    except ValueError:
        return {}


def _name(path):
    return path.rpartition("/")[2]
