"""containerd: its version, its effective configuration, its CRI plugin, and what Kubernetes has in it.

Runs on the node: Python 3.6 or later, standard library only.
"""

import os

from ansible.module_utils.migrator_inspect_programs import Program, find
from ansible.module_utils.migrator_inspect_secrets import SPECIFICATION, TOML, redact_file
from ansible.module_utils.migrator_inspect_toml import strings
from ansible.module_utils.migrator_inspect_tree import LARGEST_FILE, MOST_ROWS
from ansible.module_utils.migrator_inspect_units import CONTAINERD, option, start_words
from ansible.module_utils.migrator_node import CRI_NAMESPACE

CONFIG = "/etc/containerd/config.toml"
SOCKET = "/run/containerd/containerd.sock"
ROOT = "/var/lib/containerd"
BUNDLES = "/run/containerd/io.containerd.runtime.v2.task/" + CRI_NAMESPACE
"""A folder for each container that has a shim (containerd, docs/ops.md, `state`)."""
_CRI = (("io.containerd.grpc.v1", "cri"), ("io.containerd.cri.v1", "images"), ("io.containerd.cri.v1", "runtime"))
"""The CRI plugin: one up to 1.7, three of which the first is the socket's from 2.0 (containerd, docs/PLUGINS.md)."""
_DEEPEST_IMPORT = 5


def words_of(unit, units):
    """Give containerd's command line: the running process's, else what its unit says."""
    return unit.get("arguments") or start_words(units, CONTAINERD)[1:]


def config_of(words):
    """Give the path of containerd's configuration file."""
    return option(words, "config", "c") or CONFIG


def config_files(tree, path):
    """Give the configuration file and all that it imports, patterns resolved, each once."""
    found, queue = [], [(path, 0)]
    while queue:
        current, depth = queue.pop(0)
        if current in found:
            continue
        found.append(current)
        for pattern in strings(tree.text(current), "imports", table="") if depth < _DEEPEST_IMPORT else []:
            whole = os.path.normpath(os.path.join(os.path.dirname(current), pattern))
            folder, name = os.path.split(whole)
            # For containerd, unlike for a shell, a star stands for a name that begins with a dot too.
            hidden = tree.glob(os.path.join(folder, "." + name)) if name[:1] in ("*", "?", "[") else []
            queue += [(path, depth + 1) for path in sorted(set(tree.glob(whole) + hidden))]
    return found


class Questions:
    """What containerd and its client are asked, all at the same time; nothing when containerd is not installed."""

    def __init__(self, tree, unit, words, limited=False):
        """Ask; `limited` is whether Docker limits containers, which alone makes the default specification matter."""
        self._tree, self._unit = tree, unit
        self._programs = {}
        program, client = program_of(tree, unit), find(tree, "ctr")
        if not program:
            return
        told = option(words, "config", "c")
        config = ["--config", told] if told else []
        self._start(tree, "version", [program, "--version"])
        self._start(tree, "dump", [program] + config + ["config", "dump"])
        if client and limited:
            self._start(tree, "spec", [client, "oci", "spec"])
        address = address_of(tree, words)
        if client and unit.get("active") and tree.is_socket(address):
            base = [client, "--address", tree.at(address), "--namespace", CRI_NAMESPACE]
            self._start(tree, "plugins", base + ["plugins", "ls"])
            self._start(tree, "images", base + ["images", "ls", "--quiet"])

    def _start(self, tree, name, argv):
        self._programs[name] = Program(tree, argv)

    def _said(self, name):
        answer = self._programs[name].answer() if name in self._programs else None
        return answer.out[:LARGEST_FILE] if answer and answer.code == 0 else ""

    def fact(self):
        """Wait for the answers and put them together."""
        version = self._programs["version"].answer().version if self._programs else ""
        return {
            "version": version,
            "unit": self._unit,
            "effective": redact_file(self._said("dump"), [TOML]),
            "cri": cri_state(self._said("plugins")),
            "oci_spec": redact_file(self._said("spec"), [SPECIFICATION]),
            "images": self._said("images").split()[:MOST_ROWS],
            "containers": len(self._tree.names(BUNDLES)),
        }


def program_of(tree, unit):
    """Give containerd's program: the running one's, or the one that PATH finds; "" when none is installed."""
    running = unit.get("program", "")
    return running if tree.is_program(running) else find(tree, "containerd")


def address_of(tree, words):
    """Give the path of the socket that containerd answers on."""
    told = option(words, "address", "a") or "".join(strings(tree.text(config_of(words)), "address", table="grpc")[:1])
    return told or SOCKET


def cri_state(listed):
    """Read what `ctr plugins ls` prints: the state of the CRI plugin, "" when nothing was printed.

    A plugin that the configuration disables is not listed.
    """
    rows = [line.split() for line in listed.splitlines()]
    states = {(row[0], row[1]): row[-1] for row in rows if len(row) >= 4 and row[0] != "TYPE"}
    if not states:
        return ""
    if _CRI[0] not in states:
        return "disabled"
    found = [states[plugin] for plugin in _CRI if plugin in states]
    return next((state for state in found if state == "error"), next((state for state in found if state != "ok"), "ok"))
