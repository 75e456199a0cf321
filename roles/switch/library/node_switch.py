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

import base64
import fcntl
import glob
import grp
import json
import os
import pwd
import re
import signal
import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.migrator_node import (
    NodeError,
    ctr,
    docker,
    docker_containers,
    read_bytes,
    run,
    sha256,
    sync_folder,
    write_file,
)

KUBELET = "kubelet.service"
CONTAINERD = "containerd.service"
DOCKER = "docker.service"
IPAM = "/var/lib/cni/networks"
POD_LOGS = "/var/log/pods"
GRACE = "annotation.io.kubernetes.pod.terminationGracePeriod"
START_SECONDS = 180
LOCK_SECONDS = 900


class Journal:
    """What was done, a JSON line each, on disk before the action happens."""

    def __init__(self, folder):
        self.folder = folder
        self.path = os.path.join(folder, "journal.jsonl")

    def write(self, action, **details):
        """Add a line and make it durable."""
        self.create()
        with open(self.path, "a") as file:
            file.write(json.dumps(dict(details, action=action, at=time.time())) + "\n")
            file.flush()
            os.fsync(file.fileno())
        sync_folder(self.folder)

    def create(self):
        """Make the folder, for root alone: what is saved in it may hold secrets."""
        os.makedirs(self.folder, mode=0o700, exist_ok=True)

    def entries(self):
        """Read it back; a last line that a power cut left incomplete did not happen."""
        lines = (read_bytes(self.path) or b"").decode().splitlines()
        found = []
        for line in lines:
            try:
                found.append(json.loads(line))
            except ValueError:
                break
        return found


class Switch:
    """One switch of this node, forth and back."""

    def __init__(self, parameters):
        self.files = [dict(entry, data=data_of(entry)) for entry in parameters["files"]]
        self.socket = parameters["socket"]
        self.journal = Journal(os.path.join(parameters["journals"], parameters["transaction"]))
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
            self.timed("remove Kubernetes' containerd containers", remove_cri_containers)
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

    def stale(self):
        """Name the files that are neither what the plan replaces nor already what it writes."""
        return [
            entry["path"]
            for entry in self.files
            if sha256(entry["data"]) != entry["sha256"]
            or sha256(read_bytes(entry["path"])) not in (entry["replaces"], entry["sha256"])
        ]

    def finished(self):
        """Tell whether there is nothing to do."""
        written = all(read_bytes(entry["path"]) == entry["data"] for entry in self.files)
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
        # Applications first and all at once, each with its pod's own grace period; their sandboxes last.
        stop_containers([entry for entry in running if entry["Id"] not in sandboxes])
        stop_containers([entry for entry in running if entry["Id"] in sandboxes])
        for entry in containers:
            docker("DELETE", "/containers/{}?force=true&v=true".format(entry["Id"]), accept=(404, 409))
        left = docker_containers(kubernetes_only=True)
        if left:
            raise NodeError(
                "Docker still has containers of Kubernetes: {}".format(", ".join(entry["Id"][:12] for entry in left))
            )
        release_addresses(sandboxes)
        remove_log_links(docker("GET", "/info")["DockerRootDir"])

    def write_files(self):
        """Save what is there, then write the plan's bytes."""
        for number, entry in enumerate(self.files):
            self.make_folder(os.path.dirname(entry["path"]))
            self.save(number, entry["path"])
            write_file(
                entry["path"],
                entry["data"],
                int(entry["mode"], 8),
                pwd.getpwnam(entry["owner"]).pw_uid,
                grp.getgrnam(entry["group"]).gr_gid,
            )
        run(["systemctl", "daemon-reload"])

    def make_folder(self, folder):
        """Make a file's folder, and note each one made so that undoing removes it again."""
        if os.path.isdir(folder):
            return
        self.make_folder(os.path.dirname(folder))
        self.journal.write("made folder", path=folder)
        os.mkdir(folder, 0o755)
        sync_folder(os.path.dirname(folder))

    def save(self, number, path):
        """Keep a file, or that there was none, before it is replaced."""
        data = read_bytes(path)
        if data is None:
            self.journal.write("saved", path=path, exists=False)
            return
        status = os.stat(path)
        self.journal.create()
        copy = os.path.join(self.journal.folder, "file-{}".format(number))
        write_file(copy, data, 0o600)
        self.journal.write(
            "saved",
            path=path,
            exists=True,
            copy=copy,
            mode=status.st_mode & 0o7777,
            uid=status.st_uid,
            gid=status.st_gid,
        )

    def restore_files(self):
        """Put every saved file back, the last one first."""
        for entry in reversed([entry for entry in self.journal.entries() if entry["action"] == "saved"]):
            if entry["exists"]:
                write_file(entry["path"], read_bytes(entry["copy"]), entry["mode"], entry["uid"], entry["gid"])
            elif os.path.exists(entry["path"]):
                os.unlink(entry["path"])
                sync_folder(os.path.dirname(entry["path"]))
        for entry in reversed([entry for entry in self.journal.entries() if entry["action"] == "made folder"]):
            if os.path.isdir(entry["path"]) and not os.listdir(entry["path"]):
                os.rmdir(entry["path"])
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


def data_of(entry):
    """Give the bytes that a file shall have: the plan's, or those of the file on this node that it copies."""
    if entry.get("copies"):
        return read_bytes(entry["copies"])
    # In base64, so that nothing on the way takes a file's text for a template.
    return base64.b64decode(entry["content"])


def stop_containers(containers):
    """Ask all to end at once, then wait for each until its grace period is over, then kill."""
    now = time.time()
    for entry in containers:
        docker("POST", "/containers/{}/kill?signal=SIGTERM".format(entry["Id"]), accept=(404, 409))
    for entry in containers:
        grace = entry["Labels"].get(GRACE, "30")
        left = max(0, now + (int(grace) if grace.isdigit() else 30) - time.time())
        docker("POST", "/containers/{}/stop?t={:.0f}".format(entry["Id"], left), timeout=left + 60, accept=(304, 404))


def release_addresses(sandboxes):
    """Free the addresses that host-local IPAM still keeps for removed sandboxes, and only those.

    A reservation is a file named by the address whose first line is the sandbox's id
    (containernetworking/plugins, ipam/host-local/backend/disk/backend.go).
    """
    for path in glob.glob(IPAM + "/*/*"):
        name = os.path.basename(path)
        if re.match(r"^[0-9a-f.:]+$", name) and (read_bytes(path) or b"").split(b"\n")[0].strip().decode() in sandboxes:
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


def remove_cri_containers():
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
    release_addresses(containers)
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
    switch = Switch(module.params)
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
    stale = switch.stale()
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
