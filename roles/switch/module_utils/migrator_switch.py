"""The switch of a drained node from Docker to containerd, and back: one transaction, with a journal.

It is run by systemd, not by the connection that asked for it, and again when it was killed or the node was rebooted
in its middle (see migrator_service). Where it stands is in the journal alone: a switch that had begun goes back.

Runs on the node: Python 3.6 or later, standard library only.
"""

import http.client
import json
import os
import re
import shutil
import sys
import time

from ansible.module_utils import migrator_cni, migrator_service
from ansible.module_utils.migrator_files import Files, Journal
from ansible.module_utils.migrator_node import NodeError, ctr, docker_containers, read_bytes, run, sha256, write_file
from ansible.module_utils.migrator_removal import release_addresses, remove_cri_containers, remove_docker_containers

KUBELET = "kubelet.service"
CONTAINERD = "containerd.service"
DOCKER = ("docker.socket", "docker.service")
START_SECONDS = 180
TRIES = 3
AGAIN_SECONDS = 5
ENDS = ("done", "undone", "broken")
"""What the journal of a switch ends with: the node has the new runtime, the old one, or a person has to look."""
REQUEST = "request.json"


class Switch:
    """One switch of this node, forth and back."""

    def __init__(self, folder, request):
        """Take its folder, and what was asked for: files, socket, plugins and stale_addresses, as the module has them.

        Raise NodeError for a file's owner whom the node does not know.
        """
        self.journal = Journal(folder)
        self.files = Files(self.journal, request["files"])
        self.socket = request["socket"]
        self.plugins = tuple(request["plugins"]) + migrator_cni.PLUGINS
        self.stale_addresses = request["stale_addresses"]
        self.timings = []
        self.problems = []

    # What is to be done, in its order.

    def forward(self):
        """Do the switch. Raise NodeError when an action fails."""
        self.timed("stop the kubelet", self.stop_kubelet)
        self.timed("remove Kubernetes' Docker containers", self.remove_docker_containers)
        self.timed("write files", self.write_files)
        self.timed("start containerd", self.start_containerd)
        self.timed("start the kubelet", self.start_kubelet)

    def back(self):
        """Undo what the journal says was begun, in reverse order. Raise NodeError when an action fails.

        What the new runtime leaves must not keep the old one from serving: it is told, and the rest is done.
        """
        self.journal.use_space()
        begun = {entry["action"]: entry for entry in self.journal.entries()}
        if "begin" not in begun:
            raise NodeError("the journal {} has lost its beginning".format(self.journal.path))
        self.timed("stop the kubelet", self.stop_kubelet)
        if "write files" in begun:
            alone = "start the kubelet on Docker" not in begun
            self.tried("remove Kubernetes' containerd containers", lambda: remove_cri_containers(self.plugins, alone))
            self.timed("put files back", self.restore_files)
        if "enable containerd at boot" in begun:
            self.tried("keep containerd from starting at boot", lambda: run(["systemctl", "disable", CONTAINERD]))
        if "start containerd" in begun:
            self.tried("restart containerd", lambda: run(["systemctl", "restart", CONTAINERD], timeout=START_SECONDS))
        self.timed("start Docker", lambda: self.start_docker(begun["begin"].get("enabled", [])))
        self.timed("start the kubelet on Docker", self.start_kubelet_again)

    def tried(self, name, action):
        """Do an action whose failure is only told."""
        try:
            self.timed(name, action)
        except NodeError as error:
            self.problems.append(str(error))

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

    # Where it stands.

    def proceed(self):
        """Go on from where the journal says it stands, and write down how that ended."""
        entries = self.journal.entries()
        last = entries[-1]["action"] if entries else ""
        if last in ENDS[:2]:
            return
        if last == "begin" and entries[-1]["boot"] == boot():
            cause = self.attempt()
            if not cause:
                return
        else:
            cause = interruption(entries)
        for left in reversed(range(TRIES)):
            failed = self.retreat(cause)
            if not failed:
                return
            if left:
                time.sleep(AGAIN_SECONDS)
        cause = "{}; then putting it back failed: {}".format(cause or "it was asked for", failed)
        self.journal.write("broken", cause=cause, actions=self.timings)

    def retreat(self, cause):
        """Go back; give what failed, "" when nothing did: somebody must hear that a node is neither old nor new."""
        try:
            self.back()
            self.journal.write("undone", cause=cause, problems=self.problems, actions=self.timings)
        except Exception as error:  # whatever it is
            return str(error) or repr(error)
        return ""

    def attempt(self):
        """Do the switch; give what failed, "" when nothing did."""
        try:
            self.forward()
            self.journal.write("done", actions=self.timings)
        except Exception as error:  # a bug of ours must not leave a node half switched either
            return str(error) or repr(error)
        return ""

    def finished(self):
        """Tell whether there is nothing to do."""
        written = self.files.written()
        try:
            return written and not docker_containers(kubernetes_only=True)
        except OSError:
            return written  # no Docker answers, so it runs no containers

    # The single actions.

    def stop_kubelet(self):
        """Stop it first: it would start again what is removed next."""
        run(["systemctl", "stop", KUBELET], timeout=START_SECONDS)

    def remove_docker_containers(self):
        """Stop and remove every container that Kubernetes has in Docker, and release what they held."""
        containers = docker_containers(kubernetes_only=True)
        self.journal.write("removed", containers=[entry["Id"] for entry in containers])
        remove_docker_containers(containers, self.plugins)
        release_addresses([(entry["path"], entry["container"]) for entry in self.stale_addresses])

    def write_files(self):
        """Write the plan's bytes, each file saved before."""
        self.files.write()
        run(["systemctl", "daemon-reload"])

    def restore_files(self):
        """Put them back."""
        try:
            self.files.restore()
        finally:
            run(["systemctl", "daemon-reload"])

    def start_containerd(self):
        """Restart containerd with its new configuration and wait until its CRI plugin answers.

        Docker's other containers live on: they are children of shims, not of containerd.
        """
        if not enabled(CONTAINERD):
            self.journal.write("enable containerd at boot")
            run(["systemctl", "enable", CONTAINERD])
        run(["systemctl", "restart", CONTAINERD], timeout=START_SECONDS)
        deadline = time.monotonic() + START_SECONDS
        while True:
            state = cri_plugin()
            if state == "ok":
                break
            if time.monotonic() > deadline or (state == "error" and time.monotonic() > deadline - START_SECONDS + 20):
                raise NodeError("containerd runs, but its CRI plugin is {} after the restart".format(state))
            time.sleep(1)
        if not os.path.exists(self.socket):
            raise NodeError("containerd runs, but its socket {} is not there".format(self.socket))

    def start_docker(self, wanted):
        """Start it, at boot too where it did that before."""
        for unit in wanted:
            if not enabled(unit):
                run(["systemctl", "enable", unit])
        # containerd's restarts may have taken Docker with them, more often than systemd allows.
        run(["systemctl", "reset-failed"] + list(DOCKER), check=False)
        run(["systemctl", "start", DOCKER[-1]], timeout=START_SECONDS)

    def start_kubelet(self):
        """Start the kubelet, only when no Kubernetes container of Docker is left that it would not see."""
        if docker_containers(kubernetes_only=True):
            raise NodeError("Docker has containers of Kubernetes again")
        self.start_kubelet_again()
        if any(entry.get("healthy") for entry in self.journal.entries()):
            settled()

    def start_kubelet_again(self):
        """Start it: systemd lets it wait for the switch's own unit until that says it is ready."""
        migrator_service.ready()
        run(["systemctl", "start", KUBELET], timeout=START_SECONDS)


def settled():
    """Return when the kubelet is well. Raise NodeError when it ends, or does not get so: it may dislike its flags.

    For systemd a process is started before it has read its command line.
    """
    deadline = time.monotonic() + START_SECONDS
    first = kubelet_process()
    while not healthy():
        time.sleep(0.5)
        if kubelet_process() != first:
            raise NodeError("the kubelet does not stay up (journalctl -u {})".format(KUBELET))
        if time.monotonic() > deadline:
            raise NodeError("the kubelet is not well after {} s (journalctl -u {})".format(START_SECONDS, KUBELET))


def kubelet_process():
    """Give the process id of the kubelet, "0" when there is none."""
    return run(["systemctl", "show", "--property=MainPID", KUBELET], check=False)[1].strip().partition("=")[2]


def healthy():
    """Ask the kubelet where it listens by default (kubelet's --healthz-port); others are not heard."""
    connection = http.client.HTTPConnection("127.0.0.1", 10248, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def interruption(entries):
    """Say why a switch that had begun did not end; "" for one that was asked to go back."""
    actions = [entry for entry in entries if entry["action"] not in ("saved", "kept", "made folder", "removed")]
    if not actions or actions[-1]["action"] in ("undo", "broken") or any(e["action"] == "undo" for e in actions):
        return ""
    begun = [entry for entry in entries if entry["action"] == "begin"]
    how = "the node was rebooted" if begun and begun[-1]["boot"] != boot() else "the switch was killed"
    return "{} in the middle of the switch, after {!r}".format(how, actions[-1]["action"])


def boot():
    """Name this boot of the node."""
    return (read_bytes("/proc/sys/kernel/random/boot_id") or b"").decode().strip()


def enabled(unit):
    """Tell whether systemd starts a unit at boot."""
    return run(["systemctl", "is-enabled", "--quiet", unit], check=False)[0] == 0


def cri_plugin():
    """Give the state of containerd's CRI plugin: ok, error, skip, or silent while containerd does not answer."""
    code, out, _ = ctr(["plugins", "list"], timeout=30, check=False)
    match = re.search(r"^io\.containerd\.grpc\.v1\s+cri\s+\S+\s+(\w+)", out, re.MULTILINE)
    return match.group(1) if code == 0 and match else "silent"


def ask(folder, request, about):
    """Write down what shall be done, and the state of what will be changed: the first line of its journal.

    Raise OSError when there is no room for that.
    """
    journal = Journal(folder)
    journal.create()
    # What is there now may be what the plan wants already: somebody else has written the same.
    files = [dict(entry, found=sha256(read_bytes(entry["path"]))) for entry in request["files"]]
    try:
        write_file(os.path.join(folder, REQUEST), json.dumps(dict(request, files=files)).encode(), 0o600)
        journal.set_space_aside()
    except OSError:
        shutil.rmtree(folder)  # nothing of a switch has begun
        raise
    at_boot = [unit for unit in DOCKER if enabled(unit)]
    # One that is not well before, or answers elsewhere, is not waited for afterwards.
    journal.write("begin", boot=boot(), enabled=at_boot, healthy=healthy(), about=about)


def asked(folder):
    """Read what was asked for. Raise NodeError when it is not there."""
    data = read_bytes(os.path.join(folder, REQUEST))
    if data is None:
        raise NodeError("{} is not in {}".format(REQUEST, folder))
    return json.loads(data.decode())


def main():
    """Do, or go on with, the switch whose folder is given."""
    folder = sys.argv[1]
    journal = Journal(folder)
    try:
        Switch(folder, asked(folder)).proceed()
        broken = journal.entries()[-1]["action"] == "broken"
    except Exception as error:  # nothing can be done here before a person has looked
        journal.write("broken", cause=str(error) or repr(error), actions=[])
        broken = True
    migrator_service.ready()
    if not broken:
        journal.use_space()
        migrator_service.remove()
