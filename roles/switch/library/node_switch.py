#!/usr/bin/python
"""Switch a drained node from Docker to containerd, or put it back as it was.

What is to be done is written down on the node, and systemd does it there: a lost connection, a killed process or a
reboot cannot leave half of it. This module starts that and waits for its end.

Runs on the node: Python 3.6 or later, standard library only.
"""

DOCUMENTATION = r"""
module: node_switch
short_description: Switch a drained node to another container runtime, or back
description:
  - With I(state=new), stops the kubelet, removes Docker's containers of Kubernetes (and no others), writes the given
    files, restarts containerd, waits for its CRI plugin and starts the kubelet. Any failure puts everything back.
  - With I(state=old), undoes a switch that succeeded, from its journal.
  - One that is under way already, begun over a connection that was lost, is waited for.
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
  arguments:
    description:
      - The command line that the kubelet must have afterwards, without its program; not looked at when empty.
    type: list
    elements: str
    default: []
  about:
    description: What to keep of the node as it was, for whoever puts it back later; it goes into the journal.
    type: dict
    default: {}
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
    transaction: 20260101-120000-4242-worker-1
    files: []
"""
RETURN = r"""
outcome:
  description: One of switched, unchanged, stale, rolled-back, restored, broken, busy (ask again).
  type: str
  returned: always
cause:
  description: What failed, when something did.
  type: str
  returned: always
problems:
  description: What did not keep the node from being put back, but should be known.
  type: list
  returned: when a switch was begun
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
import http.client
import os
import time

from ansible.module_utils import migrator_service
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.migrator_files import Journal
from ansible.module_utils.migrator_node import BusyError, NodeError, docker_containers
from ansible.module_utils.migrator_preparation import ask, prepare_back, with_space
from ansible.module_utils.migrator_switch import ENDS, FORTH_SECONDS, Switch, begin_docker

LOCK_SECONDS = FORTH_SECONDS + 60
"""For another switch to end: longer than one goes forth, and shorter than `migrator_service.WAIT_SECONDS`."""
STARTED = time.monotonic()
GIVEN = ("files", "socket", "plugins", "stale_addresses", "arguments")


def alone(folder):
    """Wait until nobody else has a switch of this node started, and keep others out from now on.

    The lock goes with the process. Raise BusyError when the other one takes too long.
    """
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        lock = open(os.path.join(folder, "lock"), "w")
    except OSError as error:
        raise NodeError("nothing was changed: {}: {}".format(folder, error.strerror))
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not migrator_service.runs():
                return lock
            fcntl.flock(lock, fcntl.LOCK_UN)
        except BlockingIOError:
            pass
        if time.monotonic() > deadline:
            lock.close()
            raise BusyError("another switch is at work on this node, for more than {} s".format(LOCK_SECONDS))
        time.sleep(1)


def last(journal):
    """Give the last line of a switch's journal; an empty one when there is none."""
    entries = journal.entries()
    return entries[-1] if entries else {"action": ""}


def carry_out(journal):
    """Have systemd do what was asked for, and wait for its end, all in all no longer than the control host waits."""
    migrator_service.start()
    waited = time.monotonic() - STARTED
    migrator_service.await_end(lambda: last(journal), ENDS, max(0, migrator_service.WAIT_SECONDS - waited))


def came_to(journal, *, asked):
    """Say what a switch came to that should have ended with what was `asked`: done, or undone."""
    end = last(journal)
    outcomes = {"done": "switched", "undone": "restored" if asked == "undone" else "rolled-back", "broken": "broken"}
    return {
        "outcome": outcomes.get(end["action"], "broken"),
        "cause": end.get("cause", ""),
        "actions": end.get("actions", []),
        "problems": end.get("problems", []) + kept(journal),
    }


def kept(journal):
    """Say what others had written since, and where it is kept."""
    return [
        "{} had been changed since; that is kept as {}".format(entry["path"], entry["copy"])
        for entry in journal.entries()
        if entry["action"] == "kept"
    ]


def traces(journal):
    """Give what tells the node's new status in the cluster from the one that the stopped kubelet left there."""
    entries = journal.entries()
    started = [entry["at"] for entry in entries if entry["action"].startswith("start the kubelet")]
    meant = [name for entry in entries if entry["action"] == "removed" for name in entry["containers"]]
    there = still_there() if meant else ()
    return {
        "removed": [name for name in meant if name not in there],
        "kubelet_started": started[-1] if started else 0,
    }


def still_there():
    """Give the ids of the containers that Docker has: a switch may end between the line that names some and the deed.

    Nothing where Docker does not answer.
    """
    try:
        return {entry["Id"] for entry in docker_containers(kubernetes_only=True)}
    except (NodeError, OSError, ValueError, http.client.HTTPException):
        return set()


def forth(module, journal):
    """Switch the node; give the result."""
    nothing = {"changed": False, "cause": "", "actions": []}
    request = {name: module.params[name] for name in GIVEN}
    if not journal.entries():
        switch = Switch(journal.folder, request)
        stale = switch.files.stale()
        if stale:
            return dict(nothing, outcome="stale", cause="changed since the plan: " + ", ".join(stale))
        if switch.finished():
            return dict(nothing, outcome="unchanged")
        if module.check_mode:
            return dict(nothing, changed=True, outcome="")
        ask(journal.folder, request, module.params["about"])
    over = last(journal)["action"] in ENDS
    if not over and module.check_mode:
        return dict(nothing, changed=True, outcome="")
    if not over:
        carry_out(journal)  # its unit is there since before the journal's first line
    return dict(came_to(journal, asked="done"), changed=not over, **traces(journal))


def back(module, journal):
    """Put the node back; give the result."""
    nothing = {"changed": False, "actions": []}
    state = last(journal)["action"]
    if not state:
        return dict(nothing, outcome="unchanged", cause="no such switch was begun here")
    if state == "undone":
        return dict(nothing, outcome="restored", cause="it was put back already", **traces(journal))
    if module.check_mode:
        return dict(nothing, changed=True, outcome="", cause="")
    if state == "begin":
        # Nothing of it was done, and nothing may be needed for saying so: no unit, no Docker, no room.
        journal.use_space()
        journal.write("undone", cause="", problems=[], actions=[])
        migrator_service.end_hold(journal.folder)
        migrator_service.remove(journal.folder)
        return dict(came_to(journal, asked="undone"), changed=True, **traces(journal))
    if state == "done":
        # Before anything is stopped: a Docker that does not start is no way back.
        begin_docker(journal.entries()[0])
    problems = prepare_back(journal)
    with_space(journal, lambda: journal.write("undo"))
    carry_out(journal)
    result = dict(came_to(journal, asked="undone"), changed=True, **traces(journal))
    return dict(result, problems=problems + result["problems"])


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
            "arguments": {"type": "list", "elements": "str", "default": []},
            "about": {"type": "dict", "default": {}},
            "journals": {"type": "str", "default": "/var/lib/migrator/transactions"},
        },
        supports_check_mode=True,
    )
    work = forth if module.params["state"] == "new" else back
    try:
        with alone(module.params["journals"]):
            result = work(module, Journal(os.path.join(module.params["journals"], module.params["transaction"])))
    except BusyError as error:  # no failure: whoever asks asks again
        result = {"outcome": "busy", "cause": str(error), "actions": [], "changed": False}
    except (NodeError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
