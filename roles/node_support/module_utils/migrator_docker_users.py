"""Who uses Docker on a node right now: containers, units, and programs that are connected to it.

Runs on the node: Python 3.6 or later, standard library only.
"""

import http.client
import os
import re

from ansible.module_utils.migrator_node import NodeError, docker_containers, run, sockets_of_docker, unit_active

PROC = "/proc"
UNITS = ("docker.socket", "docker.service")
"""The socket first, after others of its kind: each would start the service again at the first request."""
STANDING = frozenset(("created", "exited", "dead", "removing"))
"""States of containers in which nothing runs."""
NEEDING = ("RequiredBy", "RequisiteOf", "BoundBy", "ConsistsOf", "UpheldBy", "TriggeredBy")
"""Units that stop with another one, do not start without it, or start it again. Those that only want it go on."""
NO_USERS = frozenset(("kubelet", "dockerd"))
"""Programs whose connections need nothing of Docker: the kubelet on another runtime has one when Docker answered at
its start, for cAdvisor's statistics (cadvisor, container/docker/factory.go)."""


def units():
    """Give those of Docker's units that systemd knows, with the sockets that somebody has added for its API."""
    return sockets_of_docker() + [unit for unit in UNITS if run(["systemctl", "cat", unit], check=False)[0] == 0]


def option(words, names):
    """Give an option's value on a command line; "" without it."""
    for place, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name in names:
            return value if equals else "".join(words[place + 1 : place + 2])
    return ""


def command_lines():
    """Give the command lines of the host's own processes: a Docker in a container is none of the host's."""
    own = _namespace("self")
    for process in filter(str.isdigit, os.listdir(PROC)):
        try:
            with open("{}/{}/cmdline".format(PROC, process), "rb") as file:
                words = file.read().decode(errors="replace").split("\0")
        except OSError:
            continue
        if words[0] and _namespace(process) in (own, ""):
            yield words


def _namespace(process):
    """Name the namespace of process ids that a process is in; "" when that cannot be known."""
    try:
        return os.readlink("{}/{}/ns/pid".format(PROC, process))
    except OSError:
        return ""


def running():
    """Give the names of containers that Docker has running, of anybody's; those too that have outlived it.

    Raises NodeError where that cannot be known.
    """
    if not unit_active("docker.service"):
        return sorted(shims())
    try:
        entries = [entry for entry in docker_containers() or [] if entry["State"] not in STANDING]
        return sorted((entry.get("Names") or [entry["Id"][:12]])[0].strip("/") for entry in entries)
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NodeError("Docker does not tell which containers run: {}: {}".format(type(error).__name__, error))


def shims():
    """Give the ids of containers of Docker's that a shim keeps (moby, libcontainerd: namespace moby).

    Shims before 18.09 have a name of Docker's own; those of containerd's first kind name their container by a folder.
    """
    for words in command_lines():
        program = os.path.basename(words[0])
        namespace = option(words, ("-namespace",))
        if program.startswith("docker-containerd-shim") and not namespace:
            yield "".join(words[1:2])[:12]
        elif "containerd-shim" in program and (namespace == "moby" or namespace.endswith(".moby")):
            identity = option(words, ("-id",)) or os.path.basename(option(words, ("-workdir",)))
            yield identity[:12] or "one that is not named"


def dependents():
    """Name the units that would stop with Docker, not start without it, or start it again."""
    own = sockets_of_docker() + list(UNITS)
    shown = run(["systemctl", "show"] + own + ["--property", ",".join(NEEDING)], check=False)[1]
    found = {unit for line in shown.splitlines() for unit in line.partition("=")[2].split()}
    return sorted(found - set(own) - {"sockets.target", "multi-user.target"})


def connected():
    """Name the programs that have a connection to Docker now, by whichever of its sockets. Raises NodeError."""
    rows = [row for row in map(_socket, run(["ss", "-xtanp"])[1].splitlines()) if row]
    ports = {local.rpartition(":")[2] for state, local, _, names in rows if state == "LISTEN" and "dockerd" in names}
    open_ones = [row[1:] for row in rows if row[0] == "ESTAB"]
    users = {local: names for local, _, names in open_ones}
    found = set()
    for local, peer, names in open_ones:
        # The server's side: it has the path of a Unix socket, or a port that Docker listens at.
        served = not local.startswith("* ") if " " in local else local.rpartition(":")[2] in ports
        if "dockerd" in names and served:
            found |= set(users.get(peer) or ["somebody at {}".format(peer)])
    return sorted(found - NO_USERS)


def _socket(line):
    """Give state, both ends and programs of a socket in a line of ss(8); None for another line.

    The end of a Unix socket is a path, or "*" where it has none, and a number; the end of another one has a port.
    """
    match = re.match(
        r"(?:u_\w+\s+(\w+)\s+\d+\s+\d+\s+(\S+\s+\d+)\s+(\S+\s+\d+)"
        r"|tcp\s+(\w+)\s+\d+\s+\d+\s+(\S+)\s+(\S+))\s*(users:.*)?$",
        line,
    )
    if not match:
        return None
    state, local, peer = match.group(1, 2, 3) if match.group(1) else match.group(4, 5, 6)
    programs = re.findall(r'\("([^"]+)"', match.group(7) or "")
    return state, " ".join(local.split()), " ".join(peer.split()), programs


def uses():
    """Say who uses Docker now, one sentence for each kind; [] for nobody. What cannot be known counts as use."""
    found = []
    for what, ask in (
        ("containers run in it", running),
        ("units need it", dependents),
        ("programs are connected to it", connected),
    ):
        try:
            names = ask()
        except NodeError as error:
            found.append("whether {} is not known: {}".format(what, error))
            continue
        if names:
            found.append("{}: {}".format(what, ", ".join(names[:10])))
    return found
