"""What earlier migrations and other runtimes left on the host.

Runs on the node: Python 3.6 or later, standard library only.
"""

import fnmatch
import json
import re

from ansible.module_utils.migrator_inspect_tree import LARGEST_HASHED, MOST_FILES, UnreadableError

TRANSACTIONS = "/var/lib/migrator/transactions"
NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,299}$")
"""Of a switch: a time and a Node's name."""
ENDED = ("done", "undone")
"""What the journal of a switch that is over ends with."""
DOCKERSHIM = "/run/dockershim.sock"
CRI_DOCKERD = "/run/cri-dockerd.sock"
SOCKETS = (DOCKERSHIM, CRI_DOCKERD, "/run/crio/crio.sock", "/run/containerd/containerd.sock", "/run/docker.sock")
_DEAD_MATTERS = SOCKETS[:3]
"""kubeadm and crictl look for these; containerd and Docker make theirs anew whenever they start."""
CHECKPOINTS = (("/var/lib/dockershim/sandbox", DOCKERSHIM), ("/var/lib/cri-dockerd/sandbox", CRI_DOCKERD))
NETWORKS = ("*crio-bridge*.conf", "*crio-bridge*.conflist", "87-podman*.conflist", "10-containerd-net.conflist")
"""Network configurations that come with runtimes, not with a pod network."""
_LISTENS = 0x10000
"""__SO_ACCEPTCON of Linux: the socket takes connections."""


def leftovers(tree, cni_folder):
    """Give the paths that a runtime of before left: dead sockets, folders in their place, checkpoints, networks."""
    listened = listening(tree.text("/proc/net/unix", LARGEST_HASHED))
    # dockershim makes its socket under another name and moves it, so the kernel's list shows only the old name. Asking
    # a socket that is listed is needless, and would start a service that systemd starts on demand.
    alive = {path for path in _DEAD_MATTERS if path in listened or tree.answers(path)}
    found = [path + "/" for path in SOCKETS if tree.is_folder(path)]
    found += [path for path in _DEAD_MATTERS if tree.is_socket(path) and path not in alive]
    for folder, socket in CHECKPOINTS:
        if socket not in alive and tree.names(folder):
            found.append(folder)
    for name in tree.names(cni_folder):
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in NETWORKS):
            found.append(cni_folder + "/" + name)
    return found


def listening(text):
    """Read /proc/net/unix: the paths that something listens on, without the old `/var` before `/run`."""
    found = set()
    for line in text.splitlines()[1:]:
        words = line.split(None, 7)
        if len(words) == 8 and int(words[3], 16) & _LISTENS:
            path = words[7]
            found.add(path[len("/var") :] if path.startswith("/var/run/") else path)
    return found


def transactions(tree):
    """Say how each switch that ran here ended and what it left, by its journal: all that are open, the newest others.

    Their names tell nothing: control hosts make them, by their own clocks.
    """
    found = {}
    for name in tree.names(TRANSACTIONS):
        # Another name is no switch of ours: somebody's copy.
        if NAME.match(name) and tree.is_folder(TRANSACTIONS + "/" + name):
            found[name] = transaction(journal(tree, name))
    ended = [name for name, told in found.items() if told.get("last") in ENDED]
    ended.sort(key=lambda name: (found[name]["number"], found[name]["at"], name))
    for name in ended[:-MOST_FILES]:
        del found[name]
    return {name: told for name, told in found.items() if told}


def journal(tree, name):
    """Read a switch's journal; one that is there and cannot be read is as good as damaged."""
    try:
        return (tree.read("{}/{}/journal.jsonl".format(TRANSACTIONS, name)) or b"").decode("utf-8", "replace")
    except UnreadableError:
        return "unreadable\n"


def transaction(text):
    """Read a switch's journal; a last line that a power cut left incomplete did not happen.

    One of which another line cannot be read says nothing of where the switch stands: "damaged".
    """
    found = {}
    for line in text.split("\n")[:-1]:
        try:
            entry = json.loads(line)
            about = entry.get("about", {})
            found.update({key: about[key] for key in ("source", "annotation") if key in about})
            found["number"] = int(entry.get("number", found.get("number", 0)))
            found["at"] = float(entry.get("at", 0))
            found["last"] = str(entry["action"])
        except (ValueError, KeyError, TypeError, AttributeError):
            found["last"] = "damaged"
            break
    return found
