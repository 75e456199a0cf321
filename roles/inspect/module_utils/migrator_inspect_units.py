"""systemd's services, and the processes that they really are.

Runs on the node: Python 3.6 or later, standard library only.
"""

import os
import re

from ansible.module_utils.migrator_inspect_programs import Program, find
from ansible.module_utils.migrator_inspect_secrets import redact_words, variable
from ansible.module_utils.migrator_inspect_tree import UnreadableError

KUBELET = "kubelet.service"
DOCKER = "docker.service"
CONTAINERD = "containerd.service"
CRIO = "crio.service"
CRI_DOCKERD = "cri-docker.service"
ALTERNATIVES = {DOCKER: "snap.docker.dockerd.service", CRI_DOCKERD: "cri-dockerd.service"}
"""Other names of the same service: Docker's snap, and kubespray's own unit for cri-dockerd."""
SOCKETS = ("docker.socket", "cri-docker.socket")
OTHERS = (
    "k3s.service",
    "k3s-agent.service",
    "rke2-server.service",
    "rke2-agent.service",
    "k0scontroller.service",
    "k0sworker.service",
    "kops-configuration.service",
    "snap.microk8s.daemon-kubelite.service",
)
"""Services that tell who set a node up."""
AGENTS = (
    "ansible-pull.service", "ansible-pull.timer", "apt-daily-upgrade.timer", "cf-execd.service", "cfengine3.service",
    "chef-client.service", "chef-client.timer", "cinc-client.service", "cinc-client.timer",
    "dnf-automatic-install.timer", "dnf-automatic.timer", "dnf5-automatic.timer", "locksmithd.service",
    "puppet.service", "pxp-agent.service", "rpm-ostreed-automatic.timer", "rudder-agent.service",
    "salt-minion.service", "transactional-update.timer", "update-engine.service", "yum-cron.service",
    "zincati.service",
)  # fmt: skip
"""Services and timers that change a host by themselves: configuration management, upgrades, reboots."""
_NAMES = (
    (KUBELET, DOCKER, CONTAINERD, CRIO, CRI_DOCKERD) + tuple(sorted(ALTERNATIVES.values())) + SOCKETS + OTHERS + AGENTS
)
_PROPERTIES = (
    "Id",
    "LoadState",
    "ActiveState",
    "UnitFileState",
    "FragmentPath",
    "DropInPaths",
    "EnvironmentFiles",
    "MainPID",
    "ExecStart",
    "Requires",
    "Requisite",
    "BindsTo",
    "PartOf",
    "StopPropagatedFrom",
    "Wants",
    "KillMode",
    "TriggeredBy",
    "RequiredBy",
    "RequisiteOf",
    "BoundBy",
    "ConsistsOf",
    "UpheldBy",
    "WantedBy",
    "Listen",
)
_NEEDING = ("RequiredBy", "RequisiteOf", "BoundBy", "ConsistsOf", "UpheldBy")
"""Units that stop with another one, do not start without it, or start it again."""
_PROXIES = re.compile(r"(?:HTTP|HTTPS|NO|ALL|FTP)_PROXY", re.IGNORECASE)
_LIMITS = {
    "Max open files": "nofile",
    "Max processes": "nproc",
    "Max core file size": "core",
    "Max locked memory": "memlock",
}


def ask(tree):
    """Start the one question to systemd; None where systemd is not PID 1."""
    if not tree.is_folder("/run/systemd/system"):
        return None
    return Program(
        tree, [find(tree, "systemctl"), "show", "--no-pager", "--property=" + ",".join(_PROPERTIES)] + list(_NAMES)
    )


def ask_triggers(tree, units):
    """Start the question what the units are that start Docker, besides its own socket; None where there are none."""
    names = sorted(set(_words(units.get(DOCKER, {}), "TriggeredBy")) - set(units))
    if not names:
        return None
    words = [find(tree, "systemctl"), "show", "--no-pager", "--property=Id,ActiveState,UnitFileState,Listen"]
    return Program(tree, words + names)


def users_of_docker(units):
    """Name the units that start Docker, each with the addresses that it listens at, and those that need or want it."""
    own = [units.get(name, {}) for name in (DOCKER, SOCKETS[0])]
    needing = {name for unit in own for name in _all(unit, *_NEEDING)}
    wanting = {name for unit in own for name in _words(unit, "WantedBy")}
    ours = set(SOCKETS) | {DOCKER, CRI_DOCKERD}
    return {
        "starters": {name: addresses(units.get(name, {})) for name in _words(own[0], "TriggeredBy")},
        "needing": sorted(name for name in needing - ours if not name.endswith(".target")),
        "wanting": sorted(name for name in wanting - needing - ours if not name.endswith(".target")),
    }


def addresses(properties):
    """Give where a socket unit listens: "[::]:2375 (Stream)" of newer systemd, without the kind."""
    return [value.rpartition(" (")[0] or value for value in properties.get("Listen", []) if value]


def parse(text):
    """Read what `systemctl show` prints of several units: each one's properties as lists, by its name."""
    units = {}
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        properties = {}
        for line in block.split("\n"):
            name, equals, value = line.partition("=")
            if equals:  # systemd 219 calls them ListenStream and so on
                properties.setdefault("Listen" if name.startswith("Listen") else name, []).append(value)
        if properties.get("Id"):
            units[properties["Id"][0]] = properties
    return units


def loaded(units, name):
    """Tell whether systemd knows such a unit."""
    return _one(units.get(name, {}), "LoadState") == "loaded"


def active(units, name):
    """Tell whether a unit runs, or waits for its time."""
    return _one(units.get(name, {}), "ActiveState") in ("active", "reloading", "activating")


def unit_fact(tree, units, name):
    """Describe a service and its process; only its name is known where systemd does not know it."""
    if not loaded(units, name) and loaded(units, ALTERNATIVES.get(name, "")):
        name = ALTERNATIVES[name]
    properties = units.get(name, {})
    if not loaded(units, name):
        return {"name": name}
    fact = {
        "name": name,
        "active": _one(properties, "ActiveState") in ("active", "reloading"),
        "enabled": _one(properties, "UnitFileState").startswith("enabled"),
        "fragments": _words(properties, "FragmentPath") + _words(properties, "DropInPaths"),
        "environment_files": environment_files(tree, properties),
        "requires": _all(properties, "Requires", "Requisite", "BindsTo"),
        "stops_with": _all(properties, "PartOf", "StopPropagatedFrom"),
        "wants": sorted(_words(properties, "Wants")),
        "kill_mode": _one(properties, "KillMode"),
    }
    fact.update(process_fact(tree, _one(properties, "MainPID")))
    return fact


def environment_files(tree, properties):
    """Give the paths of a unit's environment files, patterns resolved; systemd 219 has another name for them."""
    found = []
    for value in properties.get("EnvironmentFiles", []) + properties.get("EnvironmentFile", []):
        path = re.sub(r" \(ignore_errors=\w+\)$", "", value)
        if path:
            found += (tree.glob(path) if re.search(r"[*?\[]", path) else []) or [path]
    return found


def start_words(units, name):
    """Give the words of a unit's ExecStart, variables not resolved; for a service that does not run."""
    for value in units.get(name, {}).get("ExecStart", []):
        match = re.search(r"argv\[\]=(.*?) ; ignore_errors=", value)
        if match:
            return match.group(1).split()
    return []


def process_fact(tree, pid):
    """Describe a running process: program, command line, proxies and limits; {} when there is none.

    Its process id is not kept, since the next reading would differ by it.
    """
    folder = "/proc/" + pid
    if not pid.isdigit() or pid == "0" or not tree.is_folder(folder):
        return {}
    words = _strings(tree, folder + "/cmdline")
    return {
        "arguments": redact_words(words[1:]),
        "program": re.sub(r" \(deleted\)$", "", tree.link(folder + "/exe")),
        "environment": proxies(_strings(tree, folder + "/environ")),
        "limits": limits(tree.text(folder + "/limits")),
    }


def proxies(variables):
    """Pick the proxy variables of an environment, whom they are for replaced by hashes."""
    found = {}
    for entry in variables:
        name, _, value = entry.partition("=")
        if _PROXIES.fullmatch(name) and value:
            found[name] = variable(name, value)
    return found


def limits(text):
    """Read /proc/PID/limits: "soft:hard" by ulimit name, -1 where there is none."""
    found = {}
    for line in text.splitlines():
        name = next((known for known in _LIMITS if line.startswith(known + " ")), None)
        numbers = line[len(name) :].split()[:2] if name else []
        if len(numbers) == 2:
            found[_LIMITS[name]] = ":".join("-1" if number == "unlimited" else number for number in numbers)
    return found


def option(words, *names):
    """Give the value of a command line's option, the last one when there are several; "" without any."""
    found = ""
    for number, word in enumerate(words):
        name, equals, value = word.partition("=")
        if word.startswith("-") and name.lstrip("-") in names:
            found = value if equals else "".join(words[number + 1 : number + 2])
    return found


def _strings(tree, path):
    try:
        text = os.fsdecode(tree.read(path) or b"")
    except UnreadableError:
        return []
    return text[: -1 if text.endswith("\0") else None].split("\0") if text else []


def _one(properties, name):
    return "".join(properties.get(name, [""])[:1])


def _all(properties, *names):
    return sorted({word for name in names for word in _words(properties, name)})


def _words(properties, name):
    return [word for value in properties.get(name, []) for word in value.split()]
