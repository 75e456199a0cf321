"""The switch of a drained node from Docker to containerd, and back: one transaction, with a journal.

It is run by systemd, not by the connection that asked for it, and again when it was killed or the node was rebooted
in its middle (see migrator_service). Where it stands is in the journal alone: a switch that had begun goes back.

Runs on the node: Python 3.6 or later, standard library only.
"""

import http.client
import json
import os
import re
import sys
import time

from ansible.module_utils import migrator_cni, migrator_service, migrator_units
from ansible.module_utils.migrator_files import Files, Journal
from ansible.module_utils.migrator_node import NodeError, ctr, docker_containers, read_bytes, run, unit_active
from ansible.module_utils.migrator_removal import (
    STOP_MOST_SECONDS,
    release_addresses,
    remove_cri_containers,
    remove_docker_containers,
)
from ansible.module_utils.migrator_service import KUBELET
from ansible.module_utils.migrator_units import enabled, main_process

CONTAINERD = "containerd.service"
DOCKER = ("docker.socket", "docker.service")
START_SECONDS = 180
FORTH_SECONDS = STOP_MOST_SECONDS + 540
"""For the whole way forth: nothing more is begun after that, and what waits gives up."""
FAILED_SECONDS = 20
"""For a CRI plugin that says it has failed, before it is believed."""
TRIES = 3
AGAIN_SECONDS = 5
ENDS = ("done", "undone", "broken")
"""What the journal of a switch ends with: the node has the new runtime, the old one, or a person has to look."""
REQUEST = "request.json"


class Switch:
    """One switch of this node, forth and back."""

    def __init__(self, folder, request):
        """Take its folder, and what was asked for, as the module has it: files, socket, plugins and so on.

        Raise NodeError for a file's owner whom the node does not know.
        """
        self.journal = Journal(folder)
        self.files = Files(self.journal, request["files"])
        self.socket = request["socket"]
        self.plugins = tuple(request["plugins"]) + migrator_cni.PLUGINS
        self.stale_addresses = request["stale_addresses"]
        self.arguments = request.get("arguments", [])
        self.timings = []
        self.problems = []
        self.deadline = None

    # What is to be done, in its order.

    def forward(self):
        """Do the switch. Raise NodeError when an action fails, or all together take too long."""
        self.deadline = time.monotonic() + FORTH_SECONDS
        self.timed("stop the kubelet", self.stop_kubelet)
        self.timed("remove Kubernetes' Docker containers", self.remove_docker_containers)
        self.timed("write files", self.write_files)
        self.timed("start containerd", self.start_containerd)
        self.timed("start the kubelet", self.start_kubelet)

    def back(self):
        """Undo what the journal says was begun, in reverse order. Raise NodeError when an action fails.

        What the new runtime leaves must not keep the old one from serving: it is told, and the rest is done.
        """
        self.deadline = None
        self.journal.use_space()
        begun = {entry["action"]: entry for entry in self.journal.entries()}
        if "begin" not in begun:
            raise NodeError("the journal {} has lost its beginning".format(self.journal.path))
        self.timed("stop the kubelet", self.stop_kubelet_again)
        if "write files" in begun:
            alone = "start the kubelet on Docker" not in begun
            self.tried("remove Kubernetes' containerd containers", lambda: remove_cri_containers(self.plugins, alone))
            self.timed("put files back", self.restore_files)
        if "enable containerd at boot" in begun:
            self.tried("keep containerd from starting at boot", lambda: run(["systemctl", "disable", CONTAINERD]))
        if "start containerd" in begun:
            self.tried("restart containerd", lambda: migrator_units.restart(CONTAINERD, START_SECONDS))
        self.timed("start Docker", lambda: self.start_docker(begun["begin"]))
        before = begun["begin"].get("arguments", [])
        self.timed("start the kubelet on Docker", lambda: self.start_kubelet_as_before(before))

    def tried(self, name, action):
        """Do an action whose failure is only told, whatever it is."""
        try:
            self.timed(name, action)
        except Exception as error:
            self.problems.append(str(error) or repr(error))

    def timed(self, name, action):
        """Journal an action, do it, and note how long it took."""
        self.left(START_SECONDS)
        self.journal.write(name)
        started = time.monotonic()
        try:
            action()
        except OSError as error:
            raise NodeError("{}: {}".format(name, error))
        finally:
            self.timings.append({"action": name, "seconds": round(time.monotonic() - started, 1)})

    def left(self, seconds):
        """Give how long something may take that usually may take so long. Raise NodeError when no time is left."""
        if self.deadline is None:
            return seconds
        rest = self.deadline - time.monotonic()
        if rest <= 0:
            raise NodeError("the switch has taken more than {} s".format(FORTH_SECONDS))
        return min(seconds, rest)

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
            self.journal.write("undone", cause=cause, problems=self.told(), actions=self.timings)
        except Exception as error:  # whatever it is
            return str(error) or repr(error)
        return ""

    def attempt(self):
        """Do the switch; give what failed, "" when nothing did."""
        try:
            self.forward()
            self.journal.write("done", problems=self.told(), actions=self.timings)
        except Exception as error:  # a bug of ours must not leave a node half switched either
            return str(error) or repr(error)
        return ""

    def told(self):
        """Give what went otherwise and has kept nothing from going on, each once: some things are tried again."""
        return list(dict.fromkeys(self.problems + self.files.problems))

    def finished(self):
        """Tell whether there is nothing to do."""
        written = self.files.written()
        try:
            return written and not docker_containers(kubernetes_only=True)
        except OSError:
            return written  # no Docker answers, so it runs no containers

    # The single actions.

    def stop_kubelet(self):
        """Stop it first: it would start again what is removed next. Nobody starts it until that is undone."""
        migrator_service.hold(self.journal.folder)
        self.stop()

    def stop_kubelet_again(self):
        """Likewise, but what others might do is no reason to leave a node half switched."""
        try:
            migrator_service.hold(self.journal.folder)
        except (NodeError, OSError) as error:
            self.problems.append(str(error))
        self.stop()

    def stop(self):
        """Stop the kubelet. Raise NodeError when it runs all the same."""
        run(["systemctl", "stop", KUBELET], timeout=self.left(START_SECONDS))
        if main_process(KUBELET) != "0":
            raise NodeError("the kubelet runs although it was stopped")

    def remove_docker_containers(self):
        """Stop and remove every container that Kubernetes has in Docker, and release what they held."""
        containers = docker_containers(kubernetes_only=True)
        self.journal.write("removed", containers=[entry["Id"] for entry in containers])
        self.problems += remove_docker_containers(containers, self.plugins)
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
        migrator_units.restart(CONTAINERD, self.left(START_SECONDS))
        began, limit = time.monotonic(), self.left(START_SECONDS)
        while True:
            state, waited = cri_plugin(), time.monotonic() - began
            if state == "ok":
                break
            if waited > limit or (state == "error" and waited > FAILED_SECONDS):
                raise NodeError("containerd runs, but its CRI plugin is {} after the restart".format(state))
            time.sleep(1)
        if not os.path.exists(self.socket):
            raise NodeError("containerd runs, but its socket {} is not there".format(self.socket))

    def start_docker(self, begin):
        """Start it, and its user's sockets that listened before; at boot too what did that before."""
        for unit in begin.get("enabled", []):
            if not enabled(unit):
                code, _, err = run(["systemctl", "enable", unit], check=False)
                if code != 0:
                    self.problems.append("{} does not start at boot any more: {}".format(unit, err.strip()[-200:]))
        # containerd's restarts may have taken Docker with them, more often than systemd allows.
        run(["systemctl", "reset-failed"] + list(DOCKER), check=False)
        self.problems += begin_docker(begin)

    def start_kubelet(self):
        """Start the kubelet, only when no Kubernetes container of Docker is left that it would not see."""
        if docker_containers(kubernetes_only=True):
            raise NodeError("Docker has containers of Kubernetes again")
        self.restart_kubelet()
        found = migrator_units.await_arguments(KUBELET, self.arguments) if self.arguments else []
        if found != self.arguments:
            other = migrator_units.difference(found, self.arguments)
            raise NodeError("the kubelet was not started as the plan says: {}".format(other))
        if any(entry.get("healthy") for entry in self.journal.entries()):
            settled(self.left(START_SECONDS))

    def start_kubelet_as_before(self, before):
        """Start it with the command line that it had `before` the switch; () is for an unknown one.

        Raise NodeError when it has that of the new runtime, though no file did that before. Any other comes of files
        that are as they were, which somebody had changed without a restart: that is told.
        """
        self.restart_kubelet()
        if not before:
            return
        found = migrator_units.await_arguments(KUBELET, before)
        if found != before:
            self.restart_kubelet()
            found = migrator_units.await_arguments(KUBELET, before)
        if found == self.arguments and not self.files.were_planned():
            raise NodeError("the kubelet still runs as the new runtime wants it")
        if found != before:
            other = migrator_units.difference(found, before)
            self.problems.append("the kubelet does not run as before the switch: {}".format(other))

    def restart_kubelet(self):
        """Start it: systemd lets it wait for the switch's own unit until that says it is ready."""
        migrator_service.ready()
        migrator_service.release(self.journal.folder)
        migrator_units.restart(KUBELET, self.left(START_SECONDS))


def begin_docker(begin):
    """Start Docker, and before it its user's sockets that listened before the switch; give what is not as it was.

    Once its service runs, no socket of its can be started: nobody may start the service alone.
    """
    problems = []
    if "active" in begin:
        listened = begin["active"]
        silent = [unit for unit in listened if not unit_active(unit)]
    else:  # a journal of an older version: what started at boot is taken for what listened
        listened = silent = [unit for unit in begin.get("enabled", []) if unit not in DOCKER]
    if not unit_active(DOCKER[-1]):
        for unit in listened:
            code, _, err = run(["systemctl", "start", unit], check=False)
            if code != 0:
                problems.append("{} was not started: {}".format(unit, err.strip()[-200:]))
    elif "active" in begin:
        for unit in silent:
            problems.append(
                "{} listened before the switch and does not now: restart it with docker.service stopped".format(unit)
            )
    run(["systemctl", "start", DOCKER[-1]], timeout=START_SECONDS)
    return problems


def settled(seconds):
    """Return when the kubelet is well. Raise NodeError when it ends, or does not get so: it may dislike its flags.

    For systemd a process is started before it has read its command line.
    """
    deadline = time.monotonic() + seconds
    first = main_process(KUBELET)
    while not healthy():
        time.sleep(0.5)
        if main_process(KUBELET) != first:
            raise NodeError("the kubelet does not stay up (journalctl -u {})".format(KUBELET))
        if time.monotonic() > deadline:
            raise NodeError("the kubelet is not well after {:.0f} s (journalctl -u {})".format(seconds, KUBELET))


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


def cri_plugin():
    """Give the state of containerd's CRI plugin: ok, error, skip, or silent while containerd does not answer."""
    code, out, _ = ctr(["plugins", "list"], timeout=30, check=False)
    match = re.search(r"^io\.containerd\.grpc\.v1\s+cri\s+\S+\s+(\w+)", out, re.MULTILINE)
    return match.group(1) if code == 0 and match else "silent"


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
    unbegun = os.path.exists(os.path.join(folder, REQUEST)) and not os.path.exists(journal.path)
    broken = not unbegun and not carried_through(journal)
    # Where it is broken too: a person has to be able to start the kubelet, and knows nothing of our mark. The next boot
    # holds it again until going back was tried once more.
    migrator_service.end_hold(folder)
    migrator_service.ready()
    if broken:
        return
    if not unbegun and journal.entries()[-1]["action"] == "undone":
        journal.use_space()
    migrator_service.remove(folder)


def carried_through(journal):
    """Do what the journal says is to be done; tell whether the node is wholly old or wholly new."""
    try:
        Switch(journal.folder, asked(journal.folder)).proceed()
        return journal.entries()[-1]["action"] != "broken"
    except Exception as error:  # nothing can be done here before a person has looked
        journal.write("broken", cause=str(error) or repr(error), actions=[])
        return False
