#!/usr/bin/python
"""Switch a drained node from Docker to containerd, or put it back as it was.

One invocation does the whole switch, so that a lost connection cannot leave half of it undone. Each action is
written to a journal on the node's disk before it happens, and undone in reverse order when a later one fails.

Runs on the node: Python 3.6 or later, standard library only.
"""

DOCUMENTATION = r"""
module: node_switch
short_description: Switch a drained node to another container runtime, or back
description:
  - With I(state=new), stops the kubelet, removes Docker's containers of Kubernetes (and no others), writes the given
    files, restarts containerd, waits for its CRI plugin and starts the kubelet. Any failure puts everything back.
  - With I(state=old), undoes a switch that succeeded, from its journal.
options:
  state:
    description: Which runtime the node shall have.
    type: str
    choices: [new, old]
    required: true
  transaction:
    description: Name of the switch; its journal and the saved files lie in a folder of this name.
    type: str
    required: true
  files:
    description:
      - Files to write, each with path, content in base64 or copies (the path of a file on the node), mode, owner,
        group, sha256 of the bytes to write, and replaces, the hash of the bytes that are there now.
    type: list
    elements: dict
    default: []
  socket:
    description: Path of the CRI socket that must answer before the kubelet starts.
    type: str
    default: /run/containerd/containerd.sock
  plugins:
    description: Folders of network plugins, before the usual ones.
    type: list
    elements: str
    default: []
  stale_addresses:
    description:
      - Reservations of host-local IPAM to release, each with the path of its file and the container that it is kept
        for; one that is kept for another one by now stays.
    type: list
    elements: dict
    default: []
  journals:
    description: Folder for the journals.
    type: str
    default: /var/lib/migrator/transactions
author: [the migrator project]
"""
EXAMPLES = r"""
- name: Switch the node
  node_switch:
    state: new
    transaction: 20260101-120000-worker-1
    files: []
"""
RETURN = r"""
outcome:
  description: One of switched, unchanged, stale, rolled-back, restored, broken.
  type: str
  returned: always
cause:
  description: What failed, when something did.
  type: str
  returned: always
actions:
  description: Name and duration in seconds of each action.
  type: list
  returned: always
removed:
  description: Ids of the Docker containers that the switch removed; a status that still shows one is an old status.
  type: list
  returned: when a switch was begun
kubelet_started:
  description: When the kubelet was started last, in seconds since the epoch by the node's clock.
  type: float
  returned: when a switch was begun
"""

import fcntl
import glob
import json
import os
import re
import signal
import threading
import time

from ansible.module_utils import migrator_cni
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.migrator_files import Files, Journal
from ansible.module_utils.migrator_node import NodeError, ctr, docker, docker_containers, read_bytes, run

KUBELET = "kubelet.service"
CONTAINERD = "containerd.service"
DOCKER = "docker.service"
POD_LOGS = "/var/log/pods"
GRACE = "annotation.io.kubernetes.pod.terminationGracePeriod"
START_SECONDS = 180
LOCK_SECONDS = 900


class Switch:
    """One switch of this node, forth and back."""

    def __init__(self, parameters):
        self.journal = Journal(os.path.join(parameters["journals"], parameters["transaction"]))
        self.files = Files(self.journal, parameters["files"])
        self.socket = parameters["socket"]
        self.plugins = tuple(parameters["plugins"]) + migrator_cni.PLUGINS
        self.stale_addresses = parameters["stale_addresses"]
        self.timings = []

    def traces(self):
        """Give what tells the node's new status in the cluster from the one that the stopped kubelet left there."""
        entries = self.journal.entries()
        started = [entry["at"] for entry in entries if entry["action"].startswith("start the kubelet")]
        return {
            "removed": [name for entry in entries if entry["action"] == "removed" for name in entry["containers"]],
            "kubelet_started": started[-1] if started else 0,
        }

    # What is to be done, in its order.

    def forward(self):
        """Do the switch. Raise NodeError when an action fails."""
        self.timed("stop the kubelet", self.stop_kubelet)
        self.timed("remove Kubernetes' Docker containers", self.remove_docker_containers)
        self.timed("write files", self.write_files)
        self.timed("start containerd", self.start_containerd)
        self.timed("start the kubelet", self.start_kubelet)

    def back(self):
        """Undo what the journal says was begun, in reverse order."""
        begun = {entry["action"] for entry in self.journal.entries()}
        self.timed("stop the kubelet", lambda: run(["systemctl", "stop", KUBELET]))
        if "start the kubelet" in begun:
            self.timed("remove Kubernetes' containerd containers", lambda: remove_cri_containers(self.plugins))
        if "write files" in begun:
            self.timed("put files back", self.restore_files)
        if "enable containerd at boot" in begun:
            self.timed("keep containerd from starting at boot", lambda: run(["systemctl", "disable", CONTAINERD]))
        if "start containerd" in begun:
            self.timed("restart containerd", lambda: run(["systemctl", "restart", CONTAINERD], timeout=START_SECONDS))
        self.timed("start Docker", lambda: run(["systemctl", "start", DOCKER], timeout=START_SECONDS))
        self.timed("start the kubelet on Docker", lambda: run(["systemctl", "start", KUBELET], timeout=START_SECONDS))
        self.journal.write("undone")

    def timed(self, name, action):
        """Journal an action, do it, and note how long it took."""
        self.journal.write(name)
        started = time.time()
        try:
            action()
        except OSError as error:
            raise NodeError("{}: {}".format(name, error))
        finally:
            self.timings.append({"action": name, "seconds": round(time.time() - started, 1)})

    # The single actions.

    def finished(self):
        """Tell whether there is nothing to do."""
        written = self.files.written()
        try:
            return written and not docker_containers(kubernetes_only=True)
        except OSError:
            return written  # no Docker answers, so it runs no containers

    def stop_kubelet(self):
        """Stop it first: it would start again what is removed next."""
        run(["systemctl", "stop", KUBELET], timeout=START_SECONDS)

    def remove_docker_containers(self):
        """Stop and remove every container that Kubernetes has in Docker, and release what they held."""
        containers = docker_containers(kubernetes_only=True)
        running = [entry for entry in containers if entry.get("State") == "running"]
        sandboxes = [
            entry["Id"] for entry in containers if entry["Labels"].get("io.kubernetes.docker.type") == "podsandbox"
        ]
        self.journal.write("removed", containers=[entry["Id"] for entry in containers])
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
        release_network(sandboxes, self.plugins)
        release_addresses([(entry["path"], entry["container"]) for entry in self.stale_addresses])
        remove_log_links(docker("GET", "/info")["DockerRootDir"])

    def write_files(self):
        """Write the plan's bytes, each file saved before."""
        self.files.write()
        run(["systemctl", "daemon-reload"])

    def restore_files(self):
        """Put them back."""
        self.files.restore()
        run(["systemctl", "daemon-reload"])

    def start_containerd(self):
        """Restart containerd with its new configuration and wait until its CRI plugin answers.

        Docker's other containers live on: they are children of shims, not of containerd.
        """
        if run(["systemctl", "is-enabled", "--quiet", CONTAINERD], check=False)[0] != 0:
            self.journal.write("enable containerd at boot")
            run(["systemctl", "enable", CONTAINERD])
        run(["systemctl", "restart", CONTAINERD], timeout=START_SECONDS)
        deadline = time.time() + START_SECONDS
        while True:
            state = cri_plugin()
            if state == "ok":
                break
            if time.time() > deadline or (state == "error" and time.time() > deadline - START_SECONDS + 20):
                raise NodeError("containerd runs, but its CRI plugin is {} after the restart".format(state))
            time.sleep(1)
        if not os.path.exists(self.socket):
            raise NodeError("containerd runs, but its socket {} is not there".format(self.socket))

    def start_kubelet(self):
        """Start the kubelet, only when no Kubernetes container of Docker is left that it would not see."""
        if docker_containers(kubernetes_only=True):
            raise NodeError("Docker has containers of Kubernetes again")
        run(["systemctl", "start", KUBELET], timeout=START_SECONDS)


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


def cri_plugin():
    """Give the state of containerd's CRI plugin: ok, error, skip, or silent while containerd does not answer."""
    code, out, _ = ctr(["plugins", "list"], timeout=30, check=False)
    match = re.search(r"^io\.containerd\.grpc\.v1\s+cri\s+\S+\s+(\w+)", out, re.MULTILINE)
    return match.group(1) if code == 0 and match else "silent"


def remove_cri_containers(plugins):
    """Remove what the kubelet started in containerd before the switch was undone, with what it held.

    containerd may be unable to answer by now; what runs in the pods' cgroups is ended all the same.
    """
    code, out, _ = ctr(["containers", "list", "--quiet"], check=False)
    containers = out.split() if code == 0 else []
    namespaces = network_namespaces(containers)
    end_pod_processes()
    for container in containers:
        ctr(["tasks", "delete", "--force", container], check=False)
        ctr(["containers", "delete", container], check=False)
    release_network(containers, plugins)
    for path in namespaces:
        run(["umount", path], check=False)
        if os.path.exists(path):
            os.unlink(path)


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


def end_pod_processes():
    """Kill every process in a pod's cgroup; Docker's were removed before, so these are the new runtime's."""
    for folder in glob.glob("/proc/[0-9]*"):
        try:
            if b"/kubepods" in (read_bytes(folder + "/cgroup") or b""):
                os.kill(int(os.path.basename(folder)), signal.SIGKILL)
        except ProcessLookupError:
            continue  # it ended by itself


def alone(folder):
    """Wait until no other switch is at work on this node, and keep others out from now on.

    After a lost connection the control host may want a switch undone that still runs here. The lock goes with the
    process. Raise NodeError when the other one takes too long.
    """
    os.makedirs(folder, mode=0o700, exist_ok=True)
    lock = open(os.path.join(folder, "lock"), "w")
    deadline = time.time() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.time() > deadline:
                lock.close()
                raise NodeError("another switch is at work on this node, for more than {} s".format(LOCK_SECONDS))
            time.sleep(1)
        else:
            return lock


def outlive_the_connection():
    """Go on when the connection that started us is lost: a switch must not be cut in half by that."""
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    try:
        os.setsid()
    except OSError:
        pass  # we lead a session already


def undo(switch, result, good):
    """Put the node back and say how that ended."""
    try:
        switch.back()
        result["outcome"] = good
    except Exception as error:  # whatever it is, the user must hear that the node is neither old nor new
        result.update(outcome="broken", cause="{}; then putting it back failed: {}".format(result["cause"], error))


def main():
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["new", "old"], "required": True},
            "transaction": {"type": "str", "required": True},
            "files": {"type": "list", "elements": "dict", "default": []},
            "socket": {"type": "str", "default": "/run/containerd/containerd.sock"},
            "plugins": {"type": "list", "elements": "str", "default": []},
            "stale_addresses": {"type": "list", "elements": "dict", "default": []},
            "journals": {"type": "str", "default": "/var/lib/migrator/transactions"},
        },
        supports_check_mode=True,
    )
    outlive_the_connection()
    try:
        lock = alone(module.params["journals"])
    except NodeError as error:
        module.fail_json(msg=str(error))
    with lock:
        transact(module)


def transact(module):
    """Switch or put back, and say how that ended."""
    try:
        switch = Switch(module.params)
    except NodeError as error:
        module.fail_json(msg=str(error))
    result = {"changed": True, "outcome": "", "cause": "", "actions": switch.timings}
    if module.params["state"] == "old":
        begun = switch.journal.entries()
        if not begun:
            module.exit_json(changed=False, outcome="unchanged", cause="no such switch was begun here", actions=[])
        if begun[-1]["action"] == "undone":
            module.exit_json(
                changed=False, outcome="restored", cause="it was put back already", actions=[], **switch.traces()
            )
        if not module.check_mode:
            undo(switch, result, "restored")
        module.exit_json(**dict(result, **switch.traces()))
    stale = switch.files.stale()
    if stale:
        module.exit_json(
            changed=False, outcome="stale", cause="changed since the plan: " + ", ".join(stale), actions=[]
        )
    if switch.finished():
        module.exit_json(changed=False, outcome="unchanged", cause="", actions=[])
    if module.check_mode:
        module.exit_json(**result)
    try:
        switch.forward()
        switch.journal.write("done")
        result["outcome"] = "switched"
    except Exception as error:  # a bug of ours must not leave a node half switched either
        result["cause"] = str(error)
        undo(switch, result, "rolled-back")
    module.exit_json(**dict(result, **switch.traces()))


if __name__ == "__main__":
    main()
