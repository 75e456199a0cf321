"""What goes with a runtime that the kubelet leaves: its containers of Kubernetes, and all that those held.

Runs on the node: Python 3.6 or later, standard library only.
"""

import glob
import http.client
import json
import os
import signal
import threading
import time

from ansible.module_utils import migrator_cni
from ansible.module_utils.migrator_node import (
    NodeError,
    ctr,
    docker,
    docker_containers,
    read_bytes,
    remove_file,
    run,
)

POD_LOGS = "/var/log/pods"
GRACE = "annotation.io.kubernetes.pod.terminationGracePeriod"
END_SECONDS = 30
STOP_MOST_SECONDS = 300
"""The longest that a container gets to end by itself, whatever its pod says: the node is out of service meanwhile."""
ANSWER_SECONDS = 60
"""For Docker to answer after it has killed a container."""
REMOVE_SECONDS = 60
"""For containers to be gone: Docker may be removing one already, or fail at first since something uses its files."""
AGAIN_SECONDS = 1
UNCLEAR = (NodeError, OSError, ValueError, http.client.HTTPException)
"""What comes of asking Docker for something that it is busy with."""
RELEASE_SECONDS = 60
"""For the network's plugins, all together: one that hangs does so for each sandbox."""


def remove_docker_containers(containers, plugins):
    """Stop and remove these containers in Docker, and release what they held; give what had to be cut short.

    Raise NodeError when one stays.
    """
    sandboxes = [
        entry["Id"] for entry in containers if entry["Labels"].get("io.kubernetes.docker.type") == "podsandbox"
    ]
    running = [entry for entry in containers if entry.get("State") == "running"]
    # Applications first; their sandboxes last.
    told = stop_containers([entry for entry in running if entry["Id"] not in sandboxes])
    told += stop_containers([entry for entry in running if entry["Id"] in sandboxes])
    remove_all([entry["Id"] for entry in containers])
    release_network(sandboxes, plugins)
    remove_log_links(docker("GET", "/info")["DockerRootDir"])
    return told


def remove_all(ids):
    """Remove these containers, and whatever else Docker has of Kubernetes. Raise NodeError when one stays.

    One that is being removed already (409), or whose removal fails, is asked for again until it is gone.
    """
    deadline = time.monotonic() + REMOVE_SECONDS
    while True:
        refused = []
        for name in ids:
            why = refusal(name)
            refused += [why] if why else []
            if time.monotonic() > deadline:
                break
        try:
            ids = [entry["Id"] for entry in docker_containers(kubernetes_only=True)]
        except UNCLEAR as error:  # a list fails too where a container goes while it is made
            refused.append(str(error))
        else:
            if not ids:
                return
        if time.monotonic() > deadline:
            names = ", ".join(name[:12] for name in ids)
            raise NodeError("Docker still has containers of Kubernetes: {}".format("; ".join([names] + refused)))
        time.sleep(AGAIN_SECONDS)


def refusal(name):
    """Have Docker remove a container; say why it does not, "" when it does or somebody else is at it."""
    try:
        docker("DELETE", "/containers/{}?force=true&v=true".format(name), REMOVE_SECONDS, accept=(404, 409))
    except UNCLEAR as error:
        return str(error)
    return ""


def stop_containers(containers):
    """Stop all at once, each by its own signal; one that does not end within its pod's grace period is killed.

    Give those that were killed before that was over. Raise NodeError when Docker does not do it.
    """
    failures, told = [], []

    def stop(entry):
        wanted = entry["Labels"].get(GRACE, "30")
        wanted = int(wanted) if wanted.isdigit() else 30
        grace, began = min(wanted, STOP_MOST_SECONDS), time.monotonic()
        try:
            docker(
                "POST",
                "/containers/{}/stop?t={}".format(entry["Id"], grace),
                timeout=grace + ANSWER_SECONDS,
                accept=(304, 404, 409),  # 409: it is being removed
            )
        except Exception as error:  # of a thread nobody else would hear
            failures.append("{}: {}".format(entry["Id"][:12], str(error) or repr(error)))
        if grace < wanted and time.monotonic() - began >= grace:
            told.append("{} was killed after {} s; its pod has {} s to end".format(name_of(entry), grace, wanted))

    threads = [threading.Thread(target=stop, args=(entry,)) for entry in containers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise NodeError("Docker does not stop {}".format("; ".join(failures)))
    return sorted(told)


def name_of(entry):
    """Name a container as people know it: its namespace, pod and name."""
    keys = ("io.kubernetes.pod.namespace", "io.kubernetes.pod.name", "io.kubernetes.container.name")
    known = [entry["Labels"][key] for key in keys if key in entry["Labels"]]
    return "/".join(known) or entry["Id"][:12]


def release_network(sandboxes, plugins):
    """Give back what the network gave to removed sandboxes, and only to those.

    Their plugins are asked first, as the runtime would have done: host ports are rules that would go on sending
    packets to an address which somebody else gets. What host-local still keeps then is released too.
    """
    deadline = time.monotonic() + RELEASE_SECONDS
    for path in migrator_cni.attachments(set(sandboxes)):
        migrator_cni.release(path, "", plugins if time.monotonic() < deadline else ())
    release_addresses([(path, owner) for path, owner in migrator_cni.reservations() if owner in sandboxes])


def release_addresses(reservations):
    """Remove these reservations where they still are for these sandboxes."""
    for path, sandbox in reservations:
        if sandbox and migrator_cni.reserved_for(path) == sandbox:
            remove_file(path)


def remove_log_links(docker_root):
    """Remove the links in the pods' log folders that point into Docker's store.

    Pods that keep their uid keep their log folder, and the new runtime would follow the old link.
    """
    for folder, _, names in os.walk(POD_LOGS):
        for name in names:
            path = os.path.join(folder, name)
            if target_of(path).startswith(docker_root.rstrip("/") + "/"):
                remove_file(path)


def target_of(path):
    """Give where a link points to; "" where there is none, or none any more."""
    try:
        return os.readlink(path)
    except OSError:
        return ""


def remove_cri_containers(plugins, alone):
    """Remove what the kubelet started in containerd before the switch was undone, with what it held.

    containerd may be unable to answer by now; what runs in the pods' cgroups is ended all the same, when nobody else's
    containers can be there (`alone`). Raise NodeError when something of it stays.
    """
    code, out, _ = ctr(["containers", "list", "--quiet"], check=False)
    containers = out.split() if code == 0 else []
    namespaces, stays = network_namespaces(containers), []
    if code == 0 or alone:
        end_pod_processes(containers if code == 0 else None)
    for container in containers:
        ctr(["tasks", "delete", "--force", container], check=False)
        ctr(["containers", "delete", container], check=False)
    release_network(containers, plugins)
    for path in namespaces:
        run(["umount", path], check=False)
        try:
            remove_file(path)
        except OSError as error:
            stays.append("{}: {}".format(path, error.strerror))
    code, out, _ = ctr(["containers", "list", "--quiet"], check=False)
    stays += [name[:12] for name in out.split()] if code == 0 else []
    if stays:
        raise NodeError("containerd still has {}".format(", ".join(stays)))


def network_namespaces(containers):
    """Give the paths of the network namespaces that CRI made for these containers."""
    found = set()
    for container in containers:
        code, out, _ = ctr(["containers", "info", container], check=False)
        for entry in namespaces_in(out) if code == 0 else []:
            path = entry.get("path", "")
            if entry.get("type") == "network" and os.path.basename(path).startswith("cni-"):
                found.add(path)
    return sorted(found)


def namespaces_in(text):
    """Read the namespaces in what containerd's client prints of a container; none where that is something else."""
    try:
        found = json.loads(text)["Spec"]["linux"]["namespaces"] or []
    except (ValueError, KeyError, TypeError):
        return []
    return [entry for entry in found if isinstance(entry, dict)]


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
    except OSError:  # ESRCH for one that ends while it is read
        return None


def send(process, number):
    """Send a signal to a process that may have ended by itself."""
    try:
        os.kill(process, number)
    except ProcessLookupError:
        pass
