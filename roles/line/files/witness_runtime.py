"""A private instance of a runtime, with folders and a socket of its own, beside the one that serves.

It ends by itself after half an hour, should nobody end it; what it made is noted on disk before it is made, so that
any later witness can remove it. Cgroups that its containers are put into must be named migrator…SESSION….
"""

import json
import os
import re
import time

from witness_base import WitnessError, below, mounts, names, numbers, part, question, read, run
from witness_cgroup import memberships
from witness_removal import (
    alive,
    detach,
    empty_cgroups,
    kill,
    remove_cgroups,
    remove_empty,
    remove_tree,
    started,
    unmount,
)
from witness_residue import PLUGINS, before, clean, identities

NOTES = "/var/lib/migrator/rehearsals"
STOP_SECONDS = 20
SLICES = ("migrator", "migrator.slice", "migrator-probe.slice", "migrator-rehearsal.slice")
"""Cgroups that only hold those of sessions."""
_RUNTIME = re.compile(r"containerd(?:-shim[a-z0-9-]*)?$")
CHILDREN = {}


class Instance:
    """Where an instance has its things."""

    def __init__(self, session, root):
        if not re.match(r"[a-z0-9][a-z0-9-]{3,40}$", session):
            raise WitnessError(f"{session!r} is no name of a session")
        self.session = session
        self.name = f"migrator-rehearsal-{session}"
        self.unit = self.name + ".service"
        self.folder = f"/run/{self.name}"
        self.state = self.folder + "/state"
        self.files = self.folder + "/files"
        self.config = self.folder + "/config.toml"
        self.log = self.folder + "/log"
        self.socket = self.folder + "/containerd.sock"
        self.data = os.path.join(root, self.name)
        self.note = f"{NOTES}/{session}.json"

    def filled(self, text):
        """Put the real folders into a text."""
        for sign, path in (("@STATE@", self.state), ("@ROOT@", self.data), ("@FILES@", self.files)):
            text = text.replace(sign, path)
        return text

    def words(self, program):
        """Give the command that starts it."""
        places = ["--root", self.data, "--state", self.state, "--address", self.socket]
        return [program, "--config", self.config] + places


def active(note):
    """Tell whether an instance runs."""
    if note["unit"]:
        return run(["systemctl", "is-active", "--quiet", note["unit"]])[0] == 0
    pid = note.get("pid", 0)
    return bool(pid) and alive(pid) and started(pid) == note["started"]


@question
def stop_runtime(session, ids=()):
    """End an instance and remove all that it made; give what would not go. Also after a crash, also twice.

    Of containers that are gone its database may say nothing any more: whoever knows their `ids` says them.
    """
    known = _note(session)
    note = known or {"unit": "", "root": "/var/lib", "before": before(), "made": []}
    instance = Instance(session, note["root"])
    sooner, spaces = identities(instance.state, instance.data)
    plugins = _plugin_folders(instance)
    _end(instance, note)
    left = [f"process {pid}" for pid in kill(lambda: _members(instance))]
    later = identities(instance.state, instance.data)
    left += unmount([instance.folder, instance.data])
    # A probe mounts by this name; where mounts are passed on to the host, that one outlives the container.
    for mount in reversed(mounts()):
        if mount.source == f"migrator-{session}":
            detach(mount.point)
    left += clean({*ids, *sooner, *later[0]}, sorted({*spaces, *later[1]}), note["before"], plugins)
    left += remove_tree(instance.folder) + remove_tree(instance.data)
    for path in note["made"]:
        remove_empty(path)
    left += _leave_cgroups(instance, note)
    if not left and os.path.lexists(instance.note):
        os.unlink(instance.note)
    for path in (NOTES, os.path.dirname(NOTES)):
        remove_empty(path)
    return {"left": left}


def _leave_cgroups(instance, note):
    """Remove the cgroups of its containers; where systemd made them for us as slices, by systemd."""
    empty = [path for path in empty_cgroups() if os.path.basename(path) in SLICES or is_ours(instance, path)]
    if note["unit"]:
        slices = {os.path.basename(path) for path in empty if path.endswith(".slice")}
        for name in sorted(slices, key=len, reverse=True):
            run(["systemctl", "stop", name], seconds=STOP_SECONDS)
    return remove_cgroups(empty)


def _note(session):
    try:
        return json.loads(read(f"{NOTES}/{session}.json") or "")
    except ValueError:
        return None


def _plugin_folders(instance):
    """Give where its configuration says that network plugins are, then the usual places."""
    told = re.findall(r"""["'](/[^"']+)["']""", "\n".join(re.findall(r"bin_dirs?\s*=.*", read(instance.config) or "")))
    return (*told, *PLUGINS)


def _end(instance, note):
    """End its main process, gently first."""
    if note["unit"]:
        run(["systemctl", "stop", note["unit"]], seconds=STOP_SECONDS * 2)
        run(["systemctl", "reset-failed", note["unit"]])
        return
    child = CHILDREN.pop(instance.session, None)
    if active(note):
        os.kill(note["pid"], 15)
    deadline = time.time() + STOP_SECONDS
    while active(note) and time.time() < deadline:
        time.sleep(0.1)
    kill(lambda: [note["pid"]] if active(note) else [])
    if child:
        child.wait()


def _members(instance):
    """List its processes and those of its containers, by what they were told, their cgroup or their root filesystem."""
    return [pid for pid in numbers() if pid != os.getpid() and _is_member(instance, pid)]


def _is_member(instance, pid):
    arguments = (read(f"/proc/{pid}/cmdline") or "").split("\0")
    runtime = any(_RUNTIME.match(os.path.basename(argument)) for argument in arguments)
    if runtime and any(below(argument, instance.folder) for argument in arguments):
        return True
    if any(is_ours(instance, path) for path in memberships(pid).values()):
        return True
    place = f"/{instance.name}/"
    roots = [mount for mount in mounts(pid=pid) if mount.point == "/"]
    return any(place in f"{mount.root} {mount.options}" for mount in roots)


def is_ours(instance, path):
    """Tell whether a cgroup is one of this session's, by its name or that of one above it."""
    return any(name.startswith("migrator") and instance.session in name for name in path.split("/"))


@question
def sessions():
    """List the instances that exist, running or not."""
    found = []
    known = {re.sub(r"\.json$", "", name) for name in names(NOTES) if name.endswith(".json")}
    known |= {name[len("migrator-rehearsal-") :] for name in names("/run") if name.startswith("migrator-rehearsal-")}
    for session in sorted(known):
        note = _note(session) or {"unit": "", "since": 0}
        found.append({
            "session": session,
            "unit": note["unit"],
            "since": note["since"],
            "active": active(note),
        })  # fmt: skip
    return found


part("witness_runtime", globals())
