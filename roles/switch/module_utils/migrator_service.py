"""A program of ours that systemd runs, and runs again when it was killed or the node rebooted, until it is through.

The program is these modules themselves, written to the node's disk: it depends on no connection and no package. Its
unit is there only while a switch is under way. It comes before the kubelet, so that no kubelet starts on a node that
is neither old nor new.

Runs on the node: Python 3.6 or later, standard library only.
"""

import os
import socket
import sys
import time

from ansible.module_utils.migrator_node import NodeError, run, sync_folder, write_file

NAME = "migrator-switch.service"
UNITS = "/etc/systemd/system"
WANTED_BY = "multi-user.target.wants"
# The words are those that systemd knows from 219 (RHEL 7) on; there `infinity` would be no time at all.
# Only ordering, no dependency: a kubelet without this unit must start as ever. Ready is said before the kubelet is
# started, because systemd has it wait until then.
UNIT = """[Unit]
Description=Switch of this node's container runtime by migrator (docs/runbook.md); undone if it was cut short
After=containerd.service docker.service
Before=kubelet.service

[Service]
Type=notify
StartLimitInterval=0
ExecStart={python} -B {program} {folder}
Restart=on-failure
RestartForceExitStatus=SIGTERM SIGINT SIGHUP SIGPIPE
RestartSec=2
TimeoutStartSec=0
OOMScoreAdjust=-900

[Install]
WantedBy=multi-user.target
"""
MODULES = ("cni", "files", "node", "removal", "service", "switch")
PACKAGE = "ansible.module_utils"
MAIN = "from {}.migrator_switch import main\n\nmain()\n".format(PACKAGE)
WAIT_SECONDS = 3600
GONE_SECONDS = 15
STUCK_SECONDS = 60


def install(folder):
    """Write the program into a folder, and its unit, to be run at each boot; start nothing."""
    program = os.path.join(folder, "program")
    package = os.path.join(program, *PACKAGE.split("."))
    for path in (os.path.dirname(package), package):
        write_file(os.path.join(path, "__init__.py"), b"", 0o600)
    for name in ("{}.migrator_{}".format(PACKAGE, name) for name in MODULES):
        source = sys.modules[name].__loader__.get_source(name)
        write_file(os.path.join(package, name.rpartition(".")[2] + ".py"), source.encode(), 0o600)
    write_file(os.path.join(program, "__main__.py"), MAIN.encode(), 0o600)
    unit = UNIT.format(python=sys.executable, program=program, folder=folder)
    write_file(os.path.join(UNITS, NAME), unit.encode(), 0o644)
    wanted = os.path.join(UNITS, WANTED_BY)
    os.makedirs(wanted, exist_ok=True)
    if not os.path.islink(os.path.join(wanted, NAME)):
        os.symlink(os.path.join(UNITS, NAME), os.path.join(wanted, NAME))
        sync_folder(wanted)
    run(["systemctl", "daemon-reload"])


def start():
    """Have systemd run it."""
    run(["systemctl", "start", "--no-block", NAME])


def remove():
    """Remove the unit; what is left of the process goes on."""
    for path in (os.path.join(UNITS, WANTED_BY, NAME), os.path.join(UNITS, NAME)):
        if os.path.lexists(path):
            os.unlink(path)
            sync_folder(os.path.dirname(path))
    run(["systemctl", "daemon-reload"])


def ready():
    """Tell systemd that what has to wait for us may start; not when systemd does not run us."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"READY=1", "\0" + address[1:] if address.startswith("@") else address)


def asked(*names):
    """Read properties of the unit; None when systemd does not say."""
    words = ["systemctl", "show"] + ["--property=" + name for name in names] + [NAME]
    code, out, _ = run(words, check=False)
    return dict(line.partition("=")[::2] for line in out.splitlines()) if code == 0 else None


def runs():
    """Tell whether it is at work, or will be: at boot it may wait for others. Silence is no proof of rest."""
    found = asked("ActiveState", "Job")
    if found is None:
        return True
    return found.get("ActiveState") not in ("inactive", "failed") or found.get("Job", "0") not in ("", "0")


def fails_to_run():
    """Tell whether systemd is about to start it once more, because it ended without having said that it is through."""
    return (asked("SubState") or {}).get("SubState") == "auto-restart"


def await_end(last, ends, seconds=WAIT_SECONDS):
    """Return when the last line of its journal is one of `ends` and the unit at rest.

    Raise NodeError when that takes too long, somebody stopped it, or it ends again and again without getting on.
    """
    deadline = time.monotonic() + seconds
    gone = stuck = None
    line = last()
    while True:
        if last() != line:
            line, stuck = last(), None
        if not runs():
            if line["action"] in ends:
                return
            gone = gone or time.monotonic()
            if time.monotonic() - gone > GONE_SECONDS:
                raise NodeError("{} was stopped in its middle; it goes back at the next boot".format(NAME))
        else:
            gone = None
            if fails_to_run():
                stuck = stuck or time.monotonic()
                if time.monotonic() - stuck > STUCK_SECONDS:
                    raise NodeError("{0} ends before it has done anything (journalctl -u {0})".format(NAME))
        if time.monotonic() > deadline:
            raise NodeError("{0} has not ended for {1} s (journalctl -u {0})".format(NAME, seconds))
        time.sleep(0.3)
