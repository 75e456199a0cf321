"""Docker, asked over its API socket only: neither command lines nor environments of its containers are collected.

Runs on the node: Python 3.6 or later, standard library only.
"""

import http.client
import json
import re

from ansible.module_utils.migrator_inspect_programs import Together, find
from ansible.module_utils.migrator_inspect_registries import probe
from ansible.module_utils.migrator_inspect_tree import MOST_ROWS, reason
from ansible.module_utils.migrator_inspect_units import limits, option
from ansible.module_utils.migrator_node import DOCKER_SOCKET, POD_UID, NodeError, docker

CONFIG = "/etc/docker/daemon.json"
SYSTEM_CONTAINERD = "/run/containerd/containerd.sock"
SECONDS = 60


class Docker:
    """What was learned of Docker: `fact` is None when it does not answer, and `problem` says why."""

    def __init__(self, fact=None, problem=""):
        self.fact = fact
        self.problem = problem

    @property
    def containers(self):
        """Its containers."""
        return self.fact["containers"] if self.fact else []

    @property
    def runtimes(self):
        """The low-level runtimes that it offers, by path or by name."""
        return sorted(set(self.fact["runtimes"].values()) - {""}) if self.fact else []


def inspect(tree, unit):
    """Ask Docker for all that a migration must know.

    A service that does not run is not asked: systemd would start it for whoever opens its socket.
    """
    installed = len(unit) > 1 or bool(find(tree, "dockerd"))
    if len(unit) > 1 and not unit["active"]:
        return Docker(problem="{} does not run".format(unit["name"]))
    if not installed and not tree.is_socket(DOCKER_SOCKET):
        return Docker()
    try:
        return Docker(_answers(tree, unit))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, NodeError, http.client.HTTPException) as error:
        return Docker(problem="no answer on {}: {}".format(DOCKER_SOCKET, reason(error))[:500])


def limits_containers(tree, unit):
    """Tell whether Docker's file or command line speaks of limits for containers."""
    return "ulimit" in tree.text(config_of(unit)) or any("ulimit" in word for word in unit.get("arguments", []))


def config_of(unit):
    """Give the path of Docker's configuration file."""
    return option(unit.get("arguments", []), "config-file") or CONFIG


def _answers(tree, unit):
    def ask(path):
        return docker("GET", path, timeout=SECONDS, socket_path=tree.at(DOCKER_SOCKET))

    info, images, containers = Together([
        lambda: ask("/info"),
        lambda: ask("/images/json?all=0&digests=1"),
        lambda: ask("/containers/json?all=1"),
    ]).results()  # fmt: skip
    fact = info_fact(info)
    fact.update(
        unit=unit,
        config=config_of(unit),
        images=[image_fact(image) for image in (images or [])[:MOST_ROWS]],
        containers=[container_fact(tree, fact["root"], entry) for entry in (containers or [])[:MOST_ROWS]],
        embedded=embedded(tree, unit),
    )
    fact["containerd"] = containerd_of(tree, info, unit, fact["embedded"])
    hosts = insecure_hosts(info)
    probed, limited = Together([lambda: probe(hosts), lambda: container_limits(tree, containers or [], ask)]).results()
    fact.update(insecure=probed, limits=limited)
    return fact


def info_fact(info):
    """Pick from Docker's answer to /info."""
    return {
        "version": info.get("ServerVersion") or "",
        "root": info.get("DockerRootDir") or "",
        "cgroup_driver": info.get("CgroupDriver") or "",
        "storage_driver": info.get("Driver") or "",
        "default_runtime": info.get("DefaultRuntime") or "",
        "runtimes": {name: (entry or {}).get("path") or "" for name, entry in (info.get("Runtimes") or {}).items()},
        "log_driver": info.get("LoggingDriver") or "",
        "live_restore": bool(info.get("LiveRestoreEnabled")),
        "security_options": info.get("SecurityOptions") or [],
        "containerd_store": any("io.containerd.snapshotter" in str(row) for row in info.get("DriverStatus") or []),
    }


def image_fact(image):
    """Describe an image; Docker writes `<none>` for a name that there is not."""
    return {
        "id": image.get("Id") or "",
        "tags": [tag for tag in image.get("RepoTags") or [] if tag != "<none>:<none>"],
        "digests": [digest for digest in image.get("RepoDigests") or [] if not digest.startswith("<none>@")],
        "size": max(0, image.get("Size") or 0),
    }


def container_fact(tree, root, entry):
    """Describe a container; its runtime stands in Docker's own file about it, the API tells only one at a time."""
    return {
        "id": entry["Id"],
        "name": (entry.get("Names") or ["/?"])[0].lstrip("/"),
        "image": entry.get("Image") or "",
        "running": entry.get("State") in ("running", "paused"),
        "pod_uid": (entry.get("Labels") or {}).get(POD_UID) or "",
        "runtime": _runtime(tree.text("{}/containers/{}/hostconfig.json".format(root, entry["Id"]))),
    }


def _runtime(text):
    try:
        found = json.loads(text).get("Runtime") if text else ""
    except (ValueError, AttributeError):
        return ""
    return found if isinstance(found, str) else ""


def container_limits(tree, containers, ask):
    """Give the limits of a process in a container of Kubernetes; {} when none runs.

    A sandbox's is asked first: its pause program leaves its limits alone, a Go program raises its own.
    """
    running = [entry for entry in containers if entry.get("State") == "running"]
    pods = [entry for entry in running if (entry.get("Labels") or {}).get(POD_UID)]
    pods.sort(key=lambda entry: entry["Labels"].get("io.kubernetes.docker.type") != "podsandbox")
    for entry in pods[:3]:
        try:
            pid = (ask("/containers/{}/json".format(entry["Id"])).get("State") or {}).get("Pid") or 0
        except NodeError:
            continue  # it ended meanwhile
        found = limits(tree.text("/proc/{}/limits".format(pid)))
        if found:
            return found
    return {}


def insecure_hosts(info):
    """Name the registries that Docker reaches without checking who they are, and its mirrors without TLS."""
    registries = info.get("RegistryConfig") or {}
    hosts = [name for name, entry in (registries.get("IndexConfigs") or {}).items() if entry.get("Secure") is False]
    for mirror in registries.get("Mirrors") or []:
        match = re.match(r"http://(?:[^/@]*@)?([^/]+)", mirror)
        if match:
            hosts.append(match.group(1))
    return sorted(set(hosts))


def embedded(tree, unit):
    """Tell whether Docker runs a containerd of its own, as it does where the system has none.

    It writes its configuration below its exec root (moby, libcontainerd/supervisor/remote_daemon.go).
    """
    words = unit.get("arguments", [])
    if not words or option(words, "containerd"):
        return False
    root = option(words, "exec-root") or "/var/run/docker"
    found = "{}/containerd/".format(root.rstrip("/")).replace("/var/run/", "/run/")
    for name in tree.names("/proc"):
        command = tree.text("/proc/{}/cmdline".format(name)) if name.isdigit() else ""
        program = command.split("\0")[0].rpartition("/")[2]
        if program in ("containerd", "docker-containerd") and found in command.replace("/var/run/", "/run/"):
            return True
    return False


def containerd_of(tree, info, unit, is_embedded):
    """Give the socket of the containerd that Docker uses; newer versions tell it, older ones were told it."""
    told = (info.get("Containerd") or {}).get("Address") or option(unit.get("arguments", []), "containerd")
    if told:
        return told
    if is_embedded:
        root = option(unit["arguments"], "exec-root") or "/var/run/docker"
        return root.rstrip("/") + "/containerd/containerd.sock"
    return SYSTEM_CONTAINERD if tree.is_socket(SYSTEM_CONTAINERD) else ""
