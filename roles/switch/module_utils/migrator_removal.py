"""What goes with a runtime that the kubelet leaves: its containers of Kubernetes, and all that those held.

Runs on the node: Python 3.6 or later, standard library only.
"""

import glob
import json
import os
import signal
import threading
import time

from ansible.module_utils import migrator_cni
from ansible.module_utils.migrator_node import NodeError, ctr, docker, docker_containers, read_bytes, run

POD_LOGS = "/var/log/pods"
GRACE = "annotation.io.kubernetes.pod.terminationGracePeriod"
END_SECONDS = 30


def remove_docker_containers(containers, plugins):
    """Stop and remove these containers in Docker, and release what they held. Raise NodeError when one stays."""
    sandboxes = [
        entry["Id"] for entry in containers if entry["Labels"].get("io.kubernetes.docker.type") == "podsandbox"
    ]
    running = [entry for entry in containers if entry.get("State") == "running"]
    # Applications first; their sandboxes last.
    stop_containers([entry for entry in running if entry["Id"] not in sandboxes])
    stop_containers([entry for entry in running if entry["Id"] in sandboxes])
    for entry in containers:
        docker("DELETE", "/containers/{}?force=true&v=true".format(entry["Id"]), accept=(404, 409))
    left = docker_containers(kubernetes_only=True)
    if left:
        raise NodeError(
            "Docker still has containers of Kubernetes: {}".format(", ".join(entry["Id"][:12] for entry in left))
        )
    release_network(sandboxes, plugins)
    remove_log_links(docker("GET", "/info")["DockerRootDir"])


def stop_containers(containers):
    """Stop all at once, each by its own signal; one that does not end within its pod's grace period is killed."""
    failures = []

    def stop(entry):
        grace = entry["Labels"].get(GRACE, "30")
        grace = int(grace) if grace.isdigit() else 30
        try:
            docker(
                "POST",
                "/containers/{}/stop?t={}".format(entry["Id"], grace),
                timeout=grace + 60,
                accept=(304, 404),
            )
        except (NodeError, OSError) as error:
            failures.append("{}: {}".format(entry["Id"][:12], error))

    threads = [threading.Thread(target=stop, args=(entry,)) for entry in containers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise NodeError("Docker does not stop {}".format("; ".join(failures)))


def release_network(sandboxes, plugins):
    """Give back what the network gave to removed sandboxes, and only to those.

    Their plugins are asked first, as the runtime would have done: host ports are rules that would go on sending
    packets to an address which somebody else gets. What host-local still keeps then is released too.
    """
    for path in migrator_cni.attachments(set(sandboxes)):
        migrator_cni.release(path, "", plugins)
    release_addresses([(path, owner) for path, owner in migrator_cni.reservations() if owner in sandboxes])


def release_addresses(reservations):
    """Remove these reservations where they still are for these sandboxes."""
    for path, sandbox in reservations:
        if sandbox and migrator_cni.reserved_for(path) == sandbox:
            os.unlink(path)


def remove_log_links(docker_root):
    """Remove the links in the pods' log folders that point into Docker's store.

    Pods that keep their uid keep their log folder, and the new runtime would follow the old link.
    """
    for folder, _, names in os.walk(POD_LOGS):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.islink(path) and os.readlink(path).startswith(docker_root.rstrip("/") + "/"):
                os.unlink(path)


def remove_cri_containers(plugins, alone):
    """Remove what the kubelet started in containerd before the switch was undone, with what it held.

    containerd may be unable to answer by now; what runs in the pods' cgroups is ended all the same, when nobody else's
    containers can be there (`alone`). Raise NodeError when something of it stays.
    """
    code, out, _ = ctr(["containers", "list", "--quiet"], check=False)
    containers = out.split() if code == 0 else []
    namespaces = network_namespaces(containers)
    if code == 0 or alone:
        end_pod_processes(containers if code == 0 else None)
    for container in containers:
        ctr(["tasks", "delete", "--force", container], check=False)
        ctr(["containers", "delete", container], check=False)
    release_network(containers, plugins)
    for path in namespaces:
        run(["umount", path], check=False)
        if os.path.exists(path):
            os.unlink(path)
    code, out, _ = ctr(["containers", "list", "--quiet"], check=False)
    if code == 0 and out.split():
        raise NodeError("containerd still has {}".format(", ".join(name[:12] for name in out.split())))


def network_namespaces(containers):
    """Give the paths of the network namespaces that CRI made for these containers."""
    found = set()
    for container in containers:
        code, out, _ = ctr(["containers", "info", container], check=False)
        spec = json.loads(out).get("Spec") or {} if code == 0 else {}
        for entry in (spec.get("linux") or {}).get("namespaces") or []:
            path = entry.get("path", "")
            if entry.get("type") == "network" and os.path.basename(path).startswith("cni-"):
                found.add(path)
    return sorted(found)


def end_pod_processes(containers):
    """End the processes of these containers, by force those that do not end by themselves; None is for all of pods."""
    for number, seconds in ((signal.SIGTERM, END_SECONDS), (signal.SIGKILL, 5)):
        deadline = time.monotonic() + seconds
        for process in pod_processes(containers):
            send(process, number)
        while pod_processes(containers) and time.monotonic() < deadline:
            time.sleep(0.2)


def pod_processes(containers):
    """List the processes in pods' cgroups, of these containers or of all; a container's has its id in its name."""
    found = []
    for folder in glob.glob("/proc/[0-9]*"):
        cgroup = process_cgroup(folder) or b""
        if b"/kubepods" in cgroup and (containers is None or any(name.encode() in cgroup for name in containers)):
            found.append(int(os.path.basename(folder)))
    return found


def process_cgroup(folder):
    """Read a process' cgroups; None when it ended meanwhile, or only waits to be collected."""
    try:
        status = read_bytes(folder + "/stat")
        if status is None or status.rpartition(b")")[2].split()[:1] == [b"Z"]:
            return None
        return read_bytes(folder + "/cgroup")
    except ProcessLookupError:
        return None


def send(process, number):
    """Send a signal to a process that may have ended by itself."""
    try:
        os.kill(process, number)
    except ProcessLookupError:
        pass
