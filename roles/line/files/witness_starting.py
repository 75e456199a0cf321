"""Starting a private instance of a runtime, under systemd where that is PID 1."""

import base64
import json
import os
import re
import shutil
import subprocess
import time

from witness_base import RUNNING, WitnessError, below, part, question, read, run, short
from witness_removal import started
from witness_residue import before
from witness_runtime import CHILDREN, NOTES, STOP_SECONDS, Instance, active, stop_runtime

START_SECONDS = 180
MOST_SECONDS = 1800
LOG_LINES = 15
LIMITS = ("LimitNOFILE", "LimitNPROC", "LimitCORE", "LimitMEMLOCK")
"""What the runtime's own unit gives to its containers too."""
KNOWN = {"containerd": "containerd.service"}
END = """\
#!/bin/sh
# Run when the instance ends, so that its containers end with it.
find /sys/fs/cgroup -path '*/migrator*{session}*' -not -path '*.service/*' -name cgroup.procs -exec cat {{}} + |
  sort -u | xargs -r kill -9
"""


@question
def start_runtime(session, runtime, program, config, files, root):
    """Start a private instance; give its socket once it answers. When it does not, nothing of it stays.

    `config` and the values of `files` (by relative name) are in base64; @STATE@, @ROOT@ and @FILES@ in texts become
    the real folders. `root` is a folder on whose filesystem its data goes.
    """
    instance = Instance(session, root)
    if runtime not in KNOWN:
        raise WitnessError(f"{runtime} cannot be started beside another one; known is {', '.join(sorted(KNOWN))}")
    if not os.path.isabs(root):
        raise WitnessError(f"{root!r} is no absolute path")
    if not shutil.which(program):
        raise WitnessError(f"{program} is not installed")
    if os.path.lexists(instance.note) or os.path.lexists(instance.folder) or os.path.lexists(instance.data):
        raise WitnessError(f"session {session} exists already; stop it first")
    note = {"session": session, "since": time.time(), "runtime": runtime, "root": root, "before": before()}
    note.update(unit=instance.unit if os.path.isdir(RUNNING) else "", made=_missing(instance.data))
    _keep(instance, note)
    try:
        _fill(instance, config, files)
        _start(instance, note, program)
        _await(instance, note, program)
    except (OSError, ValueError, WitnessError) as error:
        left = stop_runtime(session)["left"]
        raise WitnessError(f"{error}" + (f"; what could not be removed: {', '.join(left)}" if left else ""))
    return {"socket": instance.socket, "unit": note["unit"]}


def _missing(path):
    """List the folders above a path that do not exist, the innermost first."""
    found, path = [], os.path.dirname(path)
    while not os.path.lexists(path):
        found.append(path)
        path = os.path.dirname(path)
    return found


def _keep(instance, note):
    """Write the note in one step."""
    os.makedirs(NOTES, mode=0o700, exist_ok=True)
    with open(instance.note + ".new", "w") as file:
        json.dump(note, file)
        file.flush()
        os.fsync(file.fileno())
    os.rename(instance.note + ".new", instance.note)


def _fill(instance, config, files):
    # Containers in a user namespace go through these folders.
    for path in (instance.folder, instance.state, instance.data):
        os.makedirs(path, mode=0o711)
    _write(instance, instance.config, config)
    for name, content in files.items():
        path = os.path.normpath(os.path.join(instance.files, name))
        if not below(path, instance.files) or path == instance.files:
            raise WitnessError(f"{name!r} is no name of a file")
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        _write(instance, path, content)
    with open(instance.folder + "/end.sh", "w") as file:
        file.write(END.format(session=instance.session))


def _write(instance, path, content):
    data = base64.b64decode(content, validate=True)
    try:
        data = instance.filled(data.decode()).encode()
    except UnicodeDecodeError:
        pass  # no text
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def _start(instance, note, program):
    words = instance.words(program)
    if note["unit"]:
        code, out, err = run(unit_words(instance, KNOWN[note["runtime"]]) + words)
        if code != 0:
            raise WitnessError(f"systemd does not start it: {short(err or out)}")
        return
    with open(instance.log, "w") as log:
        child = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/"
        )
    CHILDREN[instance.session] = child
    note.update(pid=child.pid, started=started(child.pid))
    _keep(instance, note)


def unit_words(instance, serving):
    """Give the words for systemd-run(1), as far as this systemd knows them, with the limits of the unit that serves."""
    version = re.search(r"^systemd (\d+)", run(["systemctl", "--version"])[1])
    version = int(version.group(1)) if version else 0
    properties = ["Delegate=yes", "KillMode=control-group", f"TimeoutStopSec={STOP_SECONDS}"]
    told = run(["systemctl", "show", "--property=" + ",".join(LIMITS), serving])[1]
    properties += [line for line in told.splitlines() if re.match(r"Limit\w+=(?:\d+|infinity)$", line)]
    if version >= 229:
        properties.append(f"RuntimeMaxSec={MOST_SECONDS}")
    if version >= 240:
        properties.append(f"ExecStopPost=/bin/sh {instance.folder}/end.sh")
    words = ["systemd-run", "--quiet", "--unit=" + instance.unit] + (["--collect"] if version >= 236 else [])
    return words + ["--property=" + entry for entry in properties] + ["--"]


def _await(instance, note, program):
    """Wait until it answers."""
    beside = os.path.join(os.path.dirname(shutil.which(program)), "ctr")
    client = [beside if os.access(beside, os.X_OK) else "ctr", "--address", instance.socket, "version"]
    if not shutil.which(client[0]):
        raise WitnessError("ctr, which comes with containerd, is not installed")
    deadline = time.time() + START_SECONDS
    while run(client, seconds=30)[0] != 0:
        if not active(note):
            raise WitnessError(f"it ended: {_last_lines(instance, note)}")
        if time.time() > deadline:
            raise WitnessError(f"it does not answer after {START_SECONDS} s: {_last_lines(instance, note)}")
        time.sleep(0.2)


def _last_lines(instance, note):
    if note["unit"]:
        words = ["journalctl", "--unit", note["unit"], "--lines", str(LOG_LINES), "--no-pager", "--output", "cat"]
        text = run(words, seconds=30)[1]
    else:
        text = read(instance.log) or ""
    return short("\n".join(text.splitlines()[-LOG_LINES:]), most=1500) or "it said nothing"


part("witness_starting", globals())
